"""The graph of one repository, put together from rows, against that of the whole snapshot."""

import pytest
from django.core.cache import cache

from prune.graph.images import ImageGraph, image_graph, of_repositories
from registryui.services import diagrams, parts, scans
from tests.stores import V2Store, age
from tests.web.conftest import watched

pytestmark = pytest.mark.django_db


def edges(graph: ImageGraph) -> set[tuple]:
    """Everything that a drawing shows: images by any of their ids, what they are based on, contain and belong to."""
    name = {key: node.ids[0] for key, node in graph.nodes.items()}
    return {
        (
            node.ids[0],
            node.kind,
            node.tags,
            node.total,
            node.own,
            node.platform,
            name.get(node.parent or ""),
            name.get(node.subject or ""),
            tuple(name.get(member) for member in node.members),
        )
        for node in graph.nodes.values()
    }


@pytest.mark.parametrize("which", ["seed", "shop"])
def test_a_part_draws_what_the_whole_draws(which, request):
    registry = request.getfixturevalue(which)
    snapshot = scans.latest_snapshot(registry)
    for name in snapshot.repositories:
        part = parts.of_repository(registry, name, registry.kind)
        whole = of_repositories(image_graph(snapshot), [name])
        assert edges(of_repositories(image_graph(part), [name])) == edges(whole), name


def test_bases_of_bases_are_found_in_other_repositories(tmp_path):
    store = V2Store(tmp_path / "store")
    layers = [store.layer(10)]
    store.image("os", "1", layers=layers)
    for depth in range(3):
        layers = [*layers, store.layer(10)]
        store.image(f"level{depth}", "1", layers=layers)
    store.image("unrelated", "1", layers=[store.layer(10)])
    age(tmp_path)
    registry = watched(store.source, "store")
    part = parts.of_repository(registry, "level2", registry.kind)
    assert set(part.repositories) == {"os", "level0", "level1", "level2"}
    assert parts.of_repository(registry, "none", registry.kind) is None


def test_the_graph_of_a_repository_does_not_read_the_snapshot(shop, client_of, monkeypatch):
    cache.clear()

    def refuse(*arguments):
        raise AssertionError("the whole registry was read")

    monkeypatch.setattr(scans, "latest_snapshot", refuse)
    monkeypatch.setattr(scans, "latest_graph", refuse)
    page = client_of("viewer").get("/r/shop/repositories/shop/web/?tab=graph").content.decode()
    assert "<svg" in page
    assert "base/python" in page or "3.13" in page


def test_one_that_is_too_large_says_so_at_once(shop, monkeypatch):
    monkeypatch.setattr(diagrams, "MOST_TAGS", 3)
    assert "too many for one drawing" in diagrams.of_repository(shop, "shop/web").sentence
