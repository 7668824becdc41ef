"""From an image graph to DOT, through the `graphviz` package.

Node names are made up (``n1``): a digest as a name would be read as node and port. Every text from a registry goes
through ``graphviz.escape``. The drawing of before and after differs in classes and colours only, so `dot` gives
both the same positions.
"""

from itertools import pairwise

import graphviz
import msgspec

from prune.drawing.fate import Fate, Fates
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph, Node, Tag
from prune.model.digest import short

#: More tags than this on one image are drawn as one more line, "and 12 more".
MOST_TAGS = 6

#: For `.png` and `.dot`; inline SVG takes its colours from a style sheet, by class.
_COLOURS: dict[Fate, tuple[str, str]] = {
    "kept": ("#44546a", "#ffffff"),
    "shared": ("#1f5f99", "#e8f1fb"),
    "goes": ("#b3261e", "#fdecea"),
    "asked": ("#b3261e", "#fdecea"),
}


class Shape(msgspec.Struct, frozen=True):
    """What was drawn under a made-up name: the node's key (empty for a tag), its fate, and facts in words."""

    name: str
    key: str
    kind: str
    fate: Fate
    title: str
    tag: Tag | None = None
    image: str = ""
    """The digest or id to link to."""


class Drawing(msgspec.Struct, frozen=True):
    """DOT before and after, and what its names and edges stand for."""

    before: str
    after: str
    shapes: dict[str, Shape]
    edges: tuple[tuple[str, str], ...]

    def gone(self) -> set[str]:
        """Return the names of what the after-drawing lacks."""
        return {name for name, shape in self.shapes.items() if shape.fate in ("goes", "asked")}


def to_dot(graph: ImageGraph, folds: dict[str, Fold], fates: Fates) -> Drawing:
    """Return the drawing of ``graph``; see the module."""
    sketch = _Sketch(graph, folds, fates)
    return Drawing(sketch.dot(after=False), sketch.dot(after=True), sketch.shapes, tuple(sketch.edges))


