"""Drawings of made-up graphs in which everything stands that a drawing can say."""

import msgspec

from prune.drawing.colours import Colours
from prune.drawing.dot import Drawing, to_dot
from prune.drawing.fate import Fates
from prune.drawing.overview import Stream, overview
from prune.drawing.scene import Scene, scene_of
from prune.drawing.words import Words
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph, Node
from prune.model.plan import Deletions, Kept, ManifestItem, Plan, Request, TagItem
from prune.plan.make import make_plan
from tests.plan.snapshots import NOW, v1_snapshot

R, OWN = "r", 3_100_000
REASONS = ("it is signed", "nobody ever said this before")


def digest(number: int) -> str:
    return f"sha256:{number:04x}{0:060x}"


def node(number: int, kind: str = "image", ids: tuple[int, ...] = (), **more) -> Node:
    names = tuple(digest(one) for one in (ids or (number,)))
    places = tuple((R, name) for name in names)
    return Node(digest(number), kind, names, places, own=OWN, total=4_200_000, **more)


def fold(number: int, keys: range, kind: str = "family", tags: int = 0) -> Fold:
    return Fold(digest(number), tuple(map(digest, keys)), len(keys) * OWN, None, kind, len(keys), tags)


def tags(first: int, number: int) -> tuple[tuple[str, str], ...]:
    return tuple((R, f"v{one}") for one in range(first, first + number))


def planned(delete: Deletions, asked: tuple[str, ...], keep: tuple[Kept, ...]) -> Plan:
    small = make_plan(v1_snapshot({"a": None}, {R: {"x": "a"}}), Request((f"{R}:x",)), now=NOW)
    return msgspec.structs.replace(small, delete=delete, request=Request(asked), keep=keep)


def images(words: Words) -> Drawing:
    """An image of every fate and with every kind of tag, and every kind of fold."""
    return to_dot(*seen(), words)


def seen() -> tuple[Scene, Fates]:
    """What `images` shows."""
    some = [
        node(1, platform="linux/amd64", created="2026-01-31T10:00:00Z", tags=tags(0, 9)),
        node(2, ids=(2, 3, 4), tags=tags(20, 1)),
        node(5, ids=(5, 6, 7, 8), tags=tags(30, 12)),
        node(9, tags=tags(50, 12)),
        node(10, "index", tags=tags(70, 1), members=(digest(1),)),
        node(11, "referrer", subject=digest(1)),
        node(12, parent=digest(1)),
    ]
    folds = [
        fold(100, range(100, 1350), "chain", tags=2),
        fold(2000, range(2000, 2004)),
        fold(2100, range(2100, 2103), tags=1),
        fold(2200, range(2200, 2205)),
        fold(2300, range(2300, 2302)),
    ]
    kinds = {2100: "index", 2200: "referrer"}
    inside = [
        node(one, kinds.get(2000 + one // 100 % 10 * 100, "image")) for one in (*range(100, 1350), *range(2000, 2302))
    ]
    nodes = {one.key: one for one in some}
    folded = {one.key: Node(one.key, "image", (one.key,), own=one.own) for one in folds}
    gone = (3, 5, 6, 9, 12, 2001, *range(2100, 2102), *range(2300, 2302))
    lost = [*tags(0, 2), *tags(30, 11), *tags(50, 12)]
    plan = planned(
        Deletions(
            tags=tuple(TagItem(name, tag, digest(1)) for name, tag in lost),
            manifests=tuple(ManifestItem(R, digest(one)) for one in gone),
        ),
        tuple(f"{name}:{tag}" for name, tag in lost[1:3]),
        (Kept(R, REASONS, digest=digest(2)),),
    )
    fates = Fates(plan)
    scene = scene_of(
        ImageGraph(nodes | folded, (R,)),
        {one.key: one for one in folds},
        fates,
        whole=ImageGraph(nodes | {one.key: one for one in inside}, (R,)),
        colours=Colours("age", NOW),
    )
    return scene, fates


def repositories(words: Words) -> Drawing:
    """Who builds on whom: repositories and namespaces, few and many."""
    return overview(
        [Stream("r1/", "r0", 1, 3_100_000, 1), Stream("r2/", "r0", 2000, 4_200_000_000, 3), Stream("r3", "r0", 2, 1)],
        words,
    )


def texts(drawing: Drawing) -> list[str]:
    """Return everything that stands in a drawing, or in its titles."""
    labels = [line for dot in (drawing.before, drawing.after, drawing.both) for line in dot.split('label="')[1:]]
    found = [line.partition('"')[0].replace("\\n", "\n") for line in labels]
    found += [
        line.partition("label=")[2].partition(" ")[0]
        for line in drawing.both.splitlines()
        if "label=" in line and 'label="' not in line
    ]
    for shape in drawing.shapes.values():
        found += [shape.title, shape.later_title, *shape.later]
    return found
