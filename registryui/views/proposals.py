"""Proposals: making one, looking at it, deciding."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from prune.model.digest import short
from prune.model.plan import Plan
from registryui.models import Proposal, Registry, Run
from registryui.permissions import APPROVE, CLEAN_UP, PROPOSE, VIEW, requires
from registryui.services import approvals, control, diagrams, drafts, runs, selection, sweeping
from registryui.services import proposals as service
from registryui.services.errors import Moved, NotNow, told
from registryui.services.sentences import said
from registryui.views import review
from registryui.views.graphs import TYPES
from registryui.views.registries import of_slug
from registryui.views.selection import back
from registryui.views.table import PER_PAGE
from registryui.views.user import person
from registryui.words import listed

#: Shown on the page of each list of what goes, and of what stays; more would be more than a page may weigh. The page
#: of the items and the plan's file have them all.
MOST_SHOWN, MOST_KEPT = 100, 200


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """All proposals, newest first, those that wait on top when asked for."""
    rows = Proposal.objects.select_related("registry", "proposer", "plan")
    rows = rows.defer("plan__body", "plan__before", "plan__after", "plan__drawing")
    state = request.GET.get("state", "")
    if state == "open":
        rows = rows.filter(state__in=["proposed", "approved", "running", "stale"])
    elif state == "done":
        rows = rows.filter(state__in=["done", "partial", "failed"])
    page = Paginator(rows.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "proposals.html", {"page": page, "state": state})


@require_http_methods(["GET", "POST"])
@requires(PROPOSE)
def propose(request: HttpRequest, slug: str) -> HttpResponse:
    """From a selection: first what it would do, then, with a reason, the proposal."""
    registry = of_slug(slug)
    data = request.POST if request.method == "POST" else request.GET
    sweep = data.get("sweep") == "on"
    try:
        refs, kept = _asked(request, registry)
        besides = sweeping.chosen(data)
        if drafts.is_needed(registry, sweep=sweep):
            return _large(request, registry, refs, besides, kept=kept)
        if "confirm" in request.POST:
            proposal = service.create(
                person(request),
                registry,
                refs,
                title=request.POST.get("title", ""),
                reason=request.POST.get("reason", ""),
                sweep=sweep,
                besides=besides,
                seen=request.POST.get("plan", "") if kept else "",
            )
            if kept:
                selection.clear(person(request), registry)
            return redirect("proposal", proposal.pk)
    except Moved as error:
        messages.error(request, told(error))
    except NotNow as error:
        messages.error(request, told(error))
        return redirect(back(request, slug))
    try:
        plan, drawn = service.preview(registry, refs, sweep=sweep, besides=besides)
    except NotNow as error:
        messages.error(request, told(error))
        return redirect(back(request, slug))
    context = {
        "registry": registry,
        "refs": [] if kept else refs,
        "kept": kept,
        "sweep": sweep,
        "sweeping": besides,
        "title": request.POST.get("title") or service.default_title(plan),
        "reason": request.POST.get("reason", ""),
        "drawn": drawn,
        **shown(plan),
    }
    return render(request, "propose.html", context)


def _large(
    request: HttpRequest, registry: Registry, refs: list[str], besides: sweeping.Sweeping, *, kept: bool
) -> HttpResponse:
    """Ask for what a page cannot wait for: a title and a reason, and the worker does the rest."""
    if "confirm" not in request.POST:
        context = {
            "registry": registry,
            "refs": [] if kept else refs,
            "kept": kept,
            "number": len(refs),
            "sweeping": besides,
        }
        return render(request, "propose_large.html", context)
    title, reason = request.POST.get("title", ""), request.POST.get("reason", "")
    draft = drafts.request(person(request), registry, refs, title=title, reason=reason, besides=besides)
    if kept:
        selection.clear(person(request), registry)
    return redirect("draft", registry.slug, draft.pk)


def _asked(request: HttpRequest, registry: Registry) -> tuple[list[str], bool]:
    """Return what to delete, and whether it is what the server keeps as selected.

    A page of a table tells what it shows and what of that is ticked; a link or another program names what it wants.
    """
    data = request.POST if request.method == "POST" else request.GET
    ticked = data.getlist("ref")
    if request.method == "POST" and ("shown" in data or "selected" in data):
        if "shown" in data:
            selection.settle(person(request), registry, data.getlist("shown"), ticked)
        return selection.refs(person(request), registry), True
    return list(dict.fromkeys(ref for ref in ticked if ref)), False


def shown(plan: Plan) -> dict[str, Any]:
    """Return what the page lists of a plan, cut where it would be too long, with the counts of all."""
    delete = plan.delete
    kinds = (
        (_("Tags"), [(f"{tag.repository}:{tag.tag}", tag.digest, None) for tag in delete.tags]),
        (_("Manifests"), [(item.repository, item.digest, None) for item in delete.manifests]),
        (_("Images"), [("", image.id, image.size) for image in delete.images]),
        (_("Blobs"), [("", blob.digest, blob.size) for blob in delete.blobs]),
        (_("Uploads"), [(f"{upload.repository}", upload.id, upload.size) for upload in delete.uploads]),
        (_("Layer links"), [(link.repository, link.digest, None) for link in delete.layer_links]),
        (_("Whole repositories"), [(name, "", None) for name in delete.repositories]),
    )
    return {
        "plan": plan,
        "besides": sweeping.of(plan.request),
        "grace_hours": plan.request.grace // 3600,
        "goes": [
            {"title": title, "count": len(rows), "rows": rows[:MOST_SHOWN], "more": max(0, len(rows) - MOST_SHOWN)}
            for title, rows in kinds
            if rows
        ],
        "stays": plan.keep[:MOST_KEPT],
        "stays_more": max(0, len(plan.keep) - MOST_KEPT),
        "frees_nothing": plan.freed_bytes == 0,
        "because": _because(plan),
        "leaving": _leaving(plan),
        "file_types": tuple(TYPES),
    }


def _because(plan: Plan) -> str:
    """Return why nothing is freed: the image nearest to what was asked for, and what holds it."""
    asked = {tag.digest for tag in plan.delete.tags}
    for kept in plan.keep:
        name = kept.id or kept.digest
        if name in asked and name is not None:
            return _("image %(name)s stays: %(why)s") % {
                "name": short(name),
                "why": "; ".join(map(said, kept.reasons)),
            }
    return ""


def _leaving(plan: Plan) -> str:
    """Return which images go, in words, when they are few."""
    names = [short(image.id) for image in plan.delete.images]
    names += [short(digest) for digest in sorted({item.digest for item in plan.delete.manifests})]
    if not names:
        return ""
    return ngettext("%(names)s goes.", "%(names)s go.", len(names)) % {"names": listed(names)}


def of_number(pk: int) -> Proposal:
    """Return a proposal with what its page needs, or a 404."""
    rows = Proposal.objects.select_related(
        "registry", "proposer", "last_editor", "plan", "plan__scan", "policy__policy"
    )
    return get_object_or_404(rows, pk=pk)


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One proposal."""
    return _page(request, pk)


