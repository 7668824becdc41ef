"""The after-drawing is the graph that the plan leaves, on the positions of the one before."""

import re

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prune.drawing.bytes import human
from prune.drawing.diagram import draw, render, render_inline
from prune.drawing.dot import Drawing
from prune.drawing.layout import run_dot
from prune.graph.images import ImageGraph, image_graph
from prune.model.digest import short
from prune.model.manifest import ImageConfig, Platform
from prune.model.plan import Plan, Request
from prune.model.snapshot import Snapshot
from prune.plan.make import make_plan
from tests.plan.snapshots import NOW, Registry, requests, v1_snapshot, v1_snapshots, v2_snapshots


def with_configs(snapshot: Snapshot) -> Snapshot:
    configs = {
        m.config.digest: ImageConfig(Platform("linux", "amd64"), tuple(layer.digest for layer in m.layers))
        for m in snapshot.manifests.values()
        if m.config is not None and m.layers
    }
    return msgspec.structs.replace(snapshot, configs=configs)


def carried_out(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """What a scan would find after the plan."""
    tags = {(item.repository, item.tag) for item in plan.delete.tags}
    gone = {(item.repository, item.digest) for item in plan.delete.manifests}
    images = {item.id for item in plan.delete.images}
    repositories = {
        name: msgspec.structs.replace(
            repository,
            tags={tag: to for tag, to in repository.tags.items() if (name, tag) not in tags},
            revisions={digest: at for digest, at in repository.revisions.items() if (name, digest) not in gone},
        )
        for name, repository in snapshot.repositories.items()
        if name not in plan.delete.repositories
    }
    return msgspec.structs.replace(
        snapshot,
        repositories=repositories,
        images={id_: image for id_, image in snapshot.images.items() if id_ not in images},
    )


_NODE = re.compile(r'^\t(n\d+) \[label="([^"]*)" .*?style="?([a-z,]*)"?', re.MULTILINE)
_EDGE = re.compile(r'^\t(n\d+) -> (n\d+) \[class="edge-base( later)?".*? style=(\w+)', re.MULTILINE)


def drawn(drawing: Drawing, when: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """What can be seen: labels by key, and the base edges as pairs of keys."""
    dot = render(drawing, when, "dot").decode()
    labels = {drawing.shapes[n].key: label for n, label, style in _NODE.findall(dot) if style != "invis"}
    edges = {
        (drawing.shapes[tail].key, drawing.shapes[head].key)
        for tail, head, _, style in _EDGE.findall(dot)
        if style != "invis"
    }
    return labels, edges


def base_edges(graph: ImageGraph) -> set[tuple[str, str]]:
    return {(node.parent, node.key) for node in graph.nodes.values() if node.parent}


def assert_true(snapshot: Snapshot, plan: Plan) -> None:
    drawing = draw(snapshot, plan, list(snapshot.repositories))
    before, after = image_graph(snapshot), image_graph(carried_out(snapshot, plan))
    # Both drawings call things what they were. A signature that is also an ordinary image elsewhere would be called
    # that once its signature's tag is gone.
    assume(all(before.nodes[key].kind == node.kind for key, node in after.nodes.items() if key in before.nodes))
    for when, graph in (("before", before), ("after", after)):
        labels, edges = drawn(drawing, when)
        if plan.kind == "storage-v1":  # what no tag reaches belongs to no repository
            shown = image_graph(snapshot, list(snapshot.repositories)).nodes.keys()
            graph = ImageGraph({k: n for k, n in graph.nodes.items() if k in shown}, graph.repositories)
        assert labels.keys() == graph.nodes.keys()
        assert edges == base_edges(graph)
        for key, node in graph.nodes.items():
            assert human(node.own if node.kind == "image" else node.total) in labels[key].split("\\n")
            assert set(labels[key].split("\\n")[0].partition("=+")[0].split("=")) <= {
                id_.rpartition(":")[2][:length] for id_ in node.ids for length in range(12, 65)
            }


@settings(deadline=None)
@given(st.data())
def test_after_is_what_a_scan_would_draw_v2(data):
    snapshot = with_configs(data.draw(v2_snapshots()))
    asked = data.draw(requests(snapshot))
    assert_true(snapshot, make_plan(snapshot, Request(asked, sweep=data.draw(st.booleans())), now=NOW))


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.sets(st.integers(0, 7)), st.integers(0, 2))
def test_after_is_what_a_scan_would_draw_on_one_stack_of_layers(depths, gone, fork):
    registry = Registry()
    layers = [registry.layer(10**power) for power in range(6)]
    for number, depth in enumerate(depths):
        # Two in three are on one line; the third has a top of its own.
        own = [registry.layer(7)] if number % 3 == fork else []
        registry.image("x", f"t{number}", layers=layers[:depth] + own)
    snapshot = with_configs(registry.snapshot())
    asked = tuple(f"x:t{number}" for number in sorted(gone) if number < len(depths))
    assert_true(snapshot, make_plan(snapshot, Request(asked), now=NOW))


@settings(deadline=None)
@given(st.data())
def test_after_is_what_a_scan_would_draw_v1(data):
    snapshot = data.draw(v1_snapshots())
    asked = data.draw(requests(snapshot))
    assert_true(snapshot, make_plan(snapshot, Request(asked), now=NOW))


def places(dot: str) -> list[str]:
    """Where `dot` puts each node, and how large."""
    plain = run_dot(dot, "plain").decode()
    return [" ".join(line.split()[:6]) for line in plain.splitlines() if line.startswith("node ")]


def chain_of_three() -> tuple[Snapshot, Plan]:
    registry = Registry()
    layers = [registry.layer(size) for size in (1000, 20_000, 300_000)]
    for number, tag in enumerate("abc", 1):
        registry.image("x", tag, layers=layers[:number])
    snapshot = with_configs(registry.snapshot())
    return snapshot, make_plan(snapshot, Request(("x:b",)), now=NOW)


def aliases() -> tuple[Snapshot, Plan]:
    registry = Registry()
    layer = registry.layer()
    for number in range(4):
        registry.image("x", f"t{number}", layers=[layer], annotations={"n": str(number)})
    snapshot = with_configs(registry.snapshot())
    return snapshot, make_plan(snapshot, Request(("x:t2",)), now=NOW)


def many_tags(gone: range = range(10)) -> tuple[Snapshot, Plan]:
    registry = Registry()
    registry.image("x", *(f"v{n}" for n in range(20)), layers=[registry.layer()])
    snapshot = with_configs(registry.snapshot())
    return snapshot, make_plan(snapshot, Request(tuple(f"x:v{n}" for n in gone)), now=NOW)


def branch() -> tuple[Snapshot, Plan]:
    tags = {"library/seed": {"version1": "c", "version2": "d", "latest": "d"}}
    snapshot = v1_snapshot({"a": None, "b": "a", "c": "b", "d": "b"}, tags)
    return snapshot, make_plan(snapshot, Request(("library/seed:version1",)), now=NOW)


@pytest.mark.parametrize("case", [chain_of_three, aliases, many_tags, branch])
def test_nothing_moves_in_any_format(case):
    drawing = draw(*case())
    where = places(drawing.before)
    assert len(where) == len(drawing.shapes)
    assert places(drawing.after) == where
    assert places(drawing.both) == where


def inline(drawing: Drawing, when: str) -> str:
    return render_inline(drawing, when, prefix="p-", title="t", description="d", links={})


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_when_a_base_goes_the_next_one_takes_its_place():
    drawing = draw(*chain_of_three())
    before, after = inline(drawing, "before"), inline(drawing, "after")
    assert before.count("edge-base") == 2
    assert after.count("edge-base") == 1
    assert "300.0 kB" in texts(before)
    # Its layers are still there, and now nothing shares them.
    assert "320.0 kB" in texts(after)


def test_an_alias_that_goes_is_not_in_the_after_drawing():
    snapshot, plan = aliases()
    (item,) = plan.delete.manifests
    drawing = draw(snapshot, plan)
    names = {digest: f"{digest.rpartition(':')[2]}" for digest in snapshot.repositories["x"].revisions}
    before, after = inline(drawing, "before"), inline(drawing, "after")
    assert names[item.digest] in " ".join(texts(before))
    assert names[item.digest] not in after
    assert all(name in after for digest, name in names.items() if digest != item.digest)
    for form in ("dot", "svg"):
        assert names[item.digest] not in render(drawing, "after", form).decode()
    (image,) = (shape.image for shape in drawing.shapes.values() if shape.image)
    assert image != item.digest


def test_of_many_tags_the_count_that_stays_is_said():
    drawing = draw(*many_tags())
    before, after = inline(drawing, "before"), inline(drawing, "after")
    assert "and 14 more" in texts(before)
    assert "10 tags" in texts(after)
    assert after.count("edge-tag") == 1
    assert "more" not in " ".join(texts(inline(draw(*many_tags(range(20))), "after")))


def test_ids_are_cut_to_twelve_digits():
    snapshot, plan = branch()
    assert short("a" * 64) in texts(inline(draw(snapshot, plan), "after"))
