"""Graphs: of a repository, around one image. What is looked at, opened and coloured stands in the address."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from prune.drawing.colours import Colour
from prune.drawing.diagram import View, When
from prune.drawing.dot import Shape
from prune.drawing.layout import LayoutFailed
from prune.graph.images import Tag
from prune.model.digest import short
from registryui.models import PlanRecord, Registry, Repository
from registryui.permissions import PROPOSE, VIEW, requires
from registryui.services import builds_on, diagrams, images, lineage, overviews, plans
from registryui.services.diagrams import Drawn
from registryui.services.errors import NotNow
from registryui.services.sentences import said
from registryui.views.registries import of_slug
from registryui.views.table import Column, Table

#: Tags that one address picks, and reasons why something stays that are told below the picture.
MOST_PICKS, MOST_REASONS = 100, 5
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
    request: HttpRequest,
    registry: Registry,
    drawn: Drawn,
    view: View,
    title: str,
    file: str,
    *,
    more: str = "",
    toggle: Callable[[Tag], str] = lambda tag: "",
    after: str = "",
) -> dict[str, object]:
    """Return what `_graph.html` shows: the picture, what to do with it, and the facts of what is looked at.

    ``file`` is the address of the same graph as a file, without its ending; ``more`` is where the rest of what is
    based on the image in the middle is listed; ``toggle`` is what picks a tag, and ``after`` the title of the picture
    of what is left.
    """

    def address(shape: Shape) -> str:
        if shape.tag:
            return toggle(shape.tag) or _tag_address(registry, shape.tag)
        if shape.image:
            return changed(request, node=shape.image) + "#facts"
        if owner := drawn.owners.get(shape.key):
            there = reverse("image-graph", args=[registry.slug, owner])
            return more if more.startswith("#") and request.path == there else there
        return changed(request, unfold=[*view.unfolded, shape.unfold]) if shape.unfold else ""

    pair = diagrams.inline(drawn, title, address, after=after)
    shapes = drawn.drawing.shapes.values() if drawn.drawing else ()
    folded = any(shape.unfold and shape.key not in drawn.owners for shape in shapes)
    return {
        "svg": pair.before,
        "after": pair.after,
        "sentence": pair.sentence,
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
        "files": {ending: f"{file}.{ending}{changed(request, tab=None, node=None, pick=None)}" for ending in TYPES},
        "facts": images.describe(registry, view.focus) if view.focus else None,
        "facts_tags": images.tags_of(registry, [view.focus]).get(view.focus, ()) if view.focus else (),
        "unlook": changed(request, node=None) if "node" in request.GET else "",
    }


def _tag_address(registry: Registry, tag: Tag) -> str:
    name, text = tag
    return reverse("repository", args=[registry.slug, name]) + "?" + urlencode({"tab": "tags", "q": text})


def of_repository(request: HttpRequest, registry: Registry, repository: Repository) -> dict[str, object]:
    """Return the graph of a repository; with tags that are picked, what it would be without them."""
    view, name = view_of(request), repository.name
    may = request.user.has_perm(PROPOSE) and repository.complete and not repository.ended_at
    picks = [ref for ref in dict.fromkeys(request.GET.getlist("pick")) if ref.startswith(f"{name}:")] if may else []
    plan, trouble = None, ""
    if len(picks) > MOST_PICKS:
        trouble = _("More than %(most)s tags are picked: select them in the table of tags.") % {"most": MOST_PICKS}
    elif picks:
        try:
            plan = plans.look(registry, picks, sweep=False).plan
        except NotNow as error:
            trouble = error.told

    def toggle(tag: Tag) -> str:
        ref = ":".join(tag)
        if not may or tag[0] != name:
            return ""
        others = [one for one in picks if one != ref] if ref in picks else [*picks, ref]
        return changed(request, pick=others or None)

    drawn = diagrams.of_picked(registry, name, plan, view) if plan else diagrams.of_repository(registry, name, view)
    title = _("Image graph of %(name)s") % {"name": name}
    after = _("Image graph of %(name)s without what is picked") % {"name": name} if plan else ""
    file = reverse("repository", args=[registry.slug, name]) + "graph"
    return {
        **context_of(request, registry, drawn, view, title, file, toggle=toggle, after=after),
        "may_pick": may,
        "picks": picks,
        "plan": plan,
        "stays": plan.keep[:MOST_REASONS] if plan else (),
        "trouble": trouble,
        "unpick": changed(request, pick=None),
    }


def _kept(query: QueryDict, *left_out: str) -> list[tuple[str, str]]:
    """Return the parameters that a form has to carry along."""
    return [(name, value) for name, values in query.lists() for value in values if name not in left_out]


def sent(drawn: Drawn, name: str, ending: str, when: When = "before") -> HttpResponse:
    """Return a graph as a file to keep, under a name that says what it shows."""
    if ending not in TYPES:
        raise Http404
    try:
        body = diagrams.file_of(drawn, ending, when)
    except LayoutFailed as error:
        raise BadRequest(said(str(error))) from None
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
    above = lineage.above_of(registry, [row.same_as or digest])
    table = Table(
        request, above, DEPENDENTS, search=["digest", "platform"], default="-dependents", ties=lineage.NEWEST
    )
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
    partial = request.headers.get("HX-Target") == "graph"
    return render(request, "_graph.html" if partial else "image_graph.html", context)


@require_GET
@requires(VIEW)
def plan_file(request: HttpRequest, pk: int, plan: int, when: When, ending: str) -> HttpResponse:
    """One of the two drawings of a plan as it was decided on, as SVG, PNG or DOT."""
    record = get_object_or_404(PlanRecord, proposal=pk, pk=plan)
    return sent(diagrams.kept_in(record), f"proposal-{pk}-{when}", ending, when)


PAIRS = {
    "repository": Column("repository__name", "Repository"),
    "base": Column("base__name", "Builds on"),
    "images": Column("images", "Images", number=True),
    "shared": Column("shared", "Shared", number=True),
}


@require_GET
@requires(VIEW)
def registry(request: HttpRequest, slug: str) -> HttpResponse:
    """Which repository of a registry builds on which, by the bytes that they share: drawn, and as a table."""
    watched = of_slug(slug)
    view = view_of(request)
    drawn, left_out = overviews.drawn(watched, view.unfolded, everything=view.everything)

    def address(shape: Shape) -> str:
        if shape.unfold:
            return changed(request, unfold=[*view.unfolded, shape.unfold])
        return reverse("repository", args=[slug, shape.key]) + "?tab=graph"

    title = _("Who builds on whom in %(title)s") % {"title": watched.title}
    nothing = drawn.drawing is not None and not drawn.drawing.shapes
    pair = diagrams.inline(Drawn() if nothing else drawn, title, address)
    rows = builds_on.of_registry(watched).select_related("repository", "base")
    table = Table(request, rows, PAIRS, search=["repository__name", "base__name"], default="-shared")
    folded = drawn.drawing is not None and any(shape.unfold for shape in drawn.drawing.shapes.values())
    file = reverse("registry-graph", args=[slug]).rstrip("/")
    context = {
        "registry": watched,
        "svg": pair.before,
        "sentence": pair.sentence,
        "left_out": left_out,
        "unfold_all": changed(request, all="1") if folded and not view.everything else "",
        "fold_all": changed(request, all=None, unfold=None) if view.everything or view.unfolded else "",
        "files": {ending: f"{file}.{ending}{changed(request)}" for ending in TYPES},
        "table": table,
    }
    partial = request.headers.get("HX-Target") == "graph"
    return render(request, "_registry_graph.html" if partial else "registry_graph.html", context)


@require_GET
@requires(VIEW)
def registry_file(request: HttpRequest, slug: str, ending: str) -> HttpResponse:
    """The same as SVG, PNG or DOT."""
    view = view_of(request)
    drawn, _left_out = overviews.drawn(of_slug(slug), view.unfolded, everything=view.everything)
    return sent(drawn, f"{slug}-builds-on", ending)
