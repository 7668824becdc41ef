"""Making a large graph small enough to draw: folding chains, and leaving out what nobody asked for."""

from collections.abc import Collection
from typing import Literal

import msgspec

from prune.graph.images import ImageGraph


class Fold(msgspec.Struct, frozen=True):
    """Images that are drawn as one node; ``own`` in bytes.

    A *chain* is a line of images without tags or branches, ``keys`` from base to top. A *family* is what else hangs
    on ``parent`` (``None``: what has no base here), with all that hangs on it in turn. ``number`` is how many images
    that are; it may be more than ``keys`` where only their number is known.
    """

    key: str
    keys: tuple[str, ...]
    own: int
    parent: str | None
    kind: Literal["chain", "family"] = "chain"
    number: int = 0
    tags: int = 0

    @property
    def size(self) -> int:
        """Return how many images it stands for."""
        return self.number or len(self.keys)


def fold_chains(
    graph: ImageGraph, stays: Collection[str], unfolded: Collection[str] = ()
) -> tuple[ImageGraph, dict[str, Fold]]:
    """Return the graph with every chain of two or more plain images as one node, and the folds by their key.

    Plain is an image that has no tag, exactly one image based on it, and is not in ``stays``. The node of a fold
    has the key of its topmost image, so that edges from above still end where they did. A chain that holds one of
    ``unfolded`` (ids of images) is left as it is.
    """
    children = graph.children()
    pinned = {key for node in graph.nodes.values() for key in (*node.members, node.subject) if key}
    opened = set(unfolded)

    def plain(key: str) -> bool:
        node = graph.nodes[key]
        return (
            node.kind == "image"
            and not node.tags
            and key not in stays
            and key not in pinned
            and len(children.get(key, ())) == 1
        )

    folds: dict[str, Fold] = {}
    inside: set[str] = set()
    for key in graph.nodes:
        if key in inside or not plain(key):
            continue
        chain = [key]
        while plain(following := children[chain[-1]][0]):
            chain.append(following)
        inside.update(chain)
        nodes = [graph.nodes[one] for one in chain]
        if len(chain) > 1 and opened.isdisjoint(id_ for node in nodes for id_ in node.ids):
            folds[chain[-1]] = Fold(chain[-1], tuple(chain), sum(n.own for n in nodes), nodes[0].parent)
    hidden = {key for fold in folds.values() for key in fold.keys[:-1]}
    kept = {
        key: msgspec.structs.replace(node, parent=folds[key].parent, own=folds[key].own) if key in folds else node
        for key, node in graph.nodes.items()
        if key not in hidden
    }
    return ImageGraph(kept, graph.repositories), folds


def of_platform(graph: ImageGraph, platform: str) -> ImageGraph:
    """Return what there is for one platform: its images, the indexes that contain one of them, and what belongs to
    those. Images that name no platform stay."""
    chosen = {key for key, node in graph.nodes.items() if node.kind == "image" and node.platform in (platform, "")}
    others = [node for node in graph.nodes.values() if node.kind != "image"]
    grew = True
    while grew:
        more = {
            node.key
            for node in others
            if node.key not in chosen
            and (not chosen.isdisjoint(node.members) or node.subject in chosen or not (node.members or node.subject))
        }
        chosen |= more
        grew = bool(more)
    return within(graph, chosen)


def within(graph: ImageGraph, chosen: Collection[str]) -> ImageGraph:
    """Return the part of a graph that has the ``chosen`` keys, and the edges between them."""
    nodes = {
        key: msgspec.structs.replace(
            node,
            parent=node.parent if node.parent in chosen else None,
            subject=node.subject if node.subject in chosen else None,
            members=tuple(member for member in node.members if member in chosen),
        )
        for key, node in graph.nodes.items()
        if key in chosen
    }
    return ImageGraph(nodes, graph.repositories)
