"""The graph of one repository, put together from rows, against that of the whole snapshot."""

import shutil
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from prune.graph.images import ImageGraph, image_graph, of_repositories
from prune.model.plan import Request
from prune.plan.make import make_plan
from registryui.models import SnapshotPart
from registryui.services import parts, proposals, scans, snapshots
from registryui.services.access import open_registry
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

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


def test_nor_does_a_proposal_that_is_no_sweep(shop, client_of, people, monkeypatch):
    whole = scans.latest_snapshot(shop)
    expected = make_plan(whole, Request(("shop/web:1.0",), False, 86400), now=int(shop.snapshot.taken_at.timestamp()))

    def refuse(*arguments):
        raise AssertionError("the whole registry was read")

    monkeypatch.setattr(snapshots, "whole", refuse)
    page = client_of("proposer").get("/r/shop/propose/?ref=shop/web:1.0")
    assert "<svg" in page.content.decode()
    proposal = proposals.create(people["proposer"], shop, ["shop/web:1.0"], title="", reason="", sweep=False)
    assert bytes(proposal.plan.body) == expected.to_json()
    assert "1.0" in proposal.plan.before


def test_a_plan_for_too_many_images_draws_those_that_it_is_about(shop, people, monkeypatch):
    monkeypatch.setattr(parts, "MOST_TAGS", 3)
    proposal = proposals.create(people["proposer"], shop, ["shop/web:1.0"], title="", reason="", sweep=False)
    assert "shop/web:1.0" in proposal.plan.before
    assert "base/debian:12" in proposal.plan.before
    assert "shop/web:1.2" not in proposal.plan.before


def test_a_scan_writes_the_parts_that_changed(shop):
    def stored() -> dict[str, int]:
        return {part.name: part.pk for part in SnapshotPart.objects.all()}

    def bodies() -> dict[str, str]:
        return dict(SnapshotPart.objects.values_list("name", "digest"))

    before, rows = bodies(), stored()
    tags = Path(shop.source.removeprefix("storage:")) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    shutil.rmtree(tags / "1.0")
    with CaptureQueriesContext(connection) as queries:
        scan(shop)
    written = [one["sql"] for one in queries if 'INTO "registryui_snapshotpart"' in one["sql"]]
    assert len(written) == 1
    assert "shop/api" not in written[0]
    assert {name for name, digest in bodies().items() if before[name] != digest} == {"shop/web"}
    assert stored().keys() == rows.keys()
    shop.refresh_from_db()
    source = open_registry(shop)
    assert scans.latest_snapshot(shop) == source.scan()
