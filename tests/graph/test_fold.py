"""Folding keeps what is connected connected."""

from hypothesis import given
from hypothesis import strategies as st

from prune.graph.families import fold_families
from prune.graph.fold import fold_chains, of_platform
from prune.graph.images import ImageGraph, image_graph
from tests.plan.snapshots import v1_snapshots, v2_snapshots


def ancestors(graph: ImageGraph, key: str) -> list[str]:
    found = []
    while (key := graph.nodes[key].parent) is not None:
        found.append(key)
    return found


@given(v1_snapshots(), st.integers(0, 3))
def test_what_is_based_on_what_survives_folding(snapshot, number):
    graph = image_graph(snapshot)
    stays = set(list(graph.nodes)[:number])
    folded, folds = fold_chains(graph, stays)
    assert stays <= folded.nodes.keys()
    inside = {key for fold in folds.values() for key in fold.keys}
    assert folded.nodes.keys() | inside == graph.nodes.keys()
    for key, node in graph.nodes.items():
        if node.tags or key in stays:
            assert key in folded.nodes
            assert key not in inside
    for key in folded.nodes:
        # Unfolded again, the way down to the root is the same.
        unfolded = []
        for step in ancestors(folded, key):
            unfolded += reversed(folds[step].keys) if step in folds else [step]
        whole = ancestors(graph, key)
        assert unfolded == (
            whole[whole.index(folds[key].keys[0]) + 1 :] if key in folds and folds[key].keys[0] in whole else whole
        )
    for fold in folds.values():
        assert fold.own == sum(graph.nodes[key].own for key in fold.keys)


def everything(graph: ImageGraph, key: str) -> set[str]:
    """What a pull of ``key`` or a look at it leads to: bases, members, subjects, and theirs."""
    found: set[str] = set()
    pending = [key]
    while pending:
        node = graph.nodes[pending.pop()]
        more = {node.parent, node.subject, *node.members} - {None} - found
        found |= more
        pending += more
    return found


@given(st.one_of(v1_snapshots(), v2_snapshots()), st.integers(0, 3), st.integers(1, 12))
def test_families_are_folded_to_the_room_there_is_and_keep_what_is_based_on_what(snapshot, number, room):
    graph = image_graph(snapshot)
    first = set(list(graph.nodes)[-number:]) if number else set()
    small, folds = fold_families(graph, first, (), room=room, most=room + 8)
    assert len(small.nodes) <= room + 8
    shown = small.nodes.keys() - folds.keys()
    # Everything is somewhere, and only once.
    inside = [key for fold in folds.values() for key in fold.keys]
    assert sorted([*shown, *inside]) == sorted(graph.nodes)
    for fold in folds.values():
        assert fold.own == sum(graph.nodes[key].own for key in fold.keys)
        assert fold.tags == sum(len(graph.nodes[key].tags) for key in fold.keys)
        assert {key for key in fold.keys if graph.nodes[key].parent in fold.keys} <= set(fold.keys)
    for key in shown:
        assert ancestors(small, key) == ancestors(graph, key)
        # No way leads anywhere where there was none before.
        assert everything(small, key) & shown <= everything(graph, key)
    home = {key: name for name, fold in folds.items() for key in fold.keys}
    for key in inside:
        # What somebody shown is based on is never hidden, and a family hangs on what its members hang on.
        parent = graph.nodes[key].parent
        assert parent is None or parent in shown or home[parent] == home[key]


@given(st.one_of(v1_snapshots(), v2_snapshots()), st.integers(1, 6))
def test_opening_every_family_shows_the_whole_graph_again(snapshot, room):
    graph = image_graph(snapshot)
    opened: list[str] = []
    for _ in range(len(graph.nodes) + 1):
        small, folds = fold_families(graph, (), opened, room=room, most=10_000)
        if not folds:
            break
        for key in folds:
            assert small.nodes[key].ids[0] not in opened
            opened.append(small.nodes[key].ids[0])
    assert small == graph


@given(v1_snapshots())
def test_opening_every_chain_shows_the_whole_graph_again(snapshot):
    graph = image_graph(snapshot)
    _, folds = fold_chains(graph, ())
    assert fold_chains(graph, (), [graph.nodes[key].ids[0] for key in folds]) == (graph, {})


@given(v2_snapshots())
def test_one_platform_is_drawn_with_the_indexes_that_contain_it(snapshot):
    graph = image_graph(snapshot)
    for platform in {node.platform for node in graph.nodes.values()} - {""}:
        part = of_platform(graph, platform)
        assert {n.platform for n in part.nodes.values() if n.kind == "image"} <= {platform, ""}
        for key, node in graph.nodes.items():
            if node.kind == "image" and node.platform == platform:
                assert part.nodes[key].parent == node.parent
            if node.kind == "index" and any(graph.nodes[one].platform == platform for one in node.members):
                assert key in part.nodes
        for node in part.nodes.values():
            assert {node.parent, node.subject, *node.members} - {None} <= part.nodes.keys()


@given(v2_snapshots())
def test_every_manifest_and_tag_is_in_the_graph_once(snapshot):
    graph = image_graph(snapshot)
    places = [place for node in graph.nodes.values() for place in node.places]
    assert sorted(places) == sorted(
        (name, digest)
        for name, repository in snapshot.repositories.items()
        for digest in {*repository.revisions, *repository.tags.values()}
    )
    tags = [tag for node in graph.nodes.values() for tag in node.tags]
    assert sorted(tags) == sorted((n, t) for n, r in snapshot.repositories.items() for t in r.tags)
