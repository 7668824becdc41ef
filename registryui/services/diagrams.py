"""Drawings for pages, kept by what they show."""

import hashlib
import zlib
from collections.abc import Callable
from typing import NamedTuple, cast

import msgspec
from django.core.cache import cache
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from prune.drawing.diagram import PLAIN, View, When, draw_graph, draw_scene, render, render_inline, scene
from prune.drawing.dot import Drawing, Shape
from prune.drawing.fate import Fates
from prune.drawing.layout import LayoutFailed, run_dot
from prune.drawing.scene import Scene
from prune.drawing.words import ENGLISH
from prune.graph.images import ImageGraph, image_graph, of_repositories
from prune.model.plan import Plan, read_plan
from prune.model.snapshot import SourceKind, is_by_image
from registryui.models import PlanRecord, Registry, RegistrySnapshot, Repository
from registryui.services import labels, lineage, parts, scans
from registryui.services.sentences import said

#: Seconds. A drawing is named by what it shows, so it can only be forgotten, never be wrong.
KEPT = 24 * 3600


class Drawn(NamedTuple):
    """A drawing with the platforms that there are and, by key of a fold, the image that leads to what is in it; or
    the sentence why there is none."""

    drawing: Drawing | None = None
    platforms: tuple[str, ...] = ()
    owners: dict[str, str] = {}  # never written to
    sentence: str = ""


class Pair(NamedTuple):
    """Before and after on the same positions, or the sentence why they are not drawn. Where nothing is left ``after``
    is empty, and a page says so."""

    before: SafeString
    after: SafeString
    sentence: str = ""
    drawing: Drawing | None = None
    language: str = ""
    """What its words are in, where that is not the language of the page."""
    scene: Scene | None = None


class Stored(Drawing, frozen=True):
    """A drawing as a row keeps it, in English, and its `Scene` as MessagePack, to be drawn in other languages."""

    scene: bytes = b""


NOTHING = SafeString("")


def of_repository(registry: Registry, name: str, view: View = PLAIN) -> Drawn:
    """Return the graph of a repository as the last scan saw it."""
    stored = RegistrySnapshot.objects.filter(registry=registry).values_list("digest", flat=True).first()
    seen = Repository.objects.filter(registry=registry, name=name, ended_at=None).first()
    if stored is None or seen is None:
        return Drawn(sentence=_("This repository was not scanned yet."))

    def make() -> Drawn:
        kind = cast(SourceKind, registry.kind)
        if seen.tags + seen.untagged > parts.MOST_TAGS and not is_by_image(kind):
            graph = lineage.of_large_repository(seen)
        elif snapshot := parts.of_repository(registry, name, kind):
            graph = image_graph(snapshot, [name])
        else:
            return Drawn(sentence=_("This repository was not scanned yet."))
        return Drawn(draw_graph(graph, Fates(None), view, words=labels.words()), platforms_of(graph))

    return _kept(f"repository {registry.pk} {stored} {name} {view}", lambda: _tried(make))


def of_picked(registry: Registry, name: str, plan: Plan, view: View = PLAIN) -> Drawn:
    """Return the graph of a repository with what a plan, made on the newest scan, does to it."""
    stored = RegistrySnapshot.objects.filter(registry=registry).values_list("digest", flat=True).first()

    def make() -> Drawn:
        graph = of_repositories(_graph_for(registry, plan), [name])
        return Drawn(draw_graph(graph, Fates(plan), view, words=labels.words()), platforms_of(graph))

    return _kept(f"plan {registry.pk} {stored} {plan.digest()} {name} {view}", lambda: _tried(make))


def _graph_for(registry: Registry, plan: Plan) -> ImageGraph:
    whole = scans.latest_graph(registry) if is_by_image(plan.kind) else None
    return whole or image_graph(parts.of_plan(registry, plan, plan.kind))


def platforms_of(graph: ImageGraph) -> tuple[str, ...]:
    """Return the platforms of the images in a graph."""
    return tuple(sorted({node.platform for node in graph.nodes.values() if node.kind == "image"} - {""}))


def of_image(registry: Registry, digest: str, view: View = PLAIN) -> Drawn:
    """Return what an image is based on, and what is based on it, as the last scan saw it."""
    stored = RegistrySnapshot.objects.filter(registry=registry).values_list("digest", flat=True).first()

    def make() -> Drawn:
        found = lineage.around(registry, digest)
        if found is None:
            return Drawn(sentence=_("The last scan did not see this image any more."))
        drawing = draw_graph(found.graph, Fates(None), view, found.folds, labels.words())
        return Drawn(drawing, platforms_of(found.graph), found.owners)

    return _kept(f"image {registry.pk} {stored} {digest} {view}", lambda: _tried(make))


def _tried(make: Callable[[], Drawn]) -> Drawn:
    try:
        return make()
    except LayoutFailed as error:
        return Drawn(sentence=said(str(error)))


def _kept(what: str, make: Callable[[], Drawn]) -> Drawn:
    key = "drawn-" + hashlib.sha256(f"{labels.language()} {what}".encode()).hexdigest()
    found: Drawn | None = cache.get(key)
    if found is None:
        found = make()
        if found.drawing is not None:
            cache.set(key, found, KEPT)
    return found


def lay_out(dot: str, output: str) -> bytes:
    """Return what `dot` makes of a drawing; it is asked once for each, by whatever process. Raises `LayoutFailed`."""
    key = "layout-" + hashlib.sha256(f"{output}\0{dot}".encode()).hexdigest()
    found: bytes | None = cache.get(key)
    if found is not None:
        return zlib.decompress(found)
    made = run_dot(dot, output)
    cache.set(key, zlib.compress(made, 1), KEPT)
    return made


