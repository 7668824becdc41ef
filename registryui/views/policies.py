"""Policies: the list, one with its versions, and what changed between two of them."""

import difflib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from prune.policy.faults import PolicyError
from prune.policy.read import parse_policy
from prune.policy.schedule import next_run
from prune.policy.schema import Policy as Rules
from registryui.models import Policy, PolicyRun, PolicyVersion, StandingApproval
from registryui.permissions import VIEW, WRITE_POLICY, requires
from registryui.services import policies as service
from registryui.services import standing
from registryui.services.errors import NotNow, told
from registryui.services.starters import STARTERS
from registryui.views.table import page_of
from registryui.views.user import person

#: Versions and runs named on a policy's page.
MOST_SHOWN = 30


def of_slug(slug: str) -> Policy:
    """Return a policy with its active version, or a 404."""
    return get_object_or_404(Policy.objects.select_related("active", "activated_by"), slug=slug)


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """All policies."""
    runs = PolicyRun.objects.filter(policy=OuterRef("pk")).order_by("-pk").values("pk")
    page = page_of(Policy.objects.select_related("active").annotate(latest=Subquery(runs[:1])), request)
    latest = PolicyRun.objects.select_related("registry").in_bulk([one.latest for one in page if one.latest])
    rows = [{"policy": policy, "schedule": _schedule(policy), "latest": latest.get(policy.latest)} for policy in page]
    return render(request, "policies.html", {"page": page, "rows": rows, "starters": STARTERS})


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One policy."""
    policy = of_slug(slug)
    versions = list(policy.versions.select_related("created_by")[:MOST_SHOWN])
    newest = versions[0]
    shown = policy.active or newest
    context = {
        "policy": policy,
        "versions": versions,
        "newest": newest,
        "shown": shown,
        "registries": service.registries_of(policy),
        "schedule": _schedule(policy),
        "runs": policy.runs.select_related("registry", "version", "proposal", "asked_by")[:MOST_SHOWN],
        "standing": _standing(policy, person(request)),
    }
    return render(request, "policy.html", context)


def _standing(policy: Policy, user: User) -> list[dict[str, Any]]:
    """Return the standing approvals with what the page says of each."""
    rows = StandingApproval.objects.filter(version__policy=policy).select_related(
        "version__policy", "registry", "asked_by", "revoked_by"
    )
    shown = []
    for one in rows.prefetch_related("signatures")[:MOST_SHOWN]:
        rules = _rules(one.version)
        signed = {signature.user_id for signature in one.signatures.all()}
        missing, why = standing.missing(one), standing.stale(one)
        shown.append(
            {
                "approval": one,
                "stale": told(why) if why is not None else "",
                "missing": missing,
                "guards": _guards(rules) if rules is not None else _("unknown"),
                "may_sign": why is None and user.pk not in {one.asked_by_id, one.version.created_by_id, *signed},
            }
        )
    return shown


def _guards(rules: Rules) -> str:
    named = msgspec.to_builtins(rules.guards)
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or _("none")


def _rules(version: PolicyVersion) -> Rules | None:
    try:
        return parse_policy(version.text)
    except PolicyError:
        return None  # its page says so; it was written under other rules of the language


def _schedule(policy: Policy) -> dict[str, Any] | None:
    """Return when the active version is due, and when next."""
    rules = _rules(policy.active) if policy.active is not None else None
    if rules is None or rules.schedule is None:
        return None
    due = next_run(rules.schedule, int(time.time()))
    return {"cron": rules.schedule.cron, "tz": rules.schedule.tz, "next": datetime.fromtimestamp(due, UTC)}


@require_GET
@requires(VIEW)
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version: its text, and what changed since another one."""
    policy = of_slug(slug)
    shown = _version(policy, number)
    other = None
    if (against := request.GET.get("against", "")).isdigit():
        other = _version(policy, int(against))
    elif number > 1:
        other = policy.versions.filter(number=number - 1).first()
    context = {
        "policy": policy,
        "version": shown,
        "other": other,
        "difference": _difference(other, shown) if other is not None else [],
        "versions": policy.versions.exclude(pk=shown.pk).values_list("number", flat=True),
        "readable": _rules(shown) is not None,
    }
    return render(request, "policy_version.html", context)


def _version(policy: Policy, number: int) -> PolicyVersion:
    found = policy.versions.select_related("created_by").filter(number=number).first()
    if found is None:
        raise Http404
    return found


def _difference(old: PolicyVersion, new: PolicyVersion) -> list[tuple[str, str]]:
    """Return lines with what each is: added, gone, same, or a gap."""
    kinds = {"+": "added", "-": "gone", " ": "same", "@": "gap"}
    lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), lineterm="", n=3)
    return [(kinds.get(line[:1], "same"), line) for line in list(lines)[2:]]


@require_POST
@requires(WRITE_POLICY)
def activate(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Let a version be the one that counts."""
    chosen = _version(of_slug(slug), number)
    said = _("Version %(number)d is active now.") % {"number": number}
    return act(request, slug, lambda: service.activate(person(request), chosen), said)


@require_POST
@requires(WRITE_POLICY)
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Let nothing happen by itself."""
    return act(request, slug, lambda: service.pause(person(request), of_slug(slug)), _("The policy is paused."))


@require_POST
@requires(WRITE_POLICY)
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Change its name or its registries."""
    title, registries = request.POST.get("title", ""), request.POST.get("registries", "")
    policy = of_slug(slug)
    return act(
        request,
        slug,
        lambda: service.change(person(request), policy, title=title, registries=registries),
        _("Saved."),
    )


def act(request: HttpRequest, slug: str, do: Callable[[], object], said: str) -> HttpResponse:
    """Do something to a policy and go back to its page, which says what came of it."""
    try:
        do()
        messages.success(request, said)
    except PermissionDenied:
        raise
    except (NotNow, PolicyError) as error:
        messages.error(request, told(error))
    return redirect("policy", slug)
