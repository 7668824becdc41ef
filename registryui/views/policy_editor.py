"""Writing a policy, with a preview of what it would do. Without JavaScript the preview is a button."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from prune.model.errors import PruneError
from prune.policy.document import MAX_BYTES
from prune.policy.faults import Fault, PolicyError
from registryui.models import Policy, Registry
from registryui.permissions import WRITE_POLICY, requires
from registryui.services import policies, previews
from registryui.services.errors import NotNow, told
from registryui.services.starters import STARTERS, Cases, written
from registryui.views.policies import of_slug
from registryui.views.table import PER_PAGE
from registryui.views.user import person

#: Faults shown at once.
MOST_FAULTS = 20

LISTS = {
    "goes": _("Goes"),
    "stays": _("Stays"),
    "doubt": _("Stays in doubt"),
    "more": _("More than now"),
    "fewer": _("No longer"),
}


class CasesForm(forms.Form):
    """The common cases beside the text."""

    repositories = forms.CharField(label=_("Repositories"), initial="**", max_length=500, required=False)
    latest = forms.BooleanField(label=_("Protect latest"), initial=True, required=False)
    in_use = forms.BooleanField(label=_("Protect what runs"), initial=True, required=False)
    newest = forms.IntegerField(
        label=_("Keep the newest … of each repository"), min_value=1, initial=10, required=False
    )
    newer = forms.IntegerField(
        label=_("Keep what is younger than … days"), min_value=1, max_value=9999, required=False
    )
    versions = forms.IntegerField(label=_("Keep the highest … of each minor version"), min_value=1, required=False)
    older = forms.IntegerField(
        label=_("Delete tags older than … days"), min_value=1, max_value=9999, initial=90, required=False
    )
    untagged = forms.IntegerField(
        label=_("Delete what is untagged for … days"), min_value=1, max_value=9999, initial=7, required=False
    )
    cron = forms.CharField(label=_("Schedule (cron)"), max_length=60, required=False)
    tz = forms.CharField(label=_("on the clocks of"), initial="UTC", max_length=60, required=False)

    def cases(self) -> Cases:
        """Return what was filled in."""
        return Cases(**self.cleaned_data)


@require_http_methods(["GET", "POST"])
@requires(WRITE_POLICY)
def add(request: HttpRequest) -> HttpResponse:
    """A new policy, from nothing, a starter, or the common cases."""
    chosen = next((one for one in STARTERS if one.slug == request.GET.get("start")), None)
    filled = {
        "title": str(chosen.title) if chosen else "",
        "registries": request.GET.get("registry", ""),
        "text": chosen.text if chosen else written(Cases(newest=10, older=90, untagged=7)),
    }
    return _edit(request, None, filled)


@require_http_methods(["GET", "POST"])
@requires(WRITE_POLICY)
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The next version of a policy."""
    policy = of_slug(slug)
    newest = policy.versions.first()
    filled = {"title": policy.title, "registries": policy.registries, "text": newest.text if newest else ""}
    return _edit(request, policy, filled)


def _edit(request: HttpRequest, policy: Policy | None, filled: dict[str, str]) -> HttpResponse:
    cases = CasesForm(prefix="case")
    faults: tuple[Fault, ...] = ()
    previewing = request.method == "POST"
    if request.method == "POST":
        filled = {key: request.POST.get(key, filled[key]) for key in filled}
        filled["text"] = filled["text"].replace("\r\n", "\n")[: MAX_BYTES + 1]
        do = request.POST.get("do", "")
        if do == "write":
            cases = CasesForm(request.POST, prefix="case")
            if cases.is_valid():
                filled["text"] = written(cases.cases())
        elif do in ("save", "activate"):
            try:
                return _save(request, policy, filled, activate=do == "activate")
            except PolicyError as error:
                faults = error.faults
            except NotNow as error:
                messages.error(request, told(error))
    context = {
        "policy": policy,
        **filled,
        "note": request.POST.get("note", ""),
        "cases": cases,
        "starters": STARTERS,
        "faults": faults[:MOST_FAULTS],
        **_previewed(request, policy, filled["text"], wanted=previewing, with_bytes=True),
    }
    return render(request, "policy_editor.html", context)


def _save(request: HttpRequest, policy: Policy | None, filled: dict[str, str], *, activate: bool) -> HttpResponse:
    actor, note = person(request), request.POST.get("note", "")
    if policy is None:
        version = policies.create(actor, filled["title"], filled["registries"], filled["text"], note)
    else:
        version = policies.write(actor, policy, filled["text"], note)
    if activate:
        policies.activate(actor, version)
    said = _("Version %(number)d is active now.") if activate else _("Version %(number)d is saved.")
    messages.success(request, said % {"number": version.number})
    return redirect("policy", version.policy.slug)


@require_POST
@requires(WRITE_POLICY)
def preview(request: HttpRequest) -> HttpResponse:
    """What the text in the editor would do, for the page to swap in; with ``bytes`` only what it would free."""
    policy = Policy.objects.select_related("active").filter(slug=request.POST.get("policy", "")).first()
    text = request.POST.get("text", "").replace("\r\n", "\n")[: MAX_BYTES + 1]
    only_bytes = "bytes" in request.GET
    context = _previewed(request, policy, text, wanted=True, with_bytes=only_bytes)
    return render(request, "_policy_preview.html#freed" if only_bytes else "_policy_preview.html", context)


def _previewed(
    request: HttpRequest, policy: Policy | None, text: str, *, wanted: bool, with_bytes: bool
) -> dict[str, Any]:
    """Return what the preview needs. Which registry, list and page stands in what was posted."""
    registries = list(Registry.objects.order_by("title", "slug").only("pk", "slug", "title", "protection"))
    names = request.POST.get("registries", policy.registries if policy is not None else "")
    fitting = Policy(registries=names)
    try:
        first = next((one for one in registries if fitting.applies_to(one.slug)), None)
    except PruneError:
        first = None
    asked = request.POST.get("on", "")
    registry = next(
        (one for one in registries if one.slug == asked), first or (registries[0] if registries else None)
    )
    context: dict[str, Any] = {"choices": registries, "on": registry.slug if registry else "", "wanted": wanted}
    if not wanted or registry is None:
        return context
    against = policy.active if policy is not None else None
    try:
        found = previews.preview(Registry.objects.get(pk=registry.pk), text, against, with_bytes=with_bytes)
    except PolicyError as error:
        return {**context, "faults": error.faults[:MOST_FAULTS], "faults_more": len(error.faults) - MOST_FAULTS}
    except NotNow as error:
        return {**context, "trouble": told(error)}
    return {**context, "preview": found, **_listed(request, found)}


def _listed(request: HttpRequest, found: previews.Preview) -> dict[str, Any]:
    """Return one page of the list that is looked at, and how many each has."""
    decisions = found.evaluation.decisions
    lists = {
        "goes": found.going,
        "stays": [one for one in decisions if not one.goes and one.asked],
        "doubt": [one for one in decisions if one.flags],
        "more": found.compared.more if found.compared else (),
        "fewer": found.compared.fewer if found.compared else (),
    }
    shown = request.POST.get("list", "goes")
    shown = shown if lists.get(shown) else "goes"
    page = Paginator(lists[shown], PER_PAGE).get_page(request.POST.get("page", "1"))
    tabs = [(name, title, len(lists[name])) for name, title in LISTS.items() if lists[name] or name == "goes"]
    return {"list": shown, "tabs": tabs, "page": page}