def _page(request: HttpRequest, pk: int, *, status: int = 200, notice: str = "") -> HttpResponse:
    user = person(request)
    # The runs before the proposal: a page asks again while one of them is open, so the rest must not be older.
    begun = list(Run.objects.filter(proposal=pk).select_related("started_by"))
    proposal = of_number(pk)
    mine = user.pk in (proposal.proposer_id, proposal.last_editor_id)
    decided = proposal.approvals.filter(plan=proposal.plan, user=user).exists()
    plan, record = service.plan_of(proposal), proposal.plan
    context = {
        "proposal": proposal,
        "registry": proposal.registry,
        "control_words": control.words(proposal.registry) if proposal.registry.sees_to_control else "",
        "record": record,
        "drawn": diagrams.as_decided(record, proposal.registry, plan) if record else None,
        "approvals": proposal.approvals.filter(plan=proposal.plan),
        "approved": approvals.count(proposal),
        "older_approvals": proposal.approvals.exclude(plan=proposal.plan).count(),
        "comments": proposal.comments.select_related("user"),
        "runs": begun,
        "following": any(run.open for run in begun),
        "mine": mine,
        "may_decide": user.has_perm(APPROVE) and not mine and not decided and proposal.state == "proposed",
        "may_run": user.has_perm(CLEAN_UP) and proposal.state in ("approved", "failed"),
        "may_begin": proposal.state in (*Proposal.OPEN, Proposal.State.RUNNING, Proposal.State.FAILED),
        "may_change": proposal.state in Proposal.OPEN and user.has_perm(PROPOSE),
        "newer_scan": proposal.state in Proposal.OPEN
        and proposal.plan is not None
        and proposal.registry.last_scan_id != proposal.plan.scan_id,
        "notice": notice,
        **review.summary(proposal, user),
        **shown(plan),
    }
    return render(request, "proposal.html", context, status=status)


