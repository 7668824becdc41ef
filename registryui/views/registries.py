"""Registries: the first page, one registry, adding and changing, scanning."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from registryui.models import Registry, Repository, Scan
from registryui.models.lease import UNFINISHED
from registryui.permissions import MANAGE, PROPOSE, VIEW, requires
from registryui.services import control, events, in_use, policies, scans, selection
from registryui.services import registries as service
from registryui.services.errors import NotNow, told
from registryui.views.registry_form import RegistryForm
from registryui.views.table import Column, Table, page_of
from registryui.views.user import person


def of_slug(slug: str) -> Registry:
    """Return a registry with its last scan, or a 404."""
    return get_object_or_404(Registry.objects.select_related("last_scan", "listening"), slug=slug)


#: What the first page compares with.
TREND = timedelta(days=30)


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """All registries."""
    then = timezone.now() - TREND
    earlier = Scan.objects.filter(registry=OuterRef("pk"), bytes_total__isnull=False, finished_at__lt=then)
    rows = Registry.objects.select_related("last_scan").defer("last_scan__problems")
    rows = rows.annotate(bytes_then=Subquery(earlier.order_by("-pk").values("bytes_total")[:1]))
    page = page_of(rows, request)
    open_scans = set(Scan.objects.filter(state__in=UNFINISHED).values_list("registry_id", flat=True))
    failed = _failed(list(page.object_list))
    cards = [
        {
            "registry": row,
            "scanning": row.pk in open_scans,
            "failed": failed.get(row.pk),
            "share": _share(row),
            **_grown(row),
        }
        for row in page
    ]
    return render(request, "registries.html", {"cards": cards, "page": page})


def _grown(registry: Any) -> dict[str, int]:
    """Return by how many bytes a registry grew or shrank since ``TREND`` ago, nothing where that is not known."""
    now = registry.last_scan.bytes_total if registry.last_scan else None
    if now is None or registry.bytes_then is None or now == registry.bytes_then:
        return {}
    change = now - registry.bytes_then
    return {"more": change} if change > 0 else {"less": -change}


def _failed(rows: list[Registry]) -> dict[int, Scan]:
    """Return the failed scan of each registry that was not read since."""
    failures = Scan.objects.filter(registry__in=rows, state=Scan.State.FAILED)
    newest = dict(failures.values_list("registry").annotate(newest=Max("pk")))
    shown = [newest[row.pk] for row in rows if newest.get(row.pk, 0) > (row.last_scan_id or 0)]
    return {scan.registry_id: scan for scan in Scan.objects.filter(pk__in=shown)}


def _share(registry: Registry) -> dict[str, Any] | None:
    """Return how much of a registry nothing references, for the bar."""
    summary = registry.last_scan.summary if registry.last_scan else None
    if not summary or not summary.get("bytes"):
        return None
    loose = summary["unreferenced_bytes"] or 0
    return {"loose": loose, "percent": max(1, round(100 * loose / summary["bytes"])) if loose else 0}


REPOSITORY_COLUMNS = {
    "name": Column("name", "Repository"),
    "tags": Column("tags", "Tags", number=True),
    "untagged": Column("untagged", "Untagged", number=True),
    "total": Column("bytes_total", "Size", number=True),
    "exclusive": Column("bytes_exclusive", "Only here", number=True),
    "pushed": Column("last_push", "Last push", number=True),
}


REPOSITORY_FILTERS = {"incomplete": Q(complete=False), "untagged": Q(untagged__gt=0), "empty": Q(tags=0)}
REPOSITORY_CHOICES = {
    "incomplete": _("incomplete"),
    "untagged": _("with untagged manifests"),
    "empty": _("without tags"),
}
#: Namespaces offered to choose from; with more than this the search is the quicker way.
MOST_NAMESPACES = 200


def repositories_table(request: HttpRequest, registry: Registry) -> Table:
    """Return the table of a registry's repositories as the address asks for it."""
    rows: QuerySet[Repository] = Repository.objects.filter(registry=registry, ended_at=None)
    if within := request.GET.get("in", ""):
        rows = rows.filter(Q(namespace=within) | Q(namespace__startswith=f"{within}/"))
    return Table(request, rows, REPOSITORY_COLUMNS, search=["name"], default="name", filters=REPOSITORY_FILTERS)


