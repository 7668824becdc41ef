"""From an image graph to DOT, through the `graphviz` package.

Node names are made up (``n1``): a digest as a name would be read as node and port. Every text from a registry goes
through ``graphviz.escape``. What is drawn before and after is the union of both: only what shows of it differs, and
where a text does, its node is as wide as the longer one. So `dot` gives both the same positions.
"""

from itertools import pairwise
from typing import Literal

import graphviz
import msgspec

from prune.drawing.colours import day
from prune.drawing.fate import Fate, Fates
from prune.drawing.names import Names
from prune.drawing.scene import Scene
from prune.drawing.words import ENGLISH, Words
from prune.graph.images import ImageGraph, Node, Tag

#: More tags than this on one image are drawn as one more line, "and 12 more".
MOST_TAGS = 6

#: And more ids than this of one image are left to its title.
MOST_ALIASES = 2
#: Inches, more than any character takes at 11 points; and the margin of a box.
_CHARACTER, _MARGIN = 0.1, 0.24
#: Digests are read a character at a time; `dot` has to know how wide what pages show is.
FONT = "Courier"
#: Of more images than this that stand on one base, with nothing on themselves, each so many make one more column.
COLUMN, MOST_COLUMNS = 10, 4
#: Parts of indexes on one base, above which these stand between it and them.
FEW = 4

type When = Literal["before", "after", "both"]
"""Which of the drawings; ``both`` shows every edge of either."""

FORMS = {"tag": "plain", "index": "folder", "referrer": "note", "fold": "box3d", "family": "box3d"}

#: For `.png` and `.dot`; inline SVG takes its colours from a style sheet, by class.
_COLOURS: dict[Fate, tuple[str, str]] = {
    "kept": ("#44546a", "#ffffff"),
    "shared": ("#1f5f99", "#e8f1fb"),
    "goes": ("#b3261e", "#fdecea"),
    "asked": ("#b3261e", "#fdecea"),
}

