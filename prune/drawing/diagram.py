"""The diagrams before and after a plan: one layout, drawn twice."""

from collections.abc import Callable, Collection, Mapping
from typing import Literal

import msgspec

from prune.drawing.colours import Colour, Colours
from prune.drawing.dot import MOST_TAGS, Drawing, to_dot
from prune.drawing.fate import Fates
from prune.drawing.layout import LayoutFailed, run_dot
from prune.drawing.scene import Scene, scene_of
from prune.drawing.svg import Links, inline_svg, standalone_svg
from prune.drawing.words import ENGLISH, Words
from prune.graph.families import fold_families
from prune.graph.fold import Fold, fold_chains, of_platform
from prune.graph.images import ImageGraph, Node, image_graph, of_repositories
from prune.graph.v1 import with_ancestors
from prune.model.plan import Plan
from prune.model.snapshot import Snapshot

#: What `dot` draws in well under a second: images, tags and folds together.
MOST_NODES = 400
#: What a person can look over. More is folded, unless somebody opens the folds.
ROOM = 150
#: Smaller graphs are drawn as they are, without folding anything.
SMALL = 60

When = Literal["before", "after"]

type LayOut = Callable[[str, str], bytes]
"""`prune.drawing.layout.run_dot`, or what remembers its answers."""


class View(msgspec.Struct, frozen=True):
    """How somebody looks at a graph: what is set off (the id of an image), which folds are opened (the id of an image
    in each) or all of them, only one platform, and what the colours tell. ``now`` is for ages, in seconds."""

    focus: str = ""
    unfolded: tuple[str, ...] = ()
    everything: bool = False
    platform: str = ""
    colour: Colour = "fate"
    now: int = 0


PLAIN = View()


def draw(
    snapshot: Snapshot,
    plan: Plan | None,
    repositories: Collection[str] | None = None,
    *,
    graph: ImageGraph | None = None,
    view: View = PLAIN,
) -> Drawing:
    """Return the drawing of what ``repositories`` hold (``None``: all that the plan touches, or everything).

    ``graph`` is the whole graph of the snapshot, if it is known already.

    Above ``SMALL`` nodes chains are folded, above ``ROOM`` families too, and never more than ``MOST_NODES`` drawn.
    """
    return draw_scene(scene(snapshot, plan, repositories, graph=graph, view=view), Fates(plan))


def scene(
    snapshot: Snapshot,
    plan: Plan | None,
    repositories: Collection[str] | None = None,
    *,
    graph: ImageGraph | None = None,
    view: View = PLAIN,
) -> Scene:
    """Return what `draw` draws, without words."""
    if repositories is None and plan is not None:
        repositories = _touched(snapshot, plan) or None
    graph = graph or image_graph(snapshot)
    if repositories is not None:
        graph = of_repositories(graph, repositories)
    return _scene(graph, Fates(plan), view, {})


def draw_graph(
    graph: ImageGraph,
    fates: Fates,
    view: View = PLAIN,
    folds: Mapping[str, Fold] | None = None,
    words: Words = ENGLISH,
) -> Drawing:
    """Return the drawing of a graph that may already hold some ``folds``."""
    return draw_scene(_scene(graph, fates, view, folds or {}), fates, words)


def draw_scene(scene: Scene, fates: Fates, words: Words = ENGLISH) -> Drawing:
    """Return the drawing of a scene, made with the same ``fates``. Raises `LayoutFailed` when it is too large."""
    drawing = to_dot(scene, fates, words)
    if len(drawing.shapes) > MOST_NODES:
        raise LayoutFailed(f"{len(drawing.shapes)} images and tags are too many for one drawing; see the table.")
    return drawing


def _scene(graph: ImageGraph, fates: Fates, view: View, folds: Mapping[str, Fold]) -> Scene:
    if view.platform:
        graph = of_platform(graph, view.platform)
    whole = graph
    first = fates.touched(graph) | {key for key, node in graph.nodes.items() if view.focus in node.ids}
    graph, made = _folded(graph, first, view, dict(folds))
    return scene_of(graph, made, fates, whole=whole, colours=Colours(view.colour, view.now), focus=view.focus)


def _folded(
    graph: ImageGraph, first: Collection[str], view: View, folds: dict[str, Fold]
) -> tuple[ImageGraph, dict[str, Fold]]:
    """Return what is drawn of a graph, and the folds in it."""
    if len(graph.nodes) > SMALL and not view.everything:
        graph, chains = fold_chains(graph, {*first, *folds}, view.unfolded)
        folds |= chains
    room = MOST_NODES if view.everything else ROOM
    if sum(map(_weight, graph.nodes.values())) <= room:
        return graph, folds
    graph, families = fold_families(graph, first, view.unfolded, room=room, most=MOST_NODES, weight=_weight)
    return graph, {key: fold for key, fold in folds.items() if key in graph.nodes} | {
        key: _opened(fold, folds) for key, fold in families.items()
    }


def _opened(family: Fold, folds: Mapping[str, Fold]) -> Fold:
    """Return a family that counts what was already folded within it."""
    inside = [folds[key] for key in family.keys if key in folds]
    if not inside:
        return family
    more = tuple(key for fold in inside for key in fold.keys if key != fold.key)
    number = family.number + sum(fold.size - 1 for fold in inside)
    return msgspec.structs.replace(family, keys=(*family.keys, *more), number=number)


def _weight(node: Node) -> int:
    return 1 + min(len(node.tags), MOST_TAGS + 1)


def _touched(snapshot: Snapshot, plan: Plan) -> set[str]:
    """Return the repositories that a plan has to do with; none means that all must be looked at."""
    names = {item.repository for item in plan.delete.tags}
    names |= {item.repository for item in plan.delete.manifests}
    names |= {kept.repository for kept in plan.keep if kept.repository}
    if snapshot.by_image:
        images = {image.id for image in plan.delete.images} | {kept.id for kept in plan.keep if kept.id}
        reached: set[str] = set()
        for name, repository in snapshot.repositories.items():
            mine = with_ancestors(repository.tags.values(), snapshot.images)
            if name in names or not mine.isdisjoint(images):
                names.add(name)
                reached |= mine
        if not reached >= images:
            return set()
    return names & snapshot.repositories.keys()


def render(drawing: Drawing, when: When, output: str, lay_out: LayOut = run_dot) -> bytes:
    """Return the drawing as a file: ``svg``, ``png`` or ``dot``."""
    if output == "svg":
        return standalone_svg(lay_out(drawing.both, "svg"), drawing, after=when == "after")
    dot = drawing.before if when == "before" else drawing.after
    return dot.encode() if output == "dot" else lay_out(dot, output)


def render_inline(
    drawing: Drawing,
    when: When,
    *,
    prefix: str,
    title: str,
    description: str,
    links: Links,
    lay_out: LayOut = run_dot,
) -> str:
    """Return the drawing as SVG to be put into a page: no colours, no styles, only what a strict policy allows.

    ``prefix`` makes ids unique in the page, ``links`` gives addresses to nodes by their keys and to tags.
    """
    return inline_svg(
        lay_out(drawing.both, "svg"),
        drawing,
        after=when == "after",
        prefix=prefix,
        title=title,
        description=description,
        links=links,
    )