def ticks(request: HttpRequest, registry: Registry, shown: list[str], state: str) -> dict[str, Any]:
    """Return what a table with boxes needs: which of ``shown`` are ticked, how many there are in all, and the state
    of the table for whoever wants every row of it."""
    if not request.user.has_perm(PROPOSE):
        return {}
    user = person(request)
    return {
        "ticked": selection.among(user, registry, shown),
        "selected": selection.rows(user, registry).count(),
        "state": f"?{state}",
    }


def _namespaces(registry: Registry) -> list[dict[str, Any]]:
    """Return the namespaces with their numbers of repositories and tags and the bytes that only they need."""
    rows = Repository.objects.filter(registry=registry, ended_at=None)
    named = rows.exclude(namespace="").values("namespace").order_by("namespace")
    found = named.annotate(repositories=Count("pk"), tagged=Sum("tags"), exclusive=Sum("bytes_exclusive"))
    return [dict(row) for row in found[:MOST_NAMESPACES]]


def _ruled(registry: Registry) -> dict[str, Any]:
    """Return the policies that are for a registry, who is asked what runs from it, and how it tells of pulls."""
    places = in_use.places_of(registry)
    doubt = any(not place.complete or place.stale for place in places)
    heard = getattr(registry, "listening", None)
    return {
        "places": places,
        "places_in_doubt": doubt,
        "policies": policies.policies_of(registry),
        "listening": heard,
        "pulls_since": events.since(heard, timezone.now()) if heard is not None else None,
        "events_url": reverse("registry-events", args=[registry.slug]),
    }


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One registry: its repositories and what is wrong with it."""
    # The scan before all else: the page asks again while it is open, so the rest must not be older.
    newest = Scan.objects.filter(registry__slug=slug).first()
    registry = of_slug(slug)
    table = repositories_table(request, registry)
    context = {
        "registry": registry,
        "table": table,
        "filters": REPOSITORY_CHOICES,
        "within": request.GET.get("in", ""),
        "namespaces": _namespaces(registry),
        **ticks(request, registry, [row.name for row in table], request.GET.urlencode()),
        "scan": newest,
        "share": _share(registry),
        **_ruled(registry),
    }
    return render(request, "registry.html", context)


@require_GET
@requires(VIEW)
def scan_state(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the newest scan is, for the page to swap in."""
    registry = of_slug(slug)
    scan = Scan.objects.filter(registry=registry).first()
    response = render(request, "registry.html#scan", {"registry": registry, "scan": scan})
    if scan is not None and not scan.open and request.GET.get("was") == "open":
        response["HX-Refresh"] = "true"
    return response


@require_POST
@requires(PROPOSE)
def scan_call_off(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop the scan that is under way."""
    try:
        scans.call_off(person(request), of_slug(slug))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("registry", slug)


@require_POST
@requires(VIEW)
def scan(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a scan."""
    scans.request(person(request), of_slug(slug))
    return redirect("registry", slug)


@require_POST
@requires(MANAGE)
def looked_after(request: HttpRequest, slug: str) -> HttpResponse:
    """Say that a registry which did not come back runs as it should."""
    try:
        control.looked_after(person(request), of_slug(slug))
        messages.success(request, _("It is on the record that this registry runs as it should."))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("registry", slug)


@requires(MANAGE)
def add(request: HttpRequest) -> HttpResponse:
    """Add a registry."""
    return _edit(request, Registry(), _("Add a registry"))


@requires(MANAGE)
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a registry."""
    return _edit(request, of_slug(slug), _("Change this registry"))


def _edit(request: HttpRequest, registry: Registry, title: str | Promise) -> HttpResponse:
    new = registry.pk is None
    form = RegistryForm(request.POST or None, instance=registry)
    if request.method == "POST" and form.is_valid():
        form.save_secrets()
        try:
            if "check" in request.POST:
                messages.success(request, service.check(form.instance)[2])
                if form.instance.control != Registry.Control.STATED or form.instance.cache_url:
                    messages.success(request, service.check_control(form.instance))
            else:
                actor = person(request)
                saved = service.add(actor, form.instance) if new else service.change(actor, form.instance)
                scans.request(actor, saved)
                return redirect("registry", saved.slug)
        except NotNow as error:
            form.add_error("source", told(error))
    if request.method == "POST" and "check" in request.POST and "HX-Request" in request.headers:
        # Beside the form, which stays as it is with what was typed: a password is never sent back.
        return render(request, "_registry_tested.html", {"form": form})
    return render(
        request, "registry_form.html", {"form": form, "title": title, "registry": None if new else registry}
    )
