"""What a drawing shows, before anybody says it in words: it can be kept, and drawn again in another language."""

from collections.abc import Mapping

import msgspec

from prune.drawing.colours import Colours
from prune.drawing.fate import Fates
from prune.drawing.inside import Inside, look_inside
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph


class Scene(msgspec.Struct, frozen=True):
    """The graph that is drawn, what is in each fold of it, by key, and how it is looked at. ``focus`` is the id of an
    image that is set off."""

    graph: ImageGraph
    insides: dict[str, Inside] = {}
    colours: Colours = Colours()
    focus: str = ""


def scene_of(
    graph: ImageGraph,
    folds: Mapping[str, Fold],
    fates: Fates,
    *,
    whole: ImageGraph | None = None,
    colours: Colours | None = None,
    focus: str = "",
) -> Scene:
    """Return the scene of ``graph``; ``whole`` knows what is in the folds. Of the places of an image it has only
    those that tell what becomes of it: a base may be served by thousands."""
    nodes = {
        key: msgspec.structs.replace(node, places=fates.telling(node), via=()) for key, node in graph.nodes.items()
    }
    insides = {key: look_inside(fold, whole or graph, fates) for key, fold in folds.items()}
    return Scene(ImageGraph(nodes, graph.repositories), insides, colours or Colours(), focus)
