"""What a scan leaves in the database."""

import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from prune.model.errors import SourceError
from prune.plan.summary import summarise
from prune.sources.storage_v2 import StorageV2
from registryui.models import Manifest, ManifestSighting, Registry, RegistrySnapshot, Repository, Scan, TagSighting
from registryui.services import leases, scans
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

pytestmark = pytest.mark.django_db


def root(registry: Registry) -> Path:
    return Path(registry.source.removeprefix("storage:"))


def test_it_works(shop):
    assert shop.kind == "storage-v2"
    assert shop.last_scan.state == "complete"
    assert shop.last_scan.summary["tags"] == TagSighting.objects.count() == 15
    assert Manifest.objects.count() == shop.last_scan.summary["manifests"]
    web = Repository.objects.get(name="shop/web")
    assert (web.tags, web.untagged) == (8, 2)
    assert 0 < web.bytes_exclusive < web.bytes_total


def test_a_scan_that_finds_nothing_new_writes_a_handful_of_rows(shop):
    with CaptureQueriesContext(connection) as queries:
        scan(shop)
    written = [q["sql"] for q in queries if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
    assert len(written) <= 10, written
    assert RegistrySnapshot.objects.get().scan_id == Scan.objects.latest("pk").pk


def test_a_tag_that_moves_has_a_history(shop):
    base = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    old = (base / "1.0/current/link").read_text()
    new = (base / "1.1/current/link").read_text()
    (base / "1.0/current/link").write_text(new)
    shutil.rmtree(base / "1.2")
    scan(shop)
    moved = list(TagSighting.objects.filter(tag="1.0").order_by("pk"))
    assert [(row.digest, row.ended_at is None) for row in moved] == [(old, False), (new, True)]
    assert moved[0].ended_at == moved[1].first_seen
    assert TagSighting.objects.get(tag="1.2").ended_at is not None
    bare = ManifestSighting.objects.get(digest=old)
    assert bare.untagged_since is not None
    (base / "1.0/current/link").write_text(old)
    scan(shop)
    bare.refresh_from_db()
    assert bare.untagged_since is None


def test_what_is_not_listed_by_an_incomplete_scan_is_not_gone(shop):
    base = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    shutil.rmtree(base / "1.2")
    (base / "1.3/current/link").write_bytes(b"")
    scan(shop)
    shop.refresh_from_db()
    assert shop.last_scan.state == "incomplete"
    assert TagSighting.objects.get(tag="1.2").ended_at is None
    assert TagSighting.objects.get(tag="1.3").ended_at is None
    assert not Repository.objects.get(name="shop/web").complete


def test_a_repository_that_went_is_kept_with_its_end(shop):
    shutil.rmtree(root(shop) / "docker/registry/v2/repositories/tools")
    scan(shop)
    assert set(Repository.objects.exclude(ended_at=None).values_list("name", flat=True)) == {
        "tools/report",
        "tools/migrate",
    }


def test_a_registry_that_is_not_there_says_so(shop):
    shutil.rmtree(root(shop))
    scan(shop)
    failed = Scan.objects.latest("pk")
    assert failed.state == "failed"
    assert "does not exist" in failed.message
    shop.refresh_from_db()
    assert shop.last_scan.state == "complete"


def test_only_one_scan_at_a_time(shop):
    first = scans.request(None, shop)
    assert scans.request(None, shop) == first


def test_thousands_of_tags_are_stored_in_batches(tmp_path):
    store = V2Store(tmp_path / "big")
    layer = store.layer()
    for number in range(1500):
        store.image("many", f"t{number}", layers=[layer])
    age(tmp_path)
    with CaptureQueriesContext(connection) as queries:
        registry = watched(store.source, "big")
    assert TagSighting.objects.filter(repository__registry=registry).count() == 1500
    assert len(queries) < 80


# ---- leases -----------------------------------------------------------------------------------------------


def test_work_that_somebody_does_is_left_alone_and_work_left_behind_is_taken_over(shop):
    waiting = scans.request(None, shop)
    later = timezone.now() + timedelta(minutes=1)
    Scan.objects.filter(pk=waiting.pk).update(state="running", lease_owner="another", lease_until=later)
    scans.perform(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "running"
    assert leases.recover() == 0
    Scan.objects.filter(pk=waiting.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert leases.recover() == 1
    waiting.refresh_from_db()
    assert waiting.state == "queued"
    scans.perform(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "complete"


@pytest.mark.parametrize("happened", [{"lease_owner": "another"}, {"state": "queued"}, {"state": "failed"}])
def test_what_a_worker_found_that_was_taken_for_dead_is_not_kept(shop, monkeypatch, happened):
    """Another one has scanned since: its newer snapshot must not be replaced by an older one, at no moment."""
    newer = scans.latest_snapshot(shop)
    first = min(newer.repositories)
    empty = msgspec.structs.replace(newer.repositories[first], tags={})
    older = msgspec.structs.replace(newer, repositories={**newer.repositories, first: empty})
    waiting = scans.request(None, shop)

    def summarised(snapshot):
        # After the last look of the worker, right before it writes.
        Scan.objects.filter(pk=waiting.pk).update(**happened)
        return summarise(snapshot)

    monkeypatch.setattr(scans, "summarise", summarised)
    monkeypatch.setattr(StorageV2, "scan", lambda *_, **__: older)
    scans.perform(waiting.pk)
    assert scans.latest_snapshot(shop) == newer
    shop.refresh_from_db()
    assert shop.last_scan_id != waiting.pk
    waiting.refresh_from_db()
    assert waiting.state == happened.get("state", "running")
    assert TagSighting.objects.filter(repository__name=first, ended_at=None).exists()


def test_that_a_worker_failed_that_was_taken_for_dead_is_not_said_of_the_next(shop, monkeypatch):
    waiting = scans.request(None, shop)

    def fails(*_, **__):
        Scan.objects.filter(pk=waiting.pk).update(lease_owner="another")
        raise SourceError("It could not be read.")

    monkeypatch.setattr(StorageV2, "scan", fails)
    scans.perform(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.message) == ("running", "")


def test_a_worker_that_lost_its_lease_stops(shop):
    from prune.sources.base import Progress

    waiting = scans.request(None, shop)
    with leases.held(Scan, waiting.pk) as lease:
        lease.report(Progress("x", 1, 2))
        lease.show()
        assert Scan.objects.get(pk=waiting.pk).total == 2
        Scan.objects.filter(pk=waiting.pk).update(lease_owner="another")
        lease.renew()
        with pytest.raises(leases.LeaseLost):
            lease.report(Progress("x", 2, 2))
