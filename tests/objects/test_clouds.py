"""Registries at Google Cloud Storage and Azure Blob Storage: the whole way over the wire, in each one's own words."""

import contextlib
import json
import time

import msgspec
import pytest

from prune.cli import main
from prune.model.errors import Refused
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.credentials import Access
from prune.sources.open import open_source
from prune.sources.stores.objects import ObjectStore, lease
from prune.sources.stores.objects.address import parse_address
from prune.sources.stores.objects.lease import Lease
from prune.sources.stores.objects.open import bucket_of
from tests.buckets import SLOW_DOWN, Server, serving
from tests.objects.clouds import ACCOUNT, ACCOUNT_KEY, TOKEN, Azure, Cloud, Google
from tests.objects.memory import Breaking, Killed, pulled, v2
from tests.reclaim.conftest import fill
from tests.stores import V2Store

LOCK = ".registryui/lock"
GONE = {("team/app", "2.0"), ("multi", "1"), ("multi", "latest")}


class Rented:
    """A registry at a cloud: its server, its SOURCE, and what is in it."""

    def __init__(self, cloud: Cloud, server: Server, source: str) -> None:
        self.cloud = cloud
        self.server = server
        self.source = source
        self.before = self.objects()

    def objects(self, *, trash: bool = False) -> dict[str, bytes]:
        return {
            key: body for key, body in self.cloud.contents().items() if trash or not key.startswith(".registryui/")
        }

    def plan(self):
        """Half of it goes, and what was left lying about."""
        snapshot = open_source(self.source).scan()
        assert snapshot.complete, snapshot.problems
        request = Request(("team/app:2.0", "multi"), sweep=True, grace=0)
        return make_plan(snapshot, request, now=int(time.time()) + 2)

    def kept(self):
        return {key: what for key, what in pulled(self.before).items() if key not in GONE}

    def store(self, kind=ObjectStore):
        return kind(bucket_of(parse_address(self.source), 30, Access(), 1), self.source)


