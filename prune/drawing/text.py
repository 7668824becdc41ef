"""The image graph as text, in the manner of the old drawings: bases left, tags hanging below their image.

::

     A <- B <--------- D
          \\            |
           \\           <version2>
            \\          <latest>
             \\ <- C
                  |
                  <version1>
"""

from collections.abc import Callable

from prune.drawing.names import Names
from prune.graph.images import ImageGraph, Node, Tag, tag_order
from prune.plan.words import listed

#: A branch hangs on a slope of at most so many rows; longer ones hang straight down.
STEEPEST = 12
#: So many aliases stand in the drawing itself; the others below it.
MOST_ALIASES = 3
#: Branches of branches are drawn in place this deep; below, each starts a drawing of its own.
DEEPEST = 20

_EDGE = " <- "


def render_text(graph: ImageGraph, label: Callable[[Node], str] | None = None) -> str:
    """Return the drawing of every connected part, grouped by the repositories whose tags are on it.

    ``label`` says what an image is called; without it, by the first digits of its ids.
    """
    return _Page(graph, label).render()


def printable(text: str) -> str:
    """Return ``text`` without what could steer a terminal: names in a registry are other people's."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class _Canvas:
    """Characters at rows and columns."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    def put(self, row: int, column: int, text: str) -> None:
        while len(self.rows) <= row:
            self.rows.append([])
        line = self.rows[row]
        if len(line) < column + len(text):
            line.extend(" " * (column + len(text) - len(line)))
        line[column : column + len(text)] = text

    def bar(self, first: int, last: int, column: int) -> None:
        for row in range(first, last):
            self.put(row, column, "|")

    def paste(self, other: "_Canvas", row: int, column: int) -> None:
        for number, line in enumerate(other.rows):
            self.put(row + number, column, "".join(line))

    def __str__(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.rows)


