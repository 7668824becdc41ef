"""Who deleted what, when, on whose approval, and can it come back? And what tags pointed at before."""

from collections.abc import Iterator
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from prune.model.plan import read_plan
from registryui.models import Approval, PlanItem, Registry, Run, TagSighting
from registryui.permissions import VIEW, requires
from registryui.services import diagrams
from registryui.views.export import between, exported
from registryui.views.proposals import of_number, shown
from registryui.views.table import page_of

DELETION_FIELDS = (
    "item", "kind", "cause", "digest", "registry", "deleted_at", "outcome", "proposal", "proposed_by", "approved_by",
    "started_by", "reason", "run", "trash", "undo_until",
)  # fmt: skip
MOVE_FIELDS = ("registry", "repository", "tag", "from", "to", "seen_at", "until")


@require_GET
@requires(VIEW)
def deletions(request: HttpRequest) -> HttpResponseBase:
    """Every item that a cleanup took away, newest first."""
    rows = _deleted(request)
    file = exported(request, "deletions", DELETION_FIELDS, _all(rows))
    if file is not None:
        return file
    page = page_of(rows, request)
    context = {
        "page": page,
        "rows": _told(list(page.object_list)),
        "registries": Registry.objects.values_list("slug", flat=True),
        "view": "deletions",
    }
    return render(request, "deletions.html", context)


def _deleted(request: HttpRequest) -> QuerySet[PlanItem]:
    runs = Run.objects.filter(kind=Run.Kind.APPLY, state__in=[Run.State.DONE, Run.State.PARTIAL])
    if slug := request.GET.get("registry", "").strip():
        runs = runs.filter(registry__slug=slug)
    if name := request.GET.get("person", "").strip():
        approved = Approval.objects.filter(user_name=name, decision=Approval.Decision.APPROVE)
        runs = runs.filter(
            Q(started_by__username=name) | Q(proposal__proposer__username=name) | Q(plan__in=approved.values("plan"))
        )
    if (number := request.GET.get("run", "")).isdecimal() and len(number) < 16:
        runs = runs.filter(pk=int(number))
    runs = between(request, runs, "finished_at")
    rows = PlanItem.objects.filter(plan__in=runs.values("plan")).select_related("plan__proposal__registry")
    q = request.GET.get("q", "").strip()[:300]
    name, colon, tag = q.rpartition(":")
    if q.startswith(("sha256:", "sha512:")) or (not colon and len(q) == 64 and not q.strip("0123456789abcdef")):
        rows = rows.filter(digest=q)
    elif colon:
        rows = rows.filter(repository=name, name=tag)
    elif q:
        rows = rows.filter(Q(repository__icontains=q) | Q(name__icontains=q))
    return rows.order_by("-plan_id", "-weight", "pk")


def _all(rows: QuerySet[PlanItem]) -> Iterator[dict[str, Any]]:
    part: list[PlanItem] = []
    for row in rows.iterator(chunk_size=500):
        part.append(row)
        if len(part) == 500:
            yield from map(_values, _told(part))
            part = []
    yield from map(_values, _told(part))


def _told(rows: list[PlanItem]) -> list[dict[str, Any]]:
    """Return each item with the run that took it away, who approved, and what became of it."""
    plans = {row.plan_id for row in rows}
    runs = Run.objects.filter(plan__in=plans, kind=Run.Kind.APPLY, state__in=[Run.State.DONE, Run.State.PARTIAL])
    run_of = {run.plan_id: run for run in runs.select_related("started_by").order_by("pk")}
    approvals = Approval.objects.filter(plan__in=plans, decision=Approval.Decision.APPROVE).order_by("pk")
    approvers: dict[int, list[str]] = {}
    for plan, name in approvals.values_list("plan_id", "user_name"):
        approvers.setdefault(plan, []).append(name)
    skipped = {run.pk: {one["item"]: one["reason"] for one in run.skipped} for run in run_of.values()}
    told = []
    for row in rows:
        run = run_of[row.plan_id]
        why = skipped[run.pk].get(row.ref, "")
        outcome = "skipped" if why else "undone" if run.trash == Run.Trash.RESTORED else "deleted"
        if not why and run.skipped_count > len(run.skipped):
            outcome = "unknown"  # it may be one of those that are not kept by name
        told.append(
            {"row": row, "run": run, "approvers": approvers.get(row.plan_id, []), "outcome": outcome, "why": why}
        )
    return told


