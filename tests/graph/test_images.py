"""What is based on what: read in V1, derived from the layers in V2."""

import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from prune.graph.images import ImageGraph, image_graph, tag_order
from prune.model.manifest import ImageConfig, Platform
from prune.model.snapshot import Repository, Snapshot, V1Image
from tests.plan.snapshots import Registry, v1_snapshot


def with_configs(registry: Registry, platforms: dict[str, str] | None = None) -> Snapshot:
    """The snapshot, each image with a config whose ``diff_ids`` are its layers."""
    snapshot = registry.snapshot()
    configs = {
        m.config.digest: ImageConfig(
            Platform("linux", (platforms or {}).get(m.digest, "amd64")), tuple(layer.digest for layer in m.layers)
        )
        for m in snapshot.manifests.values()
        if m.config is not None and m.layers
    }
    return msgspec.structs.replace(snapshot, configs=configs)


def based_on(graph: ImageGraph) -> dict[str, str | None]:
    """By the first id of each node, the first id of its parent."""
    return {node.ids[0]: graph.nodes[node.parent].ids[0] if node.parent else None for node in graph.nodes.values()}


def test_the_parent_has_the_longest_part_of_the_layers():
    registry = Registry()
    one, two, three = (registry.layer(size) for size in (10, 200, 3000))
    base = registry.image("base", "1", layers=[one])
    top = registry.image("app", "1", layers=[one, two, three])
    middle = registry.image("app", "0", layers=[one, two])
    other = registry.image("app", "2", layers=[two, one])
    graph = image_graph(with_configs(registry))
    assert based_on(graph) == {base: None, middle: base, top: middle, other: None}
    assert [node.own for node in graph.nodes.values() if node.ids == (top,)] == [3000]
    keys = list(graph.nodes)
    assert all(node.parent is None or keys.index(node.parent) < keys.index(key) for key, node in graph.nodes.items())


def test_a_repository_comes_with_the_bases_that_others_serve():
    registry = Registry()
    one, two = registry.layer(), registry.layer()
    base = registry.image("base", "1", layers=[one])
    top = registry.image("app", "1", layers=[one, two])
    snapshot = with_configs(registry)
    assert based_on(image_graph(snapshot, ["app"])) == {base: None, top: base}
    assert based_on(image_graph(snapshot, ["base"])) == {base: None}


def test_another_platform_is_no_parent_and_no_alias():
    registry = Registry()
    one, two = registry.layer(), registry.layer()
    arm = registry.image("app", "arm", layers=[one])
    same = registry.image("app", "same", layers=[one])
    top = registry.image("app", "top", layers=[one, two])
    arm_top = registry.image("app", "arm-top", layers=[one, two])
    graph = image_graph(with_configs(registry, {arm: "arm64", arm_top: "arm64"}))
    assert based_on(graph) == {arm: None, same: None, top: same, arm_top: arm}


def test_equal_layers_are_one_node_named_by_what_is_tagged():
    registry = Registry()
    one = registry.layer()
    untagged = registry.image("app", layers=[one])
    tagged = registry.image("app", "1", layers=[one])
    (node,) = image_graph(with_configs(registry)).nodes.values()
    assert node.ids == (tagged, untagged)
    assert sorted(node.places) == sorted([("app", untagged), ("app", tagged)])


def test_without_a_readable_config_nothing_is_guessed():
    registry = Registry()
    one, two = registry.layer(), registry.layer()
    base = registry.image("app", "1", layers=[one])
    top = registry.image("app", "2", layers=[one, two])
    assert based_on(image_graph(registry.snapshot())) == {base: None, top: None}


def test_an_index_contains_and_a_signature_belongs():
    registry = Registry()
    child = registry.image("app", layers=[registry.layer()])
    index = registry.index("app", "1", children=[child])
    signature = registry.image("app", subject=index)
    by_id = {node.ids[0]: node for node in image_graph(with_configs(registry)).nodes.values()}
    assert by_id[index].kind == "index"
    assert by_id[index].members == (by_id[child].key,)
    assert by_id[child].via == (("app", "1"),)
    assert by_id[signature].kind == "referrer"
    assert by_id[signature].subject == by_id[index].key


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=8))
def test_parents_are_those_that_comparing_every_pair_finds(chains):
    registry = Registry()
    layers = [registry.layer() for _ in range(3)]
    made = {registry.image("r", layers=[layers[n] for n in chain]): tuple(chain) for chain in chains}
    graph = image_graph(with_configs(registry))
    for node in graph.nodes.values():
        (own,) = {made[id_] for id_ in node.ids}
        assert set(node.ids) == {digest for digest, chain in made.items() if chain == own}
        prefixes = [c for c in made.values() if len(c) < len(own) and own[: len(c)] == c]
        parent = made[graph.nodes[node.parent].ids[0]] if node.parent else None
        assert parent == max(prefixes, key=len, default=None)


def test_v1_shows_what_no_tag_reaches_only_when_everything_is_asked_for():
    snapshot = v1_snapshot({"a": None, "b": "a", "9": None}, {"library/x": {"1": "b"}})
    assert {key[0] for key in image_graph(snapshot).nodes} == {"a", "b", "9"}
    assert {key[0] for key in image_graph(snapshot, ["library/x"]).nodes} == {"a", "b"}


def test_ancestries_in_a_circle_hide_no_image():
    a, b, c = (letter * 64 for letter in "abc")
    images = {a: V1Image(a, (a, b), 1), b: V1Image(b, (b, a), 1), c: V1Image(c, (c, a, b), 1)}
    snapshot = Snapshot("s", "storage-v1", {"l/x": Repository("l/x", {"t": c})}, images=images)
    graph = image_graph(snapshot)
    assert graph.nodes.keys() == {a, b, c}
    assert image_graph(snapshot, ["l/x"]).nodes.keys() >= {c, a}
    keys = list(graph.nodes)
    assert all(node.parent is None or keys.index(node.parent) < keys.index(key) for key, node in graph.nodes.items())


def test_tags_are_in_the_order_that_people_count_in():
    names = ["latest", "1.10", "1.9", "a", "1.9-rc1"]
    assert [tag for _, tag in sorted((("r", name) for name in names), key=tag_order)] == [
        "1.9",
        "1.9-rc1",
        "1.10",
        "a",
        "latest",
    ]


def test_ten_thousand_images_take_seconds_not_minutes():
    registry = Registry()
    layers = [registry.layer() for _ in range(200)]
    for number in range(10_000):
        depth, start = 1 + number % 30, number % 170
        registry.image(f"r{number % 50}", f"t{number}", layers=layers[start : start + depth])
    snapshot = with_configs(registry)
    began = time.perf_counter()
    graph = image_graph(snapshot)
    assert time.perf_counter() - began < 10  # 0.3 s; every pair against every other would be minutes
    assert sum(len(node.tags) for node in graph.nodes.values()) == 10_000
