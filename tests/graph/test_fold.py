"""Folding keeps what is connected connected."""

from hypothesis import given
from hypothesis import strategies as st

from prune.graph.fold import fold_chains, neighbourhood
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


@given(v2_snapshots(), st.integers(1, 6), st.integers(0, 5))
def test_a_neighbourhood_is_small_connected_to_itself_and_has_what_was_touched(snapshot, limit, number):
    graph = image_graph(snapshot)
    touched = set(list(graph.nodes)[:number])
    small = neighbourhood(graph, touched, limit)
    assert len(small.nodes) <= max(limit, 0)
    assert len(touched & small.nodes.keys()) == min(len(touched), limit)
    for node in small.nodes.values():
        assert {node.parent, node.subject, *node.members} - {None} <= small.nodes.keys()


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
