"""One repository: tags, graph, untagged manifests, history."""

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from registryui.models import ManifestSighting, Registry, Repository, TagSighting
from registryui.permissions import VIEW, requires
from registryui.views import graphs
from registryui.views.registries import of_slug, ticks
from registryui.views.table import Column, Table, page_of, searched

TABS = {"tags": _("Tags"), "graph": _("Graph"), "untagged": _("Untagged"), "history": _("History")}

TAG_COLUMNS = {
    "tag": Column("tag", "Tag"),
    "digest": Column("digest", "Image"),
    "platform": Column("image__platform", "Platform"),
    "size": Column("image__size", "Size", number=True),
    "own": Column("image__own", "Only here", number=True),
    "created": Column("image__created_at", "Created", number=True),
    "pushed": Column("pushed_at", "Pushed", number=True),
}
TAG_FILTERS = {
    "signed": Q(image__attached__contains="signature"),
    "unsigned": ~Q(image__attached__contains="signature"),
    "index": Q(image__kind="index"),
    "base": Q(image__dependents__gt=0),
}
TAG_CHOICES = {
    "signed": _("signed"),
    "unsigned": _("not signed"),
    "index": _("several platforms"),
    "base": _("a base of others"),
}

UNTAGGED_COLUMNS = {
    "digest": Column("digest", "Manifest"),
    "kind": Column("image__kind", "Kind"),
    "platform": Column("image__platform", "Platform"),
    "size": Column("image__size", "Size", number=True),
    "own": Column("image__own", "Only here", number=True),
    "since": Column("untagged_since", "Untagged since", number=True),
}


UNTAGGED_FILTERS = {"member": ~Q(image__inside=""), "attached": ~Q(image__subject="")}
UNTAGGED_CHOICES = {"member": _("part of an index"), "attached": _("attached to another")}


def of_name(registry: Registry, name: str) -> Repository:
    """Return a repository, gone ones included, or a 404."""
    found = Repository.objects.filter(registry=registry, name=name).first()
    if found is None:
        raise Http404
    return found


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The page with its four tabs."""
    registry = of_slug(slug)
    repository = of_name(registry, name)
    tab = request.GET.get("tab", "tags")
    if tab not in TABS:
        tab = "tags"
    context: dict[str, object] = {"registry": registry, "repository": repository, "tab": tab, "tabs": TABS}
    match tab:
        case "tags" | "untagged":
            table = rows_table(request, repository, tab)
            sign = ":" if tab == "tags" else "@"
            refs = [f"{name}{sign}{row.tag if tab == 'tags' else row.digest}" for row in table]
            state = request.GET.copy()
            state["repository"] = name
            context |= {"table": table, "filters": TAG_CHOICES if tab == "tags" else UNTAGGED_CHOICES}
            context |= {
                "rows": list(zip(table, refs, strict=True)),
                **ticks(request, registry, refs, state.urlencode()),
            }
            if tab == "tags":
                context["others"] = _same_digest(repository, table)
        case "graph":
            context |= graphs.of_repository(request, registry, repository)
            if request.headers.get("HX-Target") == "graph":
                return render(request, "_graph.html", context)
        case "history":
            context |= _timeline(request, repository)
    return render(request, "repository.html", context)


def rows_table(request: HttpRequest, repository: Repository, tab: str) -> Table:
    """Return the table of tags, or of untagged manifests, as the address asks for it."""
    if tab == "tags":
        tags = TagSighting.objects.filter(repository=repository, ended_at=None).select_related("image")
        return Table(request, tags, TAG_COLUMNS, search=["tag", "digest"], default="-pushed", filters=TAG_FILTERS)
    bare = ManifestSighting.objects.filter(repository=repository, ended_at=None, untagged_since__isnull=False)
    rows = bare.select_related("image")
    return Table(request, rows, UNTAGGED_COLUMNS, search=["digest"], default="-since", filters=UNTAGGED_FILTERS)


#: A digest can have thousands of tags; nobody reads that many in a hint.
MOST_ALIASES = 500


def _same_digest(repository: Repository, table: Table) -> dict[str, list[str]]:
    """Return, by digest, the tags of the repository that point at it, for the digests on the page."""
    found: dict[str, list[str]] = {}
    shown = {row.digest for row in table}
    rows = TagSighting.objects.filter(repository=repository, ended_at=None, digest__in=shown).order_by("tag")
    for digest, tag in rows.values_list("digest", "tag")[:MOST_ALIASES]:
        found.setdefault(digest, []).append(tag)
    return {digest: tags for digest, tags in found.items() if len(tags) > 1}


def _timeline(request: HttpRequest, repository: Repository) -> dict[str, object]:
    """Return what tags did, newest first: each with the image that it pointed at before."""
    rows = TagSighting.objects.filter(repository=repository)
    q = request.GET.get("q", "").strip()[:200]
    page = page_of(searched(rows, ["tag", "digest"], q).order_by("-first_seen", "-pk"), request)
    shown = list(page.object_list)
    earlier = rows.filter(tag__in={row.tag for row in shown}, ended_at__in={row.first_seen for row in shown})
    before = {(tag, ended): digest for tag, ended, digest in earlier.values_list("tag", "ended_at", "digest")}
    found = page.paginator.count
    return {
        "page": page,
        "moves": [{"row": row, "before": before.get((row.tag, row.first_seen))} for row in shown],
        "q": q,
        "found": found,
        "total": rows.count() if q else found,
    }
