"""What policies came to: one run, setting its guards aside, and approvals that stand."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from registryui.models import PolicyRun, Registry, StandingApproval
from registryui.permissions import APPROVE, PROPOSE, VIEW, requires
from registryui.services import policy_runs as service
from registryui.services import standing
from registryui.services.errors import NotNow, told
from registryui.views.policies import act, of_slug
from registryui.views.user import person


def of_number(pk: int) -> PolicyRun:
    """Return a run with what its page needs, or a 404."""
    rows = PolicyRun.objects.select_related(
        "policy", "version__created_by", "registry", "proposal", "asked_by", "decided_by", "standing__asked_by"
    )
    return get_object_or_404(rows, pk=pk)


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run: what it came to, and which guard stopped it."""
    run = of_number(pk)
    own = person(request).pk in (run.version.created_by_id, run.policy.activated_by_id, run.asked_by_id)
    newer = PolicyRun.objects.filter(policy=run.policy, registry=run.registry, pk__gt=run.pk).first()
    context = {"run": run, "own": own, "newer": newer, "policy": run.policy}
    return render(request, "policy_run.html", context)


@require_POST
@requires(APPROVE)
def override(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the guards aside, once."""
    try:
        proposal = service.override(person(request), of_number(pk), request.POST.get("reason", ""))
    except NotNow as error:
        messages.error(request, told(error))
        return redirect("policy-run", pk)
    messages.success(request, _("The guard is set aside for this proposal, which somebody else has to approve."))
    return redirect("proposal", proposal.pk)


@require_POST
@requires(APPROVE)
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave it at what the guard did."""
    try:
        service.dismiss(person(request), of_number(pk), request.POST.get("reason", ""))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("policy-run", pk)


@require_POST
@requires(PROPOSE)
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """Let the active version look at a registry now."""
    policy = of_slug(slug)
    try:
        run = service.ask(person(request), policy, _registry(request))
    except NotNow as error:
        messages.error(request, told(error))
        return redirect("policy", slug)
    return redirect("policy-run", run.pk)


@require_POST
@requires(APPROVE)
def ask_standing(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a standing approval of the active version on one registry."""
    policy = of_slug(slug)

    def do() -> None:
        if policy.active is None:
            raise NotNow("No version of this policy is active; activate one first.")
        standing.ask(person(request), policy.active, _registry(request), request.POST.get("reason", ""))

    return act(request, slug, do, _("Asked for; it counts once somebody else has signed it."))


@require_POST
@requires(APPROVE)
def sign_standing(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign a standing approval."""
    found = _standing(pk)
    return act(request, found.version.policy.slug, lambda: standing.sign(person(request), found), _("Signed."))


@require_POST
@requires(APPROVE)
def revoke_standing(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke a standing approval."""
    found = _standing(pk)
    said = _("Revoked. Whatever this policy proposes needs a person again.")
    return act(request, found.version.policy.slug, lambda: standing.revoke(person(request), found), said)


def _registry(request: HttpRequest) -> Registry:
    """Return the registry that a form names."""
    registry = Registry.objects.filter(slug=request.POST.get("registry", "")).first()
    if registry is None:
        raise NotNow("Choose a registry.")
    return registry


def _standing(pk: int) -> StandingApproval:
    return get_object_or_404(StandingApproval.objects.select_related("version__policy"), pk=pk)