class _Sketch:
    def __init__(self, graph: ImageGraph, folds: dict[str, Fold], fates: Fates) -> None:
        self.shapes: dict[str, Shape] = {}
        self.labels: dict[str, str] = {}
        self.edges: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.ranks: list[list[str]] = []
        self.folds = folds
        self.fates = fates
        self.several = len({name for node in graph.nodes.values() for name, _ in node.tags}) > 1
        names = {key: f"n{number}" for number, key in enumerate(graph.nodes, 1)}
        for node in graph.nodes.values():
            self._add(node, names)
        for node in graph.nodes.values():
            self._connect(node, names)

    def _add(self, node: Node, names: dict[str, str]) -> None:
        name = names[node.key]
        fold = self.folds.get(node.key)
        fate = self.fates.of_node(node)
        lines = [f"{len(fold.keys)} images"] if fold else [_name(node)]
        if node.kind != "image":
            lines.append(node.kind)
        elif node.platform:
            lines.append(node.platform)
        lines.append(human(fold.own if fold else node.own if node.kind == "image" else node.total))
        if fate == "goes":
            lines.append("goes")
        title = ". ".join([" ".join(lines), *self.fates.why(node)])
        image = "" if fold else node.ids[0]
        self.shapes[name] = Shape(name, node.key, "fold" if fold else node.kind, fate, title, image=image)
        self.labels[name] = "\n".join(lines)
        column = [name]
        shown = node.tags
        if len(shown) > MOST_TAGS + 1:  # of many, those that go are worth seeing
            shown = tuple(sorted(node.tags, key=lambda tag: self.fates.of_tag(tag) == "kept"))[:MOST_TAGS]
        # What stays hangs nearest: afterwards nothing hangs in the air.
        for number, tag in enumerate(sorted(shown, key=lambda tag: self.fates.of_tag(tag) != "kept"), 1):
            column.append(self._tag(f"{name}t{number}", tag))
        if len(shown) < len(node.tags):
            more = f"{name}more"
            left = node.tags if fate == "kept" else [tag for tag in node.tags if tag not in shown]
            stays = any(self.fates.of_tag(tag) == "kept" for tag in left)
            text = f"and {len(node.tags) - len(shown)} more"
            self.shapes[more] = Shape(more, "", "more", "kept" if stays else "goes", text)
            self.labels[more] = text
            column.append(more)
        for upper, lower in pairwise(column):
            self.edges.append((upper, lower))
            self.styles.append("tag")
        self.ranks.append(column)

    def _tag(self, name: str, tag: Tag) -> str:
        fate = self.fates.of_tag(tag)
        text = _shown(f"{tag[0]}:{tag[1]}" if self.several else tag[1])
        suffix = {"asked": " (asked to go)", "goes": " (goes)"}.get(fate, "")
        self.shapes[name] = Shape(name, "", "tag", fate, f"tag {tag[0]}:{tag[1]}{suffix}", tag)
        self.labels[name] = f"<{text}>"
        return name

    def _connect(self, node: Node, names: dict[str, str]) -> None:
        if node.parent in names:
            self.edges.append((names[node.parent], names[node.key]))
            self.styles.append("base")
        for member in node.members:
            if member in names:
                self.edges.append((names[node.key], names[member]))
                self.styles.append("member")
        if node.subject in names:
            self.edges.append((names[node.subject], names[node.key]))
            self.styles.append("subject")

    def dot(self, *, after: bool) -> str:
        gone = {n for n, s in self.shapes.items() if s.fate in ("goes", "asked")} if after else set()
        graph = graphviz.Digraph("images")
        graph.attr("graph", rankdir="LR", ranksep="0.45", nodesep="0.12", bgcolor="transparent", pad="0.1")
        graph.attr("node", fontname="Helvetica", fontsize="11", margin="0.12,0.06", height="0.3")
        graph.attr("edge", fontname="Helvetica", fontsize="9", color="#5c6b80", arrowsize="0.7")
        for name, shape in self.shapes.items():
            line, fill = _COLOURS[shape.fate]
            style = "filled,dashed" if shape.fate in ("goes", "asked") else "filled"
            if shape.kind in ("tag", "more"):
                style = ""
            if name in gone:
                style = "invis"
            graph.node(
                name,
                _label(self.labels[name]),
                shape={"tag": "plain", "more": "plain", "index": "folder", "referrer": "note", "fold": "box3d"}.get(
                    shape.kind, "box"
                ),
                style=style,
                color=line,
                fillcolor=fill,
                fontcolor=line,
                **{"class": f"{shape.kind} {shape.fate}"},
            )
        for column in self.ranks:
            if len(column) > 1:
                with graph.subgraph() as same:
                    same.attr(rank="same")
                    for name in column:
                        same.node(name)
        for (tail, head), style in zip(self.edges, self.styles, strict=True):
            graph.edge(
                tail,
                head,
                style="invis"
                if tail in gone or head in gone
                else {"tag": "dotted", "base": "solid"}.get(style, "dashed"),
                # `A <- B`: the arrow points at the base, which stands left.
                dir={"base": "back", "subject": "back", "member": "forward"}.get(style, "none"),
                weight="10" if style == "tag" else "1",
                **{"class": f"edge-{style}"},
            )
        source: str = graph.source
        return source


def _label(text: str) -> str:
    """Return ``text`` as a label: each line escaped, and never read as markup even when it looks like ``<this>``."""
    label: str = graphviz.nohtml("\\n".join(str(graphviz.escape(_plain(line))) for line in text.split("\n")))
    return label


def _plain(text: str) -> str:
    """Return ``text`` without control characters, and with nothing that Graphviz would read as an entity."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).replace("&", "&amp;")


def _shown(text: str) -> str:
    """Return one line that fits: the beginning and the end of a long name tell most."""
    text = text.replace("\n", " ")
    return text if len(text) <= 36 else f"{text[:24]}…{text[-8:]}"


def _name(node: Node) -> str:
    shown = "=".join(short(id_) for id_ in node.ids[:2])
    return shown + (f" +{len(node.ids) - 2}" if len(node.ids) > 2 else "")


def human(number: int) -> str:
    """Return a number of bytes for people, in powers of 1000."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"
