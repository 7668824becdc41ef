"""Graphs: of a repository, around one image. What is looked at, opened and coloured stands in the address."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from prune.drawing.colours import Colour
from prune.drawing.diagram import View
from prune.drawing.dot import Shape
from prune.drawing.layout import LayoutFailed
from prune.model.digest import short
from registryui.models import Image, Registry
from registryui.permissions import VIEW, requires
from registryui.services import diagrams, images, lineage
from registryui.services.diagrams import Drawn
from registryui.views.registries import of_slug
from registryui.views.table import Column, Table

#: Folds that one address opens.
MOST_UNFOLDED = 40
COLOURS: dict[Colour, Any] = {
    "fate": gettext_lazy("nothing"),
    "age": gettext_lazy("age"),
    "size": gettext_lazy("what they add"),
}
#: What a file is sent as.
TYPES = {"svg": "image/svg+xml", "png": "image/png", "dot": "text/vnd.graphviz; charset=utf-8"}

DEPENDENTS = {
    "digest": Column("digest", "Image"),
    "platform": Column("platform", "Platform"),
    "size": Column("size", "Size", number=True),
    "own": Column("own", "Only here", number=True),
    "dependents": Column("dependents", "Base of", number=True),
    "created": Column("created_at", "Created", number=True),
}


def view_of(request: HttpRequest) -> View:
    """Return how the address asks for a graph to be shown; nonsense is left out."""
    get = request.GET
    colour = get.get("colour", "")
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return View(
        focus=get.get("node", "")[:140],
        unfolded=tuple(dict.fromkeys(one[:140] for one in get.getlist("unfold")))[:MOST_UNFOLDED],
        everything=get.get("all") == "1",
        platform=get.get("platform", "")[:200],
        colour=colour if colour in COLOURS else "fate",
        now=int(midnight.timestamp()) + 86_399 if colour == "age" else 0,
    )


def changed(request: HttpRequest, **parameters: str | list[str] | None) -> str:
    """Return the query of this page with other ``parameters``; ``None`` takes one away."""
    query = request.GET.copy()
    for name, value in parameters.items():
        if value is None:
            query.pop(name, None)
        else:
            query.setlist(name, value if isinstance(value, list) else [value])
    return f"?{query.urlencode()}" if query else "?"


def context_of(
    request: HttpRequest, registry: Registry, drawn: Drawn, view: View, title: str, file: str, *, more: str = ""
) -> dict[str, object]:
    """Return what `_graph.html` shows: the picture, what to do with it, and the facts of what is looked at.

    ``file`` is the address of the same graph as a file, without its ending; ``more`` is where the rest of what is
    based on the image in the middle is listed.
    """

    def address(shape: Shape) -> str:
        if shape.image:
            return changed(request, node=shape.image) + "#facts"
        if owner := drawn.owners.get(shape.key):
            there = reverse("image-graph", args=[registry.slug, owner])
            return more if more.startswith("#") and request.path == there else there
        return changed(request, unfold=[*view.unfolded, shape.unfold]) if shape.unfold else ""

    svg, sentence = diagrams.inline(drawn, title, address)
    shapes = drawn.drawing.shapes.values() if drawn.drawing else ()
    folded = any(shape.unfold and shape.key not in drawn.owners for shape in shapes)
    return {
        "svg": svg,
        "sentence": sentence,
        "view": view,
        "platforms": drawn.platforms,
        "colours": COLOURS,
        "opened": [
            {"id": one, "close": changed(request, unfold=[other for other in view.unfolded if other != one] or None)}
            for one in view.unfolded
        ],
        "unfold_all": changed(request, all="1") if folded and not view.everything else "",
        "fold_all": changed(request, all=None, unfold=None) if view.everything or view.unfolded else "",
        "kept": _kept(request.GET, "colour", "platform"),
        "files": {ending: f"{file}.{ending}{changed(request, tab=None, node=None)}" for ending in TYPES},
        "facts": images.describe(registry, view.focus) if view.focus else None,
        "facts_tags": images.tags_of(registry, [view.focus]).get(view.focus, ()) if view.focus else (),
        "unlook": changed(request, node=None) if "node" in request.GET else "",
    }


def _kept(query: QueryDict, *left_out: str) -> list[tuple[str, str]]:
    """Return the parameters that a form has to carry along."""
    return [(name, value) for name, values in query.lists() for value in values if name not in left_out]


def sent(drawn: Drawn, name: str, ending: str) -> HttpResponse:
    """Return a graph as a file to keep, under a name that says what it shows."""
    if ending not in TYPES:
        raise Http404
    try:
        body = diagrams.file_of(drawn, ending)
    except LayoutFailed as error:
        raise BadRequest(str(error)) from None
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    response = HttpResponse(body, content_type=TYPES[ending])
    response["Content-Disposition"] = f'attachment; filename="{plain}.{ending}"'
    return response


@require_GET
@requires(VIEW)
def repository_file(request: HttpRequest, slug: str, name: str, ending: str) -> HttpResponse:
    """The graph of a repository as SVG, PNG or DOT."""
    registry = of_slug(slug)
    return sent(diagrams.of_repository(registry, name, view_of(request)), f"{slug}-{name}", ending)


@require_GET
@requires(VIEW)
def image_file(request: HttpRequest, slug: str, digest: str, ending: str) -> HttpResponse:
    """What is around an image as SVG, PNG or DOT."""
    registry = of_slug(slug)
    return sent(diagrams.of_image(registry, digest, _around(request, digest)), f"{slug}-{short(digest)}", ending)


def _around(request: HttpRequest, digest: str) -> View:
    view = view_of(request)
    return view if view.focus else View(digest, view.unfolded, view.everything, view.platform, view.colour, view.now)


@require_GET
@requires(VIEW)
def image(request: HttpRequest, slug: str, digest: str) -> HttpResponse:
    """What an image is based on, and what is based on it: drawn, and as a table of all of them."""
    registry = of_slug(slug)
    row = images.current(registry, digest)
    if row is None:
        raise Http404
    view = _around(request, digest)
    drawn = diagrams.of_image(registry, digest, view)
    above = Image.objects.filter(registry=registry, base=row.same_as or digest, same_as="", ended_at=None)
    table = Table(request, above, DEPENDENTS, search=["digest", "platform"], default="-dependents")
    below = lineage.chain(registry, digest)
    tags = images.tags_of(registry, {digest, *(one.digest for one in (*table, *below))})
    name = tags[digest][0] if digest in tags else short(digest)
    file = reverse("image-graph", args=[slug, digest]).rstrip("/")
    title = _("Images around %(name)s") % {"name": name}
    context = {
        "registry": registry,
        "digest": digest,
        "image": row,
        "name": name,
        "tab": "graph",
        "table": table,
        "tags": tags,
        "below": below,
        **context_of(request, registry, drawn, view, title, file, more="#base-of"),
    }
    return render(request, "image_graph.html", context)
