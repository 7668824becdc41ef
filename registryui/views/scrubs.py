"""Scrubs of a registry: the last result, asking for another, how far it is."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from registryui.models import Scrub
from registryui.permissions import SCRUB, VIEW, requires
from registryui.services import scrubs as service
from registryui.services.errors import NotNow, told
from registryui.views.registries import of_slug
from registryui.views.table import PER_PAGE
from registryui.views.user import person

#: What each kind of fault means, for people.
KINDS = {
    "missing-blob": _("is missing"),
    "wrong-digest": _("is not what it says it is"),
    "wrong-size": _("has another size than said"),
    "broken-tag": _("tag leads nowhere"),
    "broken-index": _("index without its images"),
    "broken-link": _("is held and cannot be served"),
    "unreadable": _("could not be read"),
    "orphaned-upload": _("upload left over"),
}


@require_GET
@requires(VIEW)
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """The scrubs of one registry; ``?scrub=N`` shows an earlier one."""
    registry = of_slug(slug)
    rows = Scrub.objects.filter(registry=registry).select_related("requested_by")
    number = request.GET.get("scrub", "")
    # Read once: what is shown must not be older than what decides whether the page asks again.
    newest = rows.first()
    chosen = get_object_or_404(rows, pk=int(number)) if number.isascii() and number.isdigit() else newest
    shown = chosen if chosen is None or not chosen.open else rows.filter(state="done").first()
    result = shown.result if shown is not None and shown.result else {}
    faults = [{**fault, "said": KINDS.get(fault["kind"], fault["kind"])} for fault in result.get("faults", ())]
    context = {
        "registry": registry,
        "newest": newest,
        "shown": shown,
        "result": result,
        "counts": [(KINDS.get(kind, kind), number) for kind, number in sorted(result.get("counts", {}).items())],
        "page": Paginator(faults, PER_PAGE).get_page(request.GET.get("page")),
        "history": rows.defer("result")[:20],
        "depths": Scrub.Depth.choices,
        "usual": "sizes" if registry.kind == "registry-v2" else "full",
    }
    return render(request, "scrub.html", context)


@require_POST
@requires(SCRUB)
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a scrub."""
    try:
        service.request(person(request), of_slug(slug), request.POST.get("depth", ""))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("scrub", slug)


@require_POST
@requires(SCRUB)
def call_off(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop the scrub that is under way."""
    try:
        service.call_off(person(request), of_slug(slug))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("scrub", slug)


@require_GET
@requires(VIEW)
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the newest scrub is, for the page to swap in; the whole page anew when it has ended."""
    registry = of_slug(slug)
    newest = Scrub.objects.filter(registry=registry).first()
    response = render(request, "scrub.html#progress", {"registry": registry, "newest": newest})
    if newest is None or not newest.open:
        response["HX-Refresh"] = "true"
    return response
