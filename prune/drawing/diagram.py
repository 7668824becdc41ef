"""The diagrams before and after a plan: one layout, drawn twice."""

from collections.abc import Collection, Mapping
from typing import Literal

from prune.drawing.dot import Drawing, to_dot
from prune.drawing.fate import Fates
from prune.drawing.layout import LayoutFailed, run_dot
from prune.drawing.svg import inline_svg, standalone_svg
from prune.graph.fold import Fold, fold_chains, neighbourhood
from prune.graph.images import ImageGraph, image_graph, of_repositories
from prune.graph.v1 import with_ancestors
from prune.model.plan import Plan
from prune.model.snapshot import Snapshot

#: What a person can read, and `dot` draws in well under a second.
MOST_NODES = 400
#: Smaller graphs are drawn as they are, without folding anything.
SMALL = 60

When = Literal["before", "after"]


def draw(
    snapshot: Snapshot,
    plan: Plan | None,
    repositories: Collection[str] | None = None,
    *,
    graph: ImageGraph | None = None,
) -> Drawing:
    """Return the drawing of what ``repositories`` hold (``None``: all that the plan touches, or everything).

    ``graph`` is the whole graph of the snapshot, if it is known already.

    Above ``SMALL`` nodes chains are folded; above ``MOST_NODES`` only what is around the plan is drawn.
    Raises ``LayoutFailed`` when it is too large all the same.
    """
    fates = Fates(plan)
    if repositories is None and plan is not None:
        repositories = _touched(snapshot, plan) or None
    graph = graph or image_graph(snapshot)
    if repositories is not None:
        graph = of_repositories(graph, repositories)
    folds: dict[str, Fold] = {}
    touched = fates.touched(graph)
    if len(graph.nodes) > SMALL:
        graph, folds = fold_chains(graph, touched)
    if len(graph.nodes) > MOST_NODES and touched:
        graph = neighbourhood(graph, touched, MOST_NODES)
    if len(graph.nodes) > MOST_NODES:
        raise LayoutFailed(
            f"{len(graph.nodes)} images are too many for one drawing; choose a repository, or see the table."
        )
    return to_dot(graph, folds, fates)


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


def render(drawing: Drawing, when: When, output: str) -> bytes:
    """Return the drawing as a file: ``svg``, ``png`` or ``dot``."""
    if output == "svg":
        return standalone_svg(run_dot(drawing.both, "svg"), drawing, after=when == "after")
    dot = drawing.before if when == "before" else drawing.after
    return dot.encode() if output == "dot" else run_dot(dot, output)


def render_inline(
    drawing: Drawing, when: When, *, prefix: str, title: str, description: str, links: Mapping[str, str]
) -> str:
    """Return the drawing as SVG to be put into a page: no colours, no styles, only what a strict policy allows.

    ``prefix`` makes ids unique in the page, ``links`` maps keys of nodes to addresses.
    """
    return inline_svg(
        run_dot(drawing.both, "svg"),
        drawing,
        after=when == "after",
        prefix=prefix,
        title=title,
        description=description,
        links=links,
    )