def inline(drawn: Drawn, title: str, address: Callable[[Shape], str], *, after: str = "") -> Pair:
    """Return a drawing for a page, and where ``after`` gives a title for it the one after the plan as well; or
    nothing and the sentence why. ``address`` says where a node leads."""
    if drawn.drawing is None:
        return Pair(NOTHING, NOTHING, drawn.sentence)
    try:
        before = svg_of(drawn.drawing, "before", "g", title, address)
        return Pair(before, svg_of(drawn.drawing, "after", "a", after, address) if after else NOTHING)
    except LayoutFailed as error:
        return Pair(NOTHING, NOTHING, said(str(error)))


def file_of(drawn: Drawn, output: str, when: When = "before") -> bytes:
    """Return a drawing as a file. Raises `LayoutFailed` when there is none."""
    if drawn.drawing is None:
        raise LayoutFailed(drawn.sentence)
    return render(drawn.drawing, when, output, lay_out)


def packed(pair: Pair) -> bytes | None:
    """Return the drawings of a plan as a row keeps them."""
    if pair.drawing is None:
        return None
    fields = {field: getattr(pair.drawing, field) for field in Drawing.__struct_fields__}
    return zlib.compress(msgspec.msgpack.encode(Stored(**fields, scene=msgspec.msgpack.encode(pair.scene))))


def kept_in(record: PlanRecord) -> Drawn:
    """Return the drawing that a plan was decided on, whatever the registry holds by now: in the language of the
    request, where it was kept with what that takes."""
    if record.drawing is None:
        return Drawn(sentence=record.undrawn or _("This plan was made before drawings were kept as files."))
    return Drawn(_translated(record) or _stored(record))


def _stored(record: PlanRecord) -> Stored:
    return msgspec.msgpack.decode(zlib.decompress(bytes(record.drawing or b"")), type=Stored)


def _translated(record: PlanRecord, plan: Plan | None = None) -> Drawing | None:
    """Return the drawing of a plan in another language than the one it is kept in, where that can be drawn."""
    if record.drawing is None or labels.words() is ENGLISH:
        return None

    def make() -> Drawn:
        try:
            shown = msgspec.msgpack.decode(_stored(record).scene, type=Scene)
        except msgspec.DecodeError:  # it was kept without one, or by another version
            return Drawn()
        return Drawn(draw_scene(shown, Fates(plan or read_plan(bytes(record.body))), labels.words()))

    return _kept(f"record {record.pk} {record.digest}", lambda: _tried(make)).drawing


def as_decided(record: PlanRecord, registry: Registry, plan: Plan) -> Pair:
    """Return the drawings that a plan was decided on. They are kept in English, with the plan, and drawn again for
    readers of another language, whatever the registry holds by now."""
    if drawing := _translated(record, plan):
        try:
            return _before_and_after(registry, drawing)
        except LayoutFailed:
            pass  # there are those that were kept
    language = "" if labels.words() is ENGLISH else "en"
    return Pair(record.before_svg, record.after_svg, record.undrawn, language=language)


def of_plan(registry: Registry, plan: Plan) -> Pair:
    """Return what a plan, made on the newest scan, does to the graph. The sentence is English: it may be kept."""
    try:
        shown = scene_of_plan(registry, plan)
        return _before_and_after(registry, draw_scene(shown, Fates(plan), labels.words()), shown)
    except LayoutFailed as error:
        return Pair(NOTHING, NOTHING, str(error))


def _before_and_after(registry: Registry, drawing: Drawing, shown: Scene | None = None) -> Pair:
    def address(shape: Shape) -> str:
        return reverse("image", args=[registry.slug, shape.image]) if shape.image else ""

    return Pair(
        svg_of(drawing, "before", "b", _("Image graph before the cleanup"), address),
        svg_of(drawing, "after", "a", _("Image graph after the cleanup"), address),
        drawing=drawing,
        scene=shown,
    )


def scene_of_plan(registry: Registry, plan: Plan) -> Scene:
    """Return what there is to draw of what a plan, made on the newest scan, does to the graph."""
    snapshot, graph = scans.latest_snapshot(registry) if is_by_image(plan.kind) else None, None
    if snapshot is not None:
        graph = scans.latest_graph(registry)
    else:
        snapshot = parts.of_plan(registry, plan, plan.kind)
    return scene(snapshot, plan, graph=graph)


def svg_of(drawing: Drawing, when: When, prefix: str, title: str, address: Callable[[Shape], str]) -> SafeString:
    """Return one of the two drawings for a page; nothing, where nothing is left."""
    if when == "after" and len(drawing.gone()) == len(drawing.shapes):
        return NOTHING
    links: dict[str | tuple[str, str], str] = {}
    for shape in drawing.shapes.values():
        leads = shape.tag or shape.key
        if leads and (where := address(shape)):
            links[leads] = where
    description = _("Bases stand left of what is based on them; tags hang below their image.")
    # All that the picture depends on: it can only be forgotten, never be wrong.
    about = msgspec.msgpack.encode((when, prefix, title, description, drawing, list(links.items())))
    key = "inline-" + hashlib.sha256(about).hexdigest()
    found: bytes | None = cache.get(key)
    if found is None:
        svg = render_inline(
            drawing, when, prefix=f"{prefix}-", title=title, description=description, links=links, lay_out=lay_out
        )
        found = zlib.compress(svg.encode(), 1)
        cache.set(key, found, KEPT)
    svg = zlib.decompress(found).decode()
    return mark_safe(svg)  # noqa: S308  # built from an allow-list, every text escaped: prune.drawing.svg
