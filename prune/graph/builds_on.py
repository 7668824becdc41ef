"""Which repository builds on which: whose images are based on whose, and the bytes that they take from there."""

from collections import Counter

import msgspec

from prune.graph.images import ImageGraph, Node


class BuildsOn(msgspec.Struct, frozen=True, order=True):
    """``images`` of ``repository`` are based on some of ``base``; ``shared`` are the bytes of those, each layer once:
    what the repository would have to store for itself."""

    repository: str
    base: str
    images: int
    shared: int


def builds_on(graph: ImageGraph) -> list[BuildsOn]:
    """Return every pair of a whole graph, sorted.

    What stands between an image and the next base that any repository names does not count, nor does a base that the
    repository has itself. A base that several repositories have belongs to the one that most builds on.
    """
    names = {key: _names(node) for key, node in graph.nodes.items()}
    bearing: Counter[str] = Counter()
    for node in graph.nodes.values():
        if node.parent is not None:
            bearing.update(names[node.parent])
    images: Counter[tuple[str, str]] = Counter()
    taken: dict[tuple[str, str], set[str]] = {}
    for node in graph.nodes.values():
        base = node.parent
        while base is not None and not names[base]:
            base = graph.nodes[base].parent
        if base is None or not (others := names[node.key] - names[base]):
            continue
        home = min(names[base], key=lambda name: (-bearing[name], name))
        for name in others:
            images[name, home] += 1
            taken.setdefault((name, home), set()).add(base)
    return sorted(BuildsOn(*pair, images[pair], _bytes(graph, bases)) for pair, bases in taken.items())


def _names(node: Node) -> frozenset[str]:
    if node.kind != "image":
        return frozenset()
    return frozenset(name for name, _ in (*node.tags, *node.places))


def _bytes(graph: ImageGraph, bases: set[str]) -> int:
    """Return the bytes of ``bases`` and all that they are based on."""
    below: set[str] = set()
    for one in bases:
        key: str | None = one
        while key is not None and key not in below:
            below.add(key)
            key = graph.nodes[key].parent
    return sum(graph.nodes[key].own for key in below)
