"""From Graphviz' SVG to ours: an allow-list of elements and attributes, classes for colours, facts as titles."""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from prune.drawing.dot import Drawing, Shape
from prune.drawing.layout import LayoutFailed
from prune.graph.images import Tag

type Links = Mapping[str | Tag, str]
"""Where nodes lead, by their keys; and tags, by repository and tag."""

#: Pixels for a point: small graphs are not blown up, and large ones can be read by scrolling where no script runs.
PIXELS = 1.2

_SVG = "{http://www.w3.org/2000/svg}"

#: Elements that carry geometry, with the attributes of theirs that are kept.
_GEOMETRY = {
    "polygon": ("points",),
    "polyline": ("points",),
    "path": ("d",),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "text": ("x", "y", "text-anchor"),
}

_STYLE = """
svg{font:11px "DejaVu Sans Mono",Menlo,Consolas,monospace}
text{fill:#1d2733}polygon,path,polyline,ellipse{fill:none;stroke:#5c6b80}
.image>polygon,.index>polygon,.referrer>polygon,.fold>polygon,.family>polygon{fill:#fff;stroke:#44546a}
.step-0>polygon{fill:#eef7f5}.step-1>polygon{fill:#cfe9e5}.step-2>polygon{fill:#a5d6cf}.step-3>polygon{fill:#77c0b7}
.step-4>polygon{fill:#4aa79d}.focus>polygon{stroke-width:2.5}
.edge polygon{fill:#5c6b80}.edge-tag path{stroke-dasharray:1 4}.edge text,.label text{font-size:9px}
.edge-w1 path{stroke-width:2}.edge-w2 path{stroke-width:3.5}.edge-w3 path{stroke-width:5}.edge-w4 path{stroke-width:7}
.edge-member path,.edge-subject path{stroke-dasharray:5 3}
.shared>polygon{fill:#e8f1fb;stroke:#1f5f99}
.goes>polygon,.asked>polygon{fill:#fdecea;stroke:#b3261e;stroke-dasharray:5 3}
.goes>text,.asked>text{fill:#b3261e;text-decoration:line-through}
@media (prefers-color-scheme:dark){svg{background:#14181d}text{fill:#e4e9ef}
.image>polygon,.index>polygon,.referrer>polygon,.fold>polygon,.family>polygon{fill:#1d242c;stroke:#8fa1b6}
.step-0>polygon{fill:#1c2a2e}.step-1>polygon{fill:#173a3c}.step-2>polygon{fill:#174c4c}.step-3>polygon{fill:#195d5d}
.step-4>polygon{fill:#1d6f6f}
.shared>polygon{fill:#17324d;stroke:#7db4e8}.goes>polygon,.asked>polygon{fill:#45201d;stroke:#f2a29b}
.goes>text,.asked>text{fill:#f2a29b}}
"""


def standalone_svg(svg: bytes, drawing: Drawing, *, after: bool) -> bytes:
    """Return a file that any viewer shows, in light or dark; ``svg`` is the layout of ``drawing.both``."""
    root = _parse(svg)
    body = _Writer(drawing, after, "", {}).graph(root)
    view = root.get("viewBox", "0 0 100 100")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox={quoteattr(view)}><style>{_STYLE}</style>'
    return (head + body + "</svg>\n").encode()


def inline_svg(
    svg: bytes,
    drawing: Drawing,
    *,
    after: bool,
    prefix: str,
    title: str,
    description: str,
    links: Links,
) -> str:
    """Return SVG for a page; see `prune.drawing.diagram.render_inline`. ``svg`` is the layout of ``drawing.both``."""
    root = _parse(svg)
    body = _Writer(drawing, after, prefix, links).graph(root)
    view = root.get("viewBox", "0 0 100 100")
    width, height = (round(float(one) * PIXELS) for one in view.split()[2:])
    return (
        f'<svg class="graph" viewBox={quoteattr(view)} width="{width}" height="{height}"'
        f' aria-labelledby="{prefix}title {prefix}desc">'
        f'<title id="{prefix}title">{_text(title)}</title><desc id="{prefix}desc">{_text(description)}</desc>'
        f"{body}</svg>"
    )