#: What is said of a tag, whatever becomes of its image.
_TAGS: dict[Fate, str] = {
    "kept": "tag %(tag)s",
    "shared": "tag %(tag)s",
    "goes": "tag %(tag)s (goes)",
    "asked": "tag %(tag)s (asked to go)",
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
    """The digest or id to link to; one that stays, if any does."""
    later: tuple[str, ...] = ()
    """Its lines in the after-drawing, where they are others."""
    later_title: str = ""
    unfold: str = ""
    """For a fold, the id by which a `View` opens it."""
    look: str = ""
    """The class of its colour, where the drawing has colours other than by fate; and whether it is looked at."""


class Drawing(msgspec.Struct, frozen=True):
    """DOT before, after and of both at once, and what the names in it stand for."""

    before: str
    after: str
    both: str
    shapes: dict[str, Shape]
    labels: dict[str, tuple[str, str]] = {}
    """What stands in the middle of a line between two names, where its words are a node."""

    def gone(self) -> set[str]:
        """Return the names of what the after-drawing lacks."""
        return {name for name, shape in self.shapes.items() if shape.fate in ("goes", "asked")}


def to_dot(scene: Scene, fates: Fates, words: Words = ENGLISH) -> Drawing:
    """Return the drawing of a scene; see the module. ``fates`` are those that the scene was made with."""
    sketch = _Sketch(scene, fates, words)
    return Drawing(sketch.dot("before"), sketch.dot("after"), sketch.dot("both"), sketch.shapes)


class _Sketch:
    def __init__(self, scene: Scene, fates: Fates, words: Words) -> None:
        graph = scene.graph
        self.colours = scene.colours
        self.focus = scene.focus
        self.insides = scene.insides
        self.words = words
        self.shapes: dict[str, Shape] = {}
        self.labels: dict[str, str] = {}
        self.edges: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.lengths: list[int] = []
        self.ranks: list[list[str]] = []
        self.graph = graph
        self.fates = fates
        self.ids = Names(graph)
        self.fate: dict[str, Fate] = {
            key: self.insides[key].fate if key in self.insides else fates.of_node(node)
            for key, node in graph.nodes.items()
        }
        self.several = len({name for node in graph.nodes.values() for name, _ in node.tags}) > 1
        names = {key: f"n{number}" for number, key in enumerate(graph.nodes, 1)}
        for node in graph.nodes.values():
            self._add(node, names)
        steps = _columns(graph)
        for node in graph.nodes.values():
            self._connect(node, names, steps.get(node.key, 1))

    def _add(self, node: Node, names: dict[str, str]) -> None:
        name = names[node.key]
        inside = self.insides.get(node.key)
        fate = self.fate[node.key]
        if inside is not None:
            lines, later = inside.lines(self.words), inside.lines(self.words, after=True)
            shape = Shape(name, node.key, inside.look, fate, inside.title(self.words), unfold=node.ids[0])
            later_title = inside.title(self.words, after=True)
        else:
            staying = self.fates.staying(node) or node.ids
            # An alias that goes is to be seen beside one that stays.
            ids = tuple(sorted(node.ids, key=lambda id_: (id_ != staying[0], id_ in staying)))
            lines = self._lines(node, ids, node.own)
            later = self._lines(node, staying, self._base_later(node)[1])
            look = " ".join(filter(None, (self.colours.of(node), "focus" if self.focus in node.ids else "")))
            shape = Shape(name, node.key, node.kind, fate, self._title(node, ids, lines), image=staying[0], look=look)
            later_title = self._title(node, staying, later)
        if fate != "goes" and later != lines:
            shape = msgspec.structs.replace(shape, later=tuple(later), later_title=later_title)
        self.shapes[name] = shape
        self.labels[name] = "\n".join(lines)
        self.ranks.append(self._column(node, name) if inside is None else [name])

    def _lines(self, node: Node, ids: tuple[str, ...], own: int) -> list[str]:
        lines = [self.ids.of_aliases(ids, MOST_ALIASES)]
        if node.kind != "image":
            lines.append(self.words.say(node.kind))
        elif node.platform:
            lines.append(node.platform)
        lines.append(self.words.size(own if node.kind == "image" else node.total))
        if word := self.colours.word(node, self.words):
            lines.append(word)
        if self.fate[node.key] == "goes":
            lines.append(self.words.say("goes"))
        return lines

    def _title(self, node: Node, ids: tuple[str, ...], lines: list[str]) -> str:
        """Return the facts: the lines of the drawing, every alias, and why it stays."""
        words = self.words
        facts = [" ".join(lines)]
        if node.kind == "image" and node.total > node.own:
            facts.append(words.say("A pull fetches %(size)s", size=words.size(node.total)))
        if created := day(node.created):
            facts.append(words.say("Created %(day)s", day=words.day(created)))
        if len(ids) > MOST_ALIASES:
            names = words.listed([self.ids.of(id_) for id_ in ids])
            facts.append(words.say("Its manifests are %(names)s", names=names))
        if len(ids) > (stay := len(self.fates.staying(node))) > 0:
            facts.append(
                words.count(
                    "%(number)s of its %(whole)s manifests goes",
                    "%(number)s of its %(whole)s manifests go",
                    len(ids) - stay,
                    whole=len(ids),
                )
            )
        return ". ".join([*facts, *map(words.reason, self.fates.why(node))])

    def _base_later(self, node: Node) -> tuple[str | None, int]:
        """Return what an image is based on when all that goes is gone, and the bytes of the layers it adds then."""
        parent, own = node.parent, node.own
        while parent in self.graph.nodes and self.fate[parent] == "goes":
            base = self.graph.nodes[parent]
            parent, own = base.parent, own + base.own
        return parent, min(own, max(node.total, node.own))

    def _column(self, node: Node, name: str) -> list[str]:
        """Hang the tags below the image; return all their names, from the top."""
        column = [name]
        shown = node.tags
        if len(shown) > MOST_TAGS + 1:  # of many, those that go are worth seeing
            shown = tuple(sorted(node.tags, key=lambda tag: self.fates.of_tag(tag) == "kept"))[:MOST_TAGS]
        # What stays hangs nearest: afterwards nothing hangs in the air.
        for number, tag in enumerate(sorted(shown, key=lambda tag: self.fates.of_tag(tag) != "kept"), 1):
            column.append(self._tag(f"{name}t{number}", tag))
        if len(shown) < len(node.tags):
            more = f"{name}more"
            left = [tag for tag in node.tags if tag not in shown]
            stay = sum(self.fates.of_tag(tag) == "kept" for tag in left)
            text = self._more(len(left))
            tags = self.words.count("%(number)s tag", "%(number)s tags", stay)
            later = self._more(stay) if column[1:] and self._stays(column[1]) else tags
            self.shapes[more] = Shape(
                more,
                "",
                "more",
                "kept" if stay else "goes",
                text,
                later=(later,) if stay and later != text else (),
                later_title=later,
            )
            self.labels[more] = text
            column.append(more)
        for upper, lower in pairwise(column):
            self._edge(upper, lower, "tag")
        if len(column) > 2 and self._stays(column[-1]) and not self._stays(column[-2]):
            above = [one for one in column[:-1] if self._stays(one)]
            self._edge(above[-1], column[-1], "tag later")
        return column

    def _more(self, number: int) -> str:
        return self.words.say("and %(number)s more", number=number)

    def _stays(self, name: str) -> bool:
        return self.shapes[name].fate not in ("goes", "asked")

    def _edge(self, tail: str, head: str, style: str, length: int = 1) -> None:
        self.edges.append((tail, head))
        self.styles.append(style)
        self.lengths.append(length)

    def _tag(self, name: str, tag: Tag) -> str:
        fate = self.fates.of_tag(tag)
        text = _shown(f"{tag[0]}:{tag[1]}" if self.several else tag[1])
        title = self.words.say(_TAGS[fate], tag=f"{tag[0]}:{tag[1]}")
        self.shapes[name] = Shape(name, "", "tag", fate, title, tag)
        self.labels[name] = f"<{text}>"
        return name

    def _connect(self, node: Node, names: dict[str, str], length: int) -> None:
        if node.parent in names:
            self._edge(names[node.parent], names[node.key], "base", length)
        later = self._base_later(node)[0]
        if later in names and later != node.parent and self.fate[node.key] != "goes":
            self._edge(names[later], names[node.key], "base later")
        for member in node.members:
            if member in names:
                self._edge(names[node.key], names[member], "member")
        if node.subject in names:
            self._edge(names[node.subject], names[node.key], "subject")

    def dot(self, when: When) -> str:
        gone = {name for name in self.shapes if not self._stays(name)} if when == "after" else set()
        graph = graphviz.Digraph("images")
        graph.attr("graph", rankdir="LR", ranksep="0.45", nodesep="0.12", bgcolor="transparent", pad="0.1")
        graph.attr("node", fontname=FONT, fontsize="11", margin="0.12,0.06", height="0.3")
        graph.attr("edge", fontname=FONT, fontsize="9", color="#5c6b80", arrowsize="0.7")
        for name, shape in self.shapes.items():
            line, fill = _COLOURS[shape.fate]
            style = "filled,dashed" if shape.fate in ("goes", "asked") else "filled"
            if shape.kind in ("tag", "more"):
                style = ""
            if name in gone:
                style = "invis"
            label = self.labels[name]
            form = FORMS.get(shape.kind, "box")
            if shape.look and shape.fate == "kept":
                fill = self.colours.fill(shape.look)
            room = {}
            if shape.kind == "more":
                form, room = "plaintext", {"margin": "0", "height": "0.16"}
            if shape.later:
                longest = max(len(one) for one in (*label.split("\n"), *shape.later))
                room["width"] = f"{longest * _CHARACTER + _MARGIN:.2f}"
                label = "\n".join(shape.later) if when == "after" else label
            graph.node(
                name,
                label_of(label),
                shape=form,
                style=style,
                color=line,
                fillcolor=fill,
                fontcolor=line,
                **{"class": f"{shape.kind} {shape.fate} {shape.look}".rstrip()},
                **room,
            )
        for column in self.ranks:
            if len(column) > 1:
                with graph.subgraph() as same:
                    same.attr(rank="same")
                    for name in column:
                        same.node(name)
        for (tail, head), styles, length in zip(self.edges, self.styles, self.lengths, strict=True):
            style, _, later = styles.partition(" ")
            hidden = tail in gone or head in gone or (later and when == "before")
            graph.edge(
                tail,
                head,
                style="invis" if hidden else {"tag": "dotted", "base": "solid"}.get(style, "dashed"),
                # `A <- B`: the arrow points at the base, which stands left.
                dir={"base": "back", "subject": "back", "member": "forward"}.get(style, "none"),
                weight="10" if style == "tag" else "1",
                **{"class": f"edge-{style} {later}".rstrip()},
                **({"minlen": str(length)} if length > 1 else {}),
            )
        source: str = graph.source
        return source


def _columns(graph: ImageGraph) -> dict[str, int]:
    """Return the column of each image that stands, with many others with nothing on themselves, on one base: in one
    column they would be a ribbon that nobody can read. Where other lines would cross theirs, they stay in one."""
    parts = {member for node in graph.nodes.values() for member in node.members}
    if parts or any(node.subject for node in graph.nodes.values()):
        return _behind_indexes(graph, parts)
    inner = {node.parent for node in graph.nodes.values()}
    alike: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        if node.parent in graph.nodes and node.key not in inner:
            alike.setdefault(node.parent, []).append(node.key)
    found = {}
    for keys in alike.values():
        columns = min(MOST_COLUMNS, -(-len(keys) // COLUMN))
        found.update({key: 1 + number % columns for number, key in enumerate(keys)})
    return found


def _behind_indexes(graph: ImageGraph, parts: set[str]) -> dict[str, int]:
    """Return the column of each image that is part of an index and stands, with more than a few of these, on one
    base. The indexes have a column of their own in between: beside the base they would stand in the way of its
    lines, which would cross all of theirs."""
    alike: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        if node.key in parts and node.parent in graph.nodes:
            alike.setdefault(node.parent, []).append(node.key)
    return {key: 2 for keys in alike.values() if len(keys) > FEW for key in keys}


def label_of(text: str) -> str:
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
