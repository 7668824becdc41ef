"""The admin site: people, groups and registries; proposals, policies, runs and the record only to read."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from registryui.models import (
    Approval,
    AuditEntry,
    InUsePlace,
    Listening,
    Policy,
    PolicyRun,
    PolicyVersion,
    Proposal,
    Registry,
    Run,
    Scan,
    StandingApproval,
)


class ReadOnly(admin.ModelAdmin[Any]):
    """Shows, and nothing else: what people decide goes through the pages, where it is checked and recorded."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes here."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Who may see registries may see this."""
        return request.user.has_perm("registryui.view_registry")


@admin.register(Registry)
class RegistryAdmin(ReadOnly):
    """Registries; they are changed on their own page, which tests the connection and writes the record."""

    list_display = ("title", "slug", "source", "kind", "required_approvals")


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly):
    """The record."""

    list_display = ("id", "at", "actor_name", "action", "label", "registry")
    list_filter = ("action", "registry")
    search_fields = ("label", "actor_name", "reason", "plan_digest")


@admin.register(Proposal)
class ProposalAdmin(ReadOnly):
    """Proposals."""

    list_display = ("id", "title", "state", "registry", "proposer")


@admin.register(Approval)
class ApprovalAdmin(ReadOnly):
    """Verdicts."""

    list_display = ("proposal", "user_name", "decision", "created_at")


@admin.register(Run)
class RunAdmin(ReadOnly):
    """Runs."""

    list_display = ("id", "kind", "state", "registry", "started_by", "trash")


@admin.register(Scan)
class ScanAdmin(ReadOnly):
    """Scans."""

    list_display = ("id", "registry", "state", "started_at", "finished_at")


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    """Policies."""

    list_display = ("title", "slug", "registries", "active", "activated_by", "since")


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnly):
    """Versions of policies."""

    list_display = ("policy", "number", "created_by", "created_at", "digest")


@admin.register(PolicyRun)
class PolicyRunAdmin(ReadOnly):
    """What policies came to."""

    list_display = ("id", "version", "registry", "state", "due_at", "asked_by", "proposal")
    list_filter = ("state",)


@admin.register(StandingApproval)
class StandingApprovalAdmin(ReadOnly):
    """Approvals that stand, and those that were revoked."""

    list_display = ("version", "registry", "asked_by", "created_at", "revoked_by", "revoked_at")


@admin.register(InUsePlace)
class InUsePlaceAdmin(ReadOnly):
    """Who is asked what runs."""

    list_display = ("place", "registry", "at", "complete", "images")


@admin.register(Listening)
class ListeningAdmin(ReadOnly):
    """Which registries tell of pulls."""

    list_display = ("registry", "since", "last_at", "quiet_hours", "restart_is_gap")
