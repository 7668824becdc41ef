"""Making a large graph small enough to draw: folding chains, and keeping only a neighbourhood."""

from collections.abc import Collection

import msgspec

from prune.graph.images import ImageGraph, Node


class Fold(msgspec.Struct, frozen=True):
    """A chain of images without tags or branches, drawn as one. ``keys`` from base to top; ``own`` in bytes."""

    key: str
    keys: tuple[str, ...]
    own: int
    parent: str | None


def fold_chains(graph: ImageGraph, stays: Collection[str]) -> tuple[ImageGraph, dict[str, Fold]]:
    """Return the graph with every chain of two or more plain images as one node, and the folds by their key.

    Plain is an image that has no tag, exactly one image based on it, and is not in ``stays``. The node of a fold
    has the key of its topmost image, so that edges from above still end where they did.
    """
    children = graph.children()
    pinned = {key for node in graph.nodes.values() for key in (*node.members, node.subject) if key}

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
        if len(chain) > 1:
            nodes = [graph.nodes[one] for one in chain]
            folds[chain[-1]] = Fold(chain[-1], tuple(chain), sum(n.own for n in nodes), nodes[0].parent)
    hidden = {key for fold in folds.values() for key in fold.keys[:-1]}
    kept = {
        key: msgspec.structs.replace(node, parent=folds[key].parent) if key in folds else node
        for key, node in graph.nodes.items()
        if key not in hidden
    }
    return ImageGraph(kept, graph.repositories), folds


def neighbourhood(graph: ImageGraph, touched: Collection[str], limit: int) -> ImageGraph:
    """Return at most ``limit`` nodes around ``touched``: those first, then what they are based on or belong to,
    then what is based on them, nearest first."""
    children = graph.children()
    up: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        for member in node.members:
            up.setdefault(member, []).append(node.key)
        if node.subject is not None:
            up.setdefault(node.subject, []).append(node.key)
    chosen: dict[str, None] = {}
    ring = [key for key in graph.nodes if key in touched]
    while ring and len(chosen) < limit:
        following: list[str] = []
        for key in ring:
            if key in chosen or len(chosen) >= limit:
                continue
            chosen[key] = None
            node = graph.nodes[key]
            following += [one for one in (node.parent, node.subject, *node.members) if one in graph.nodes]
            following += up.get(key, ())
            following += children.get(key, ())
        ring = following
    return ImageGraph({k: _within(n, chosen) for k, n in graph.nodes.items() if k in chosen}, graph.repositories)


def _within(node: Node, chosen: Collection[str]) -> Node:
    return msgspec.structs.replace(
        node,
        parent=node.parent if node.parent in chosen else None,
        subject=node.subject if node.subject in chosen else None,
        members=tuple(key for key in node.members if key in chosen),
    )
