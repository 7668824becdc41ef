"""The record, for people and for their spreadsheets."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_GET

from registryui.models import AuditEntry, Registry, Run
from registryui.permissions import VIEW, requires
from registryui.services import audit
from registryui.views.export import between, exported
from registryui.views.table import page_of

FIELDS = (
    "id", "at", "actor_name", "action", "object_kind", "object_id", "label", "registry", "plan_digest", "reason",
    "request_id", "data", "previous", "digest",
)  # fmt: skip

WORDS: dict[str, str | Promise] = {
    audit.Action.REGISTRY_ADDED: _("added the registry"),
    audit.Action.REGISTRY_CHANGED: _("changed the registry"),
    audit.Action.REGISTRY_HELD: _("kept pushes out of"),
    audit.Action.REGISTRY_BACK: _("gave back"),
    audit.Action.REGISTRY_LOST: _("could not give back"),
    audit.Action.REGISTRY_LOOKED_AFTER: _("looked after"),
    audit.Action.LOSSES_ACCEPTED: _("accepted what is missing after"),
    audit.Action.EVENTS_TOKEN: _("made a token for events of"),
    audit.Action.EVENTS_CHANGED: _("changed what counts of events of"),
    audit.Action.EVENTS_ANEW: _("relies anew on events of"),
    audit.Action.EVENTS_STOPPED: _("no longer listens to events of"),
    audit.Action.SCAN_REQUESTED: _("asked for a scan of"),
    audit.Action.SCAN_CALLED_OFF: _("called off the scan of"),
    audit.Action.SCRUB_REQUESTED: _("asked for a scrub of"),
    audit.Action.SCRUB_CALLED_OFF: _("called off the scrub of"),
    audit.Action.SCRUB_FINISHED: _("finished the scrub of"),
    audit.Action.PROPOSED: pgettext_lazy("somebody", "proposed"),
    audit.Action.EDITED: _("edited"),
    audit.Action.APPROVED: pgettext_lazy("somebody", "approved"),
    audit.Action.REJECTED: pgettext_lazy("somebody", "rejected"),
    audit.Action.WITHDRAWN: _("withdrew"),
    audit.Action.STALE: _("found stale"),
    audit.Action.RUN_QUEUED: _("started"),
    audit.Action.RUN_FINISHED: _("finished"),
    audit.Action.RUN_CALLED_OFF: _("called off"),
    audit.Action.POLICY_WRITTEN: _("wrote"),
    audit.Action.POLICY_ACTIVATED: _("activated"),
    audit.Action.POLICY_PAUSED: _("paused"),
    audit.Action.POLICY_CHANGED: _("changed the policy"),
    audit.Action.POLICY_RAN: _("looked with"),
    audit.Action.GUARD_OVERRIDDEN: _("set a guard aside for"),
    audit.Action.GUARD_DISMISSED: _("left alone"),
    audit.Action.STANDING_ASKED: _("asked for a"),
    audit.Action.STANDING_SIGNED: _("signed a"),
    audit.Action.STANDING_REVOKED: _("revoked a"),
    audit.Action.LOGGED_IN: _("logged in:"),
    audit.Action.LOGIN_FAILED: _("refused a login"),
}

#: What the record is about, by the first part of an action's name.
SUBJECTS: dict[str, str | Promise] = {
    "registry": _("Registries"),
    "events": _("Events"),
    "scan": _("Scans"),
    "scrub": _("Scrubs"),
    "proposal": _("Proposals"),
    "run": _("Runs"),
    "policy": _("Policies"),
    "guard": _("Guards"),
    "standing": _("Standing approvals"),
    "user": _("Logins"),
}


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponseBase:
    """The record, filtered; as a page, CSV or JSON."""
    rows = _filtered(request)
    file = exported(request, "history", FIELDS, _values(rows))
    if file is not None:
        return file
    page = page_of(rows, request)
    entries = [
        {
            "entry": entry,
            "words": WORDS.get(entry.action, entry.action),
            "label": _label(entry),
        }
        for entry in page.object_list
    ]
    context: dict[str, Any] = {
        "page": page,
        "entries": entries,
        "actions": _actions(),
        "registries": Registry.objects.values_list("slug", flat=True),
        "verdict": audit.verify() if "verify" in request.GET else None,
    }
    return render(request, "history.html", context)


def _actions() -> list[tuple[str | Promise, list[tuple[str, str | Promise]]]]:
    """Return what the record can be filtered by: subjects, each with its actions as they are called and in words."""
    return [
        (words, [(action, WORDS[action]) for action in audit.Action if action.partition(".")[0] == subject])
        for subject, words in SUBJECTS.items()
    ]


def _label(entry: AuditEntry) -> str:
    """Return what an entry is about. Runs are called by what they do; everything else by the name that it has."""
    if entry.object_kind == "run" and entry.data.get("kind") in Run.Kind.values:
        return f"{Run.Kind(entry.data['kind']).label} {entry.object_id}"
    return entry.label or str(entry.data.get("name", ""))


def _filtered(request: HttpRequest) -> QuerySet[AuditEntry]:
    rows = between(request, AuditEntry.objects.order_by("-id"), "at")
    for name in ("actor_name", "registry", "action"):
        value = request.GET.get(name, "").strip()
        if value:
            rows = rows.filter(**{name: value})
    if q := request.GET.get("q", "").strip()[:200]:
        rows = rows.filter(Q(label__icontains=q) | Q(reason__icontains=q) | Q(plan_digest__icontains=q))
    return rows


def _values(rows: QuerySet[AuditEntry]) -> Iterator[dict[str, Any]]:
    for entry in rows.iterator(chunk_size=1000):
        yield {field: getattr(entry, field) for field in FIELDS} | {"at": entry.at.isoformat()}
