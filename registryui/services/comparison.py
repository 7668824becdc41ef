"""Two images beside each other: what both have, and what only one has."""

from difflib import SequenceMatcher
from typing import NamedTuple

from django.utils.translation import gettext as _

from prune.model.build import Build
from registryui.models import Registry, TagSighting
from registryui.services import contents, documents, images
from registryui.services.contents import Content
from registryui.services.errors import NotNow, told


class Side(NamedTuple):
    """One of the two: its layers with their bytes, what it says of itself, and why that could not be read."""

    digest: str
    name: str
    platform: str
    layers: dict[str, int]
    labels: dict[str, str]
    build: Build
    trouble: str


class Row(NamedTuple):
    """One line: ``mark`` is "same", "changed", "left" or "right" (only there)."""

    mark: str
    name: str
    left: str | None
    right: str | None


class LayerRow(NamedTuple):
    """One layer, with the same marks."""

    mark: str
    digest: str
    size: int


class Comparison(NamedTuple):
    """Everything that differs, and the bytes of the layers that both have or only one."""

    left: Side
    right: Side
    layers: tuple[LayerRow, ...]
    shared_bytes: int
    left_bytes: int
    right_bytes: int
    env: tuple[Row, ...]
    labels: tuple[Row, ...]
    settings: tuple[Row, ...]
    steps: tuple[Row, ...]


def find(registry: Registry, text: str) -> str:
    """Return the digest that ``text`` means: a digest or V1 id, or ``repository:tag``. Raises ``NotNow``."""
    text = text.strip()
    if images.current(registry, text) is not None:
        return text
    name, _colon, tag = text.rpartition(":")
    found = TagSighting.objects.filter(
        repository__registry=registry, repository__name=name, tag=tag, ended_at=None
    ).first()
    if found is None:
        raise NotNow("There is no image %(name)s here. Write a digest, or repository:tag.", name=text[:200])
    return found.digest


def compare(registry: Registry, left: str, right: str) -> Comparison:
    """Return how two images (by digest or id) differ."""
    known = contents.of_digests([left, right])
    names = images.names_of({registry.pk}, {left, right})
    a, b = (_side(registry, digest, known.get(digest, Content()), names.get(digest, "")) for digest in (left, right))
    both = [digest for digest in a.layers if digest in b.layers]
    return Comparison(
        left=a,
        right=b,
        layers=tuple(_layers(a, b)),
        shared_bytes=sum(a.layers[digest] for digest in both),
        left_bytes=sum(size for digest, size in a.layers.items() if digest not in b.layers),
        right_bytes=sum(size for digest, size in b.layers.items() if digest not in a.layers),
        env=_pairs(
            {one.name: _("hidden: its name says secret") if one.value is None else one.value for one in a.build.env},
            {one.name: _("hidden: its name says secret") if one.value is None else one.value for one in b.build.env},
        ),
        labels=_pairs(a.labels, b.labels),
        settings=_pairs(_settings(a), _settings(b)),
        steps=tuple(_steps(a.build, b.build)),
    )


def _side(registry: Registry, digest: str, content: Content, name: str) -> Side:
    config = content.manifest.config if content.manifest else None
    build, trouble = Build(), ""
    if content.image is not None or (config is not None and content.config is not None):
        try:
            build = documents.build(registry, digest, config.digest if config else "")
        except NotNow as error:
            trouble = told(error)
    labels = content.config.labels if content.config else {}
    platform = str(content.config.platform) if content.config else content.image.platform if content.image else ""
    return Side(digest, name, platform, images.layers_of(content), labels, build, trouble)


def _settings(side: Side) -> dict[str, str]:
    build = side.build
    said = {
        _("Platform"): side.platform,
        _("Entrypoint"): " ".join(build.entrypoint),
        _("Command"): " ".join(build.command),
        _("User"): build.user,
        _("Folder"): build.folder,
        _("Ports"): ", ".join(build.ports),
        _("Volumes"): ", ".join(build.volumes),
    }
    return {name: text for name, text in said.items() if text}


def _layers(a: Side, b: Side) -> list[LayerRow]:
    rows = [LayerRow("same" if one in b.layers else "left", one, size) for one, size in a.layers.items()]
    return rows + [LayerRow("right", one, size) for one, size in b.layers.items() if one not in a.layers]


def _pairs(left: dict[str, str], right: dict[str, str]) -> tuple[Row, ...]:
    rows = []
    for name in sorted(left.keys() | right.keys()):
        one, other = left.get(name), right.get(name)
        mark = "same" if one == other else "right" if one is None else "left" if other is None else "changed"
        rows.append(Row(mark, name, one, other))
    return tuple(sorted(rows, key=lambda row: row.mark == "same"))


def _steps(left: Build, right: Build) -> list[Row]:
    one, other = [step.text for step in left.steps], [step.text for step in right.steps]
    rows: list[Row] = []
    for verb, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if verb == "equal":
            rows += [Row("same", "", text, text) for text in one[a:b]]
            continue
        rows += [Row("left", "", text, None) for text in one[a:b]]
        rows += [Row("right", "", None, text) for text in other[c:d]]
    return rows
