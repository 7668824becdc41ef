"""The record, and whether it is whole."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from registryui.middleware import current_request_id
from registryui.models import AuditEntry, AuditHead


class Action(StrEnum):
    """Everything that goes on the record. Names never change: they are in people's exports."""

    REGISTRY_ADDED = "registry.added"
    REGISTRY_CHANGED = "registry.changed"
    REGISTRY_HELD = "registry.held"
    REGISTRY_BACK = "registry.back"
    REGISTRY_LOST = "registry.lost"
    REGISTRY_LOOKED_AFTER = "registry.looked_after"
    EVENTS_TOKEN = "events.token"  # noqa: S105  # the name of an action
    EVENTS_CHANGED = "events.changed"
    EVENTS_ANEW = "events.anew"
    EVENTS_STOPPED = "events.stopped"
    SCAN_REQUESTED = "scan.requested"
    SCAN_CALLED_OFF = "scan.called_off"
    PROPOSED = "proposal.proposed"
    EDITED = "proposal.edited"
    APPROVED = "proposal.approved"
    REJECTED = "proposal.rejected"
    WITHDRAWN = "proposal.withdrawn"
    STALE = "proposal.stale"
    RUN_QUEUED = "run.queued"
    RUN_FINISHED = "run.finished"
    RUN_CALLED_OFF = "run.called_off"
    LOSSES_ACCEPTED = "run.losses_accepted"
    SCRUB_REQUESTED = "scrub.requested"
    SCRUB_FINISHED = "scrub.finished"
    SCRUB_CALLED_OFF = "scrub.called_off"
    POLICY_WRITTEN = "policy.written"
    POLICY_ACTIVATED = "policy.activated"
    POLICY_PAUSED = "policy.paused"
    POLICY_CHANGED = "policy.changed"
    POLICY_RAN = "policy.ran"
    GUARD_OVERRIDDEN = "guard.overridden"
    GUARD_DISMISSED = "guard.dismissed"
    STANDING_ASKED = "standing.asked"
    STANDING_SIGNED = "standing.signed"
    STANDING_REVOKED = "standing.revoked"
    LOGGED_IN = "user.logged_in"
    LOGIN_FAILED = "user.login_failed"


#: What happens without a person behind it is done by this name.
SYSTEM = "registryui"


def record(
    actor: User | AnonymousUser | None,
    action: Action,
    subject: Model | None = None,
    *,
    registry: str = "",
    plan_digest: str = "",
    reason: str = "",
    **data: Any,
) -> AuditEntry:
    """Append an entry. Call it inside the transaction of what it records: both are kept, or neither."""
    with transaction.atomic():
        AuditHead.objects.get_or_create(pk=1)
        head = AuditHead.objects.select_for_update().get(pk=1)
        entry = AuditEntry(
            id=head.number + 1,
            at=timezone.now(),
            actor_id=actor.pk if actor else None,
            actor_name=actor.get_username() if actor else SYSTEM,
            action=action,
            object_kind=subject._meta.model_name or "" if subject is not None else "",
            object_id=str(subject.pk) if subject is not None else "",
            label=_label(subject),
            registry=registry,
            plan_digest=plan_digest,
            reason=reason,
            request_id=current_request_id(),
            data=data,
            previous=head.digest,
        )
        entry.digest = entry_digest(entry)
        entry.save(force_insert=True)
        head.number, head.digest = entry.id, entry.digest
        head.save()
    return entry


def _label(subject: Model | None) -> str:
    """Return what a thing is called, in the language of the record whoever writes it."""
    with override("en"):
        return str(subject)[:300] if subject is not None else ""


def entry_digest(entry: AuditEntry) -> str:
    """Return the sha256 over every field of an entry but its own digest, that of its predecessor included."""
    fields = {
        field.name: getattr(entry, field.name) for field in entry._meta.concrete_fields if field.name != "digest"
    }
    fields["at"] = _moment(entry.at)
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Verdict(NamedTuple):
    """Whether the chain is whole; if not, the first entry where it breaks and what is wrong there."""

    entries: int
    broken_at: int | None
    what: str


def verify() -> Verdict:
    """Walk the whole chain: finds entries edited, removed, put in between, reordered, or taken off the end."""
    previous, expected = "", 1
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=1000):
        if entry.id != expected:
            return Verdict(expected - 1, expected, _("is missing"))
        if entry.previous != previous:
            return Verdict(expected - 1, entry.id, _("does not follow the one before it"))
        if entry_digest(entry) != entry.digest:
            return Verdict(expected - 1, entry.id, _("was changed after it was written"))
        previous, expected = entry.digest, expected + 1
    head = AuditHead.objects.filter(pk=1).first()
    if head is not None and (head.number, head.digest) != (expected - 1, previous):
        return Verdict(expected - 1, expected, _("is missing: the record is shorter than it was"))
    if head is None and expected > 1:
        return Verdict(expected - 1, expected - 1, _("has no head"))
    return Verdict(expected - 1, None, "")