def _act(request: HttpRequest, pk: int, do: Callable[[Proposal], object]) -> HttpResponse:
    """Do something to a proposal; what cannot be done is said on its page, and a plan that moved is a 409."""
    proposal = of_number(pk)
    try:
        do(proposal)
    except Moved as error:
        return _page(request, pk, status=409, notice=told(error))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("proposal", pk)


@require_POST
@requires(APPROVE)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve the plan that was on the page."""
    digest, text = request.POST.get("plan", ""), request.POST.get("comment", "")
    return _act(request, pk, lambda proposal: service.approve(person(request), proposal, digest, text))


@require_POST
@requires(APPROVE)
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject it."""
    digest, text = request.POST.get("plan", ""), request.POST.get("comment", "")
    return _act(request, pk, lambda proposal: service.reject(person(request), proposal, digest, text))


@require_POST
@requires(PROPOSE)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it back."""
    return _act(request, pk, lambda proposal: service.withdraw(person(request), proposal))


@require_POST
@requires(VIEW)
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something."""
    text, item = request.POST.get("text", ""), request.POST.get("item", "")
    answer = _act(request, pk, lambda proposal: service.comment(person(request), proposal, text, item))
    return redirect(back(request, "")) if item and request.POST.get("next") else answer


@require_POST
@requires(PROPOSE)
def refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan again on the newest scan."""
    return _act(request, pk, lambda proposal: service.refresh(person(request), proposal))


@require_http_methods(["GET", "POST"])
@requires(PROPOSE)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what is asked for: a new plan, and approvals are gone."""
    proposal = of_number(pk)
    if request.method == "POST":
        refs = request.POST.get("refs", "").split()
        return _act(
            request,
            pk,
            lambda one: service.edit(
                person(request),
                one,
                refs,
                title=request.POST.get("title", ""),
                reason=request.POST.get("reason", ""),
                sweep=request.POST.get("sweep") == "on",
                besides=sweeping.chosen(request.POST),
            ),
        )
    plan = service.plan_of(proposal)
    context = {"proposal": proposal, "registry": proposal.registry, "plan": plan}
    return render(request, "proposal_edit.html", {**context, "sweeping": sweeping.of(plan.request)})


@require_POST
@requires(CLEAN_UP)
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the cleanup."""
    proposal = of_number(pk)
    try:
        started = runs.start(person(request), proposal, request.POST.get("stopped", ""))
    except NotNow as error:
        messages.error(request, told(error))
        return redirect("proposal", pk)
    return redirect("run", started.pk)


@require_GET
@requires(VIEW)
def plan_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan as `prune apply` takes it."""
    proposal = of_number(pk)
    if proposal.plan is None:
        return HttpResponse(status=404)
    response = HttpResponse(bytes(proposal.plan.body), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="plan-{proposal.plan.digest[7:19]}.json"'
    return response