def _parse(svg: bytes) -> ElementTree.Element:
    # Graphviz declares a DTD; it refers to nothing, and the parser fetches nothing.
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314  # made by our own `dot`, from escaped text
    except ElementTree.ParseError:
        raise LayoutFailed("Graphviz gave a drawing that cannot be read; see the table.") from None
    return root


class _Writer:
    def __init__(self, drawing: Drawing, after: bool, prefix: str, links: Links) -> None:
        self.shapes = drawing.shapes
        self.labels = drawing.labels
        self.after = after
        self.gone = drawing.gone() if after else set()
        self.prefix = prefix
        self.links = links

    def graph(self, root: ElementTree.Element) -> str:
        group = root.find(f"{_SVG}g")
        if group is None:
            raise LayoutFailed("Graphviz gave an empty drawing; see the table.")
        edges, nodes = [], []
        for child in group.findall(f"{_SVG}g"):
            classes = child.get("class", "").split()
            name = child.findtext(f"{_SVG}title", "")
            if "edge" in classes:
                tail, _, head = (end.partition(":")[0] for end in name.replace("--", "->").partition("->"))
                # Both halves of a line with words in its middle join what the whole one does.
                tail, head = self.labels.get(tail, (tail,))[0], self.labels.get(head, (head,))[-1]
                if tail not in self.gone and head not in self.gone and (self.after or "later" not in classes):
                    kind = " ".join(c for c in classes if c.startswith("edge-"))
                    ends = f'data-from="{self.prefix}{tail}" data-to="{self.prefix}{head}"'
                    edges.append(f'<g class="edge {kind}" {ends}>{self._shapes(child)}</g>')
            elif "node" in classes and name in self.shapes and name not in self.gone:
                nodes.append((self.shapes[name], self._node(child, self.shapes[name])))
        # Tab order: a tag, then its image, then what that is based on.
        nodes.reverse()
        body = "".join(edges) + "".join(text for _, text in nodes)
        return f"<g transform={quoteattr(_transform(group.get('transform', '')))}>{body}</g>"

    def _node(self, group: ElementTree.Element, shape: Shape) -> str:
        later = self.after and bool(shape.later)
        title = shape.later_title if later else shape.title
        inner = f"<title>{_text(title)}</title>{self._shapes(group, iter(shape.later) if later else None)}"
        link = self.links.get(shape.tag or shape.key) if shape.tag or shape.key else None
        classes = f"{shape.kind} {shape.fate} {shape.look}".rstrip()
        attributes = f'id="{self.prefix}{shape.name}" class="{classes}"'
        if shape.key:
            attributes += f" data-key={quoteattr(shape.key)}"
        if shape.tag is not None:
            attributes += f" data-tag={quoteattr(_plain(':'.join(shape.tag)))}"
        if link:
            name = quoteattr(_plain(title))
            current = ' aria-current="true"' if "focus" in shape.look.split() else ""
            return f"<a href={quoteattr(link)} aria-label={name}{current}><g {attributes}>{inner}</g></a>"
        return f"<g {attributes}>{inner}</g>"

    def _shapes(self, group: ElementTree.Element, lines: Iterator[str] | None = None) -> str:
        """Return the geometry; ``lines`` take the place of the texts, one each from the top."""
        found = []
        for element in group.iter():
            name = element.tag.removeprefix(_SVG)
            keep = _GEOMETRY.get(name)
            if keep is None:
                continue
            attributes = "".join(f" {key}={quoteattr(element.get(key, ''))}" for key in keep if element.get(key))
            content = ""
            if name == "text":
                content = escape(element.text or "") if lines is None else _text(next(lines, ""))
            found.append(f"<{name}{attributes}>{content}</{name}>" if content else f"<{name}{attributes}/>")
        return "".join(found)


def _plain(text: str) -> str:
    """Return ``text`` without the characters that XML cannot hold."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _text(text: str) -> str:
    return escape(_plain(text))


def _transform(text: str) -> str:
    """Return Graphviz' own ``scale(…) rotate(…) translate(…)`` when it is made of nothing else."""
    return text if set(text) <= set("scalerotatetranslate().- 0123456789,") else ""