def _values(told: dict[str, Any]) -> dict[str, Any]:
    row, run = told["row"], told["run"]
    proposal = row.plan.proposal
    return {
        "item": row.ref,
        "kind": row.kind,
        "cause": row.cause,
        "digest": row.digest,
        "registry": proposal.registry.slug,
        "deleted_at": run.finished_at.isoformat() if run.finished_at else "",
        "outcome": told["outcome"],
        "proposal": proposal.pk,
        "proposed_by": proposal.proposer.get_username(),
        "approved_by": ", ".join(told["approvers"]),
        "started_by": run.started_by.get_username(),
        "reason": proposal.reason,
        "run": run.pk,
        "trash": run.trash,
        "undo_until": run.trash_until.isoformat() if run.trash_until and run.trash == Run.Trash.HELD else "",
    }


@require_GET
@requires(VIEW)
def moves(request: HttpRequest) -> HttpResponseBase:
    """What every tag did, newest first: came, moved from one image to another, and when that ended."""
    rows = TagSighting.objects.select_related("repository__registry")
    if slug := request.GET.get("registry", "").strip():
        rows = rows.filter(repository__registry__slug=slug)
    q = request.GET.get("q", "").strip()[:300]
    name, colon, tag = q.rpartition(":")
    if q.startswith(("sha256:", "sha512:")):
        rows = rows.filter(digest=q)
    elif colon:
        rows = rows.filter(repository__name=name, tag=tag)
    elif q:
        rows = rows.filter(Q(repository__name__icontains=q) | Q(tag__icontains=q))
    rows = between(request, rows, "first_seen").order_by("-first_seen", "-pk")
    file = exported(request, "tags", MOVE_FIELDS, map(_move, _with_before(rows).iterator(chunk_size=1000)))
    if file is not None:
        return file
    # Keys first: joined with its repositories a database may sort all tags to find these.
    page = page_of(rows.select_related(None).values_list("pk", flat=True), request)
    shown = _with_before(TagSighting.objects.select_related("repository__registry")).in_bulk(list(page.object_list))
    context = {
        "page": page,
        "rows": [(shown[pk], shown[pk].before) for pk in page.object_list],
        "registries": Registry.objects.values_list("slug", flat=True),
        "view": "moves",
    }
    return render(request, "moves.html", context)


def _with_before(rows: QuerySet[TagSighting]) -> QuerySet[Any]:
    """Add the digest that the tag pointed at before, where it moved."""
    earlier = TagSighting.objects.filter(
        repository=OuterRef("repository"), tag=OuterRef("tag"), ended_at=OuterRef("first_seen")
    )
    return rows.annotate(before=Subquery(earlier.order_by("-first_seen").values("digest")[:1]))


def _move(row: Any) -> dict[str, Any]:
    return {
        "registry": row.repository.registry.slug,
        "repository": row.repository.name,
        "tag": row.tag,
        "from": row.before or "",
        "to": row.digest,
        "seen_at": row.first_seen.isoformat(),
        "until": row.ended_at.isoformat() if row.ended_at else "",
    }


@require_GET
@requires(VIEW)
def plan(request: HttpRequest, pk: int, plan: int) -> HttpResponse:
    """One plan of a proposal as it was: its graphs, what went, and what stayed and why."""
    proposal = of_number(pk)
    record = proposal.plans.filter(pk=plan).select_related("created_by", "scan").first()
    if record is None:
        raise Http404
    decided_on = read_plan(bytes(record.body))
    context = {
        "proposal": proposal,
        "record": record,
        "drawn": diagrams.as_decided(record, proposal.registry, decided_on),
        "registry": proposal.registry,
        "current": record.pk == proposal.plan_id,
        "approvals": record.approvals.all(),
        **shown(decided_on),
    }
    return render(request, "plan.html", context)