class _Page:
    def __init__(self, graph: ImageGraph, label: Callable[[Node], str] | None) -> None:
        self.graph = graph
        self.names = Names(graph)
        self.label = label or (lambda node: self.names.of_aliases(node.ids, MOST_ALIASES))
        self.children = graph.children()
        self.cut: list[str] = []
        self.several = False
        self._best: dict[str, tuple[bool, list[tuple[int, int | str]], str]] = {}

    def render(self) -> str:
        groups: dict[tuple[str, ...], list[str]] = {}
        self._rank()
        roots = [key for key, node in self.graph.nodes.items() if node.kind == "image" and node.parent is None]
        for root in roots:
            groups.setdefault(self._repositories(root), []).append(root)
        parts = []
        # What no tag reaches comes last.
        for names in sorted(groups, key=lambda names: (not names, names)):
            heading = listed(names, most=6) if names else "(no tag)"
            drawings = [drawing for root in groups[names] for drawing in self._drawings(root, several=len(names) > 1)]
            parts.append(printable(heading) + "\n" + "\n\n".join(drawings))
        notes = [line for node in self.graph.nodes.values() if (line := self._note(node))]
        if notes:
            parts.append("\n".join(notes))
        return "\n\n".join(parts) if parts else "(no images)"

    def _rank(self) -> None:
        """Find for each image the most important tag in it or above it: that branch is the main line."""
        for key in reversed(self.graph.nodes):
            node = self.graph.nodes[key]
            own = [tag_order(tag)[1:] for tag in (*node.tags, *node.via)]
            top = max(own, default=(False, []))
            best = (top[0], top[1], node.created)
            self._best[key] = max([best, *(self._best[child] for child in self.children.get(key, ()))])

    def _repositories(self, root: str) -> tuple[str, ...]:
        names: set[str] = set()
        pending = [root]
        while pending:
            key = pending.pop()
            node = self.graph.nodes[key]
            names.update(name for name, _ in (*node.tags, *node.via))
            names.update(name for name, _ in node.places)
            pending += self.children.get(key, ())
        return tuple(sorted(names))

    def _drawings(self, root: str, *, several: bool) -> list[str]:
        self.several = several
        self.cut = [root]
        found = []
        while self.cut:
            key = self.cut.pop(0)
            canvas = _Canvas()
            column = 1
            parent = self.graph.nodes[key].parent
            if parent is not None:
                start = self._label(parent) + _EDGE
                canvas.put(0, 1, start)
                column += len(start)
            canvas.paste(self._line(key, 0), 0, column)
            found.append(str(canvas))
        return found

    def _label(self, key: str) -> str:
        return printable(self.label(self.graph.nodes[key]))

    def _tags(self, key: str) -> list[str]:
        node = self.graph.nodes[key]
        return [f"<{self._tag(tag)}>" for tag in node.tags] + [
            f"<{self._tag(tag)} {node.platform or 'in an index'}>" for tag in node.via if tag not in node.tags
        ]

    def _tag(self, tag: Tag) -> str:
        return printable(f"{tag[0]}:{tag[1]}" if self.several else tag[1])

    def _line(self, start: str, depth: int) -> _Canvas:
        """Draw ``start``, its main line to the right, and all that hangs below."""
        path, branches = self._path(start, depth)
        blocks = {key: [self._line(child, depth + 1) for child in hanging] for key, hanging in branches.items()}
        tags = {key: self._tags(key) for key in path}
        # Rows below the line, from right to left: branches of an image, then its tags.
        first_row = 2 if any(tags.values()) else 1
        row = first_row
        branch_rows: dict[str, int] = {}
        tag_rows: dict[str, int] = {}
        for key in reversed(path):
            branch_rows[key] = row
            row += sum(len(block.rows) for block in blocks[key])
            tag_rows[key] = row
            row += len(tags[key])
        canvas = _Canvas()
        column = 0
        for number, key in enumerate(path):
            label = self._label(key)
            canvas.put(0, column, label)
            right = self._hang(canvas, blocks[key], branch_rows[key], column + bool(tags[key]))
            if tags[key]:
                canvas.bar(1, tag_rows[key], column)
                for offset, tag in enumerate(tags[key]):
                    canvas.put(tag_rows[key] + offset, column, tag)
            if number + 1 < len(path):
                end = column + len(label)
                column = max(end, right) + len(_EDGE)
                canvas.put(0, end, " <" + "-" * (column - end - 3) + " ")
        return canvas

    def _hang(self, canvas: _Canvas, blocks: list[_Canvas], row: int, column: int) -> int:
        """Draw branches below the image at ``column``, the first at ``row``; return the column right of them."""
        right = 0
        above = 1
        sloped = len(blocks) == 1 and row - 1 <= STEEPEST
        for block in blocks:
            if sloped:
                for step in range(row - 1):
                    canvas.put(1 + step, column + step, "\\")
                at = column + row - 1
            else:
                canvas.bar(above, row, column)
                at = column
            canvas.put(row, at, "\\" + _EDGE)
            start = at + 1 + len(_EDGE)
            canvas.paste(block, row, start)
            right = max(right, start + len(block.rows[0]))
            above = row + 1
            row += len(block.rows)
        return right

    def _path(self, start: str, depth: int) -> tuple[list[str], dict[str, list[str]]]:
        """Return the main line from ``start`` and, for each image on it, the branches that leave there."""
        path, branches = [start], {}
        while True:
            key = path[-1]
            children = sorted(self.children.get(key, ()), key=lambda child: (self._best[child], child), reverse=True)
            hanging = children[1:]
            if depth >= DEEPEST:
                self.cut += hanging
                hanging = []
            branches[key] = hanging
            if not children:
                return path, branches
            path.append(children[0])

    def _note(self, node: Node) -> str:
        """Say of an index what it contains, of a referrer what it belongs to, and what else an image is called."""
        tags = "".join(f" <{printable(f'{name}:{tag}')}>" for name, tag in node.tags)
        if node.kind == "index":
            inside = [self._member(key) for key in node.members]
            return f" index {self._label(node.key)}{tags} contains {listed(inside, most=40) or 'nothing'}"
        if node.kind == "referrer":
            subject = self._label(node.subject) if node.subject else "an image that is not here"
            return f" {self._label(node.key)}{tags} belongs to {subject}"
        if len(node.ids) > MOST_ALIASES:
            others = [self.names.of(id_) for id_ in node.ids[MOST_ALIASES:]]
            return f" {self._label(node.key)} has the same layers as {listed(others, most=40)}"
        return ""

    def _member(self, key: str) -> str:
        node = self.graph.nodes[key]
        return self._label(key) + (f" ({printable(node.platform)})" if node.platform else "")
