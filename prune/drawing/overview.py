"""The drawing of who builds on whom: repositories, or whole namespaces, and the bytes that flow between them."""

from collections.abc import Iterable

import graphviz
import msgspec

from prune.drawing.diagram import MOST_NODES
from prune.drawing.dot import FONT, Drawing, Shape, label_of
from prune.drawing.layout import LayoutFailed
from prune.drawing.words import ENGLISH, Words

#: Lines are drawn as wide as what they stand for is large: up to so many bytes each.
WIDTHS = (10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000)


class Stream(msgspec.Struct, frozen=True):
    """``images`` of ``upper`` are based on some of ``base`` and share ``shared`` bytes with them. ``repositories`` is
    how many ``upper`` stands for, where it is a namespace; 0 says that it is one repository."""

    upper: str
    base: str
    images: int
    shared: int
    repositories: int = 0


def overview(streams: Iterable[Stream], words: Words = ENGLISH) -> Drawing:
    """Return the drawing of ``streams``; bases stand left, as in every graph. Raises `LayoutFailed` when they are too
    many."""
    streams = list(streams)
    whole = {stream.upper: stream.repositories for stream in streams if stream.repositories}
    keys = dict.fromkeys([*(stream.base for stream in streams), *(stream.upper for stream in streams)], "")
    if len(keys) > MOST_NODES:
        raise LayoutFailed(f"{len(keys)} repositories are too many for one drawing; see the table.")
    graph = graphviz.Digraph("repositories")
    graph.attr("graph", rankdir="LR", ranksep="0.4", nodesep="0.12", bgcolor="transparent", pad="0.1")
    graph.attr("node", fontname=FONT, fontsize="11", margin="0.12,0.06", height="0.3", color="#44546a")
    graph.attr("edge", fontname=FONT, fontsize="9", color="#5c6b80", arrowsize="0.7", dir="back")
    shapes = {}
    for number, key in enumerate(keys, 1):
        name, folded = f"n{number}", whole.get(key, 0)
        lines = [key, *([words.count("%(number)s repository", "%(number)s repositories", folded)] if folded else [])]
        shapes[name] = Shape(
            name,
            key,
            "family" if folded else "image",
            "kept",
            ", ".join(lines),
            unfold=key.rstrip("/") if folded else "",
        )
        keys[key] = name
        graph.node(name, label_of("\n".join(lines)), shape="box3d" if folded else "box")
    labels = {}
    for number, stream in enumerate(streams, 1):
        width = sum(stream.shared >= bound for bound in WIDTHS)
        by = words.count("by %(number)s image", "by %(number)s images", stream.images)
        text = [words.size(stream.shared), by]
        # A node in the middle of its line: `dot` leads lines around nodes, and straight through words of their own.
        name, ends = f"l{number}", (keys[stream.base], keys[stream.upper])
        labels[name] = ends
        shapes[name] = Shape(name, "", "label", "kept", f"{stream.upper}: {' '.join(text)}")
        label = label_of("\n".join(text))
        look = {"penwidth": str(1 + width), "class": f"edge-base edge-w{width}"}
        graph.node(name, label, shape="plaintext", fontsize="9", margin="0.04,0.01", width="0", height="0")
        graph.edge(ends[0], f"{name}:w", **look)
        graph.edge(f"{name}:e", ends[1], **look | {"dir": "none"})
    source: str = graph.source
    return Drawing(source, source, source, shapes, labels)