@pytest.fixture(params=["google", "azure"])
def rented(request, tmp_path, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(lease, "AFTERMATH", 0)
    cloud = Google("images") if request.param == "google" else Azure("images")
    root = fill(V2Store(tmp_path / "registry")).root
    for path in sorted(root.rglob("*")):
        if path.is_file():
            cloud.write(str(path.relative_to(root)), path.read_bytes())
    with serving(Server(cloud.app)) as server:
        if request.param == "google":
            monkeypatch.setenv("GOOGLE_BEARER_TOKEN", TOKEN)
            source = f"gs://images?endpoint={server.url}"
        else:
            monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
            source = f"az://images?endpoint={server.url}/{ACCOUNT}"
        yield Rented(cloud, server, source)


def said(capsys, *arguments: str, code: int = 0) -> dict:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_from_scan_to_the_empty_trash(rented, tmp_path, capsys):
    rented.cloud.page = 7  # so that every listing has several
    source, file = rented.source, str(tmp_path / "plan.json")
    scan = said(capsys, "scan", source)
    assert (scan["kind"], scan["complete"]) == ("storage-v2", True)
    assert scan["bytes"] == sum(len(body) for key, body in rented.before.items() if "/blobs/" in key)
    assert not any("versions" in problem["what"] for problem in scan["problems"])

    refs = ("--delete", "team/app:2.0", "--delete", "multi", "--sweep", "--grace", "0s", "--out", file)
    plan = said(capsys, "plan", source, *refs)
    assert {f"{tag['repository']}:{tag['tag']}" for tag in plan["delete"]["tags"]} == {":".join(one) for one in GONE}
    assert rented.objects() == rented.before
    stated = ("--yes", "--registry-stopped", "stopped")
    applied = said(capsys, "apply", source, file, *stated)
    assert applied["freed_bytes"] == plan["freed_bytes"] > 0
    after = rented.objects()
    assert pulled(after) == rented.kept()
    gone = {key for key in rented.before if key.endswith("/data")} - after.keys()
    assert sum(len(rented.before[key]) for key in gone) == plan["freed_bytes"]

    assert said(capsys, "apply", source, file, *stated)["run"] == applied["run"]
    assert rented.objects() == after
    said(capsys, "restore", source, applied["run"])
    assert rented.objects() == rented.before
    said(capsys, "apply", source, file, *stated)
    assert rented.objects() == after
    said(capsys, "empty-trash", source, "--yes")
    assert rented.objects() == after
    assert not [key for key in rented.objects(trash=True) if "/files/" in key]


def test_a_lock_is_renewed_and_taken_over_and_held_against_others(rented, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    mine = rented.store()
    with mine.lock(LOCK):
        first = rented.cloud.objects[LOCK].number
        over = time.monotonic() + 30
        while rented.cloud.objects[LOCK].number == first:
            assert time.monotonic() < over
            time.sleep(0.01)
        mine.check()
        with pytest.raises(Refused, match="Another cleanup of this store is running"):
            rented.store().lock(LOCK).__enter__()
    assert LOCK not in rented.cloud.objects
    # What is left of a process of this machine that was killed.
    gone = msgspec.structs.replace(Lease(mine.bucket, LOCK)._me, id="other", process=2**22 + 5, born="1")
    rented.cloud.write(LOCK, msgspec.json.encode(gone))
    with rented.store().lock(LOCK):
        assert msgspec.json.decode(rented.cloud.objects[LOCK].body)["process"] != gone.process


def test_a_renewal_never_overwrites_the_lock_of_another(rented, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    mine = rented.store()
    with mine.lock(LOCK):
        theirs = rented.cloud.write(LOCK, b"of somebody else").body
        over = time.monotonic() + 30
        with contextlib.suppress(OSError):
            while time.monotonic() < over:
                mine.check()
                time.sleep(0.01)
        with pytest.raises(OSError, match="lock on this store was lost"):
            mine.write("x", b"")
        assert rented.cloud.objects[LOCK].body == theirs


def test_what_is_killed_goes_on(rented, monkeypatch):
    """Killed before every ninth write: what is gone in between is in the trash, and the end is the same."""
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PARALLEL", 1)
    plan = rented.plan()
    outcome = apply(open_source(rented.source), plan, stopped="test")
    after = rented.objects()
    restore(open_source(rented.source), outcome.run)
    number = 0
    while True:
        bucket = rented.store().bucket
        breaking = Breaking(bucket._store, dead_after=number, sorts=bucket.sorts)
        source = v2(breaking)
        source.name = source.store.name = rented.source
        for key in [key for key in rented.cloud.objects if key.startswith(".registryui/")]:
            del rented.cloud.objects[key]
        try:
            apply(source, plan, stopped="test")
            break
        except Killed:
            found = pulled(rented.objects())
            assert {key: found.get(key) for key in rented.kept()} == rented.kept()
        rented.cloud.objects.pop(LOCK, None)  # its process goes on
        resumed = apply(open_source(rented.source), plan, stopped="test")
        assert (resumed.state, rented.objects()) == ("done", after)
        assert restore(open_source(rented.source), resumed.run).state == "done"
        assert rented.objects() == rented.before
        number += 9
    assert number > 60


def test_a_busy_service_is_asked_again(rented):
    plan = rented.plan()
    count = iter(range(1_000_000))
    with rented.server.failing(lambda call: SLOW_DOWN if next(count) % 11 == 1 else None):
        outcome = apply(open_source(rented.source), plan, stopped="test")
        assert (outcome.state, pulled(rented.objects())) == ("done", rented.kept())
        assert restore(open_source(rented.source), outcome.run).state == "done"
    assert rented.objects() == rented.before


@pytest.mark.parametrize("rented", ["azure"], indirect=True)
def test_copies_that_are_made_later_are_waited_for(rented, monkeypatch):
    """And when they take too long, nothing is deleted."""
    monkeypatch.setattr("prune.sources.stores.objects.moving.FIRST_PAUSE", 0.01)
    plan = rented.plan()
    rented.cloud.pending = 8
    outcome = apply(open_source(rented.source), plan, stopped="test")
    assert outcome.state == "done"
    assert pulled(rented.objects()) == rented.kept()
    assert restore(open_source(rented.source), outcome.run).state == "done"
    assert rented.objects() == rented.before

    rented.cloud.pending = 1_000_000
    monkeypatch.setattr("prune.sources.stores.objects.moving.LATEST", 0.05)
    outcome = apply(open_source(rented.source), plan, stopped="test")
    assert outcome.state == "failed"
    assert "missing, or of another size" in outcome.message
    assert rented.objects() == rented.before
