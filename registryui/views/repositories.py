"""One repository: tags, graph, untagged manifests, history."""

from django.core.paginator import Paginator
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registryui.models import Manifest, ManifestSighting, Registry, Repository, TagSighting
from registryui.permissions import VIEW, requires
from registryui.services import diagrams
from registryui.views.registries import of_slug
from registryui.views.table import PER_PAGE, Column, Table

TABS = {"tags": "Tags", "graph": "Graph", "untagged": "Untagged", "history": "History"}

TAG_COLUMNS = {
    "tag": Column("tag", "Tag"),
    "digest": Column("digest", "Image"),
    "platform": Column("platform", "Platform"),
    "size": Column("size", "Size", number=True),
    "pushed": Column("pushed_at", "Pushed", number=True),
    "seen": Column("first_seen", "First seen", number=True),
}

UNTAGGED_COLUMNS = {
    "digest": Column("digest", "Manifest"),
    "kind": Column("kind", "Kind"),
    "platform": Column("platform", "Platform"),
    "size": Column("size", "Size", number=True),
    "since": Column("untagged_since", "Untagged since", number=True),
}


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
    context = {"registry": registry, "repository": repository, "tab": tab, "tabs": TABS}
    match tab:
        case "tags":
            rows = TagSighting.objects.filter(repository=repository, ended_at=None)
            context["table"] = Table(request, _described(rows), TAG_COLUMNS, search="tag", default="-pushed")
        case "untagged":
            bare = ManifestSighting.objects.filter(repository=repository, ended_at=None, untagged_since__isnull=False)
            context["table"] = Table(request, _described(bare), UNTAGGED_COLUMNS, search="digest", default="-since")
        case "graph":
            context["diagram"] = diagrams.of_repository(registry, name)
        case "history":
            rows = TagSighting.objects.filter(repository=repository).order_by("-first_seen", "tag", "-pk")
            context["page"] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "repository.html", context)


def _described[T: (TagSighting, ManifestSighting)](rows: QuerySet[T]) -> QuerySet[T]:
    """Add what is known of the digest."""
    manifest = Manifest.objects.filter(digest=OuterRef("digest"))
    return rows.annotate(
        size=Subquery(manifest.values("size")),
        platform=Subquery(manifest.values("platform")),
        kind=Subquery(manifest.values("kind")),
    )
