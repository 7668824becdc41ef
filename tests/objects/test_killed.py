"""The real registry wrote it, the real command cleans it and is killed before every single request that would change
the bucket; or the service is overloaded from there on, or does half of a batch. Nothing that stays is touched."""

import itertools
import json
import time
from io import BytesIO

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source
from tests.buckets import SLOW_DOWN, BucketRegistry
from tests.layouts import Layout
from tests.objects.killing import killed_at, killed_before
from tests.objects.memory import pulled
from tests.objects.test_faults import half_done
from tests.servers import push

pytestmark = pytest.mark.real

GONE = {("team/app", "2.0"), ("lonely", "1")}


class Shop:
    """A bucket that a registry filled, a plan for it, and how it is before and after."""

    def __init__(self, bucket, folder) -> None:
        self.bucket = bucket
        self.folder = folder
        self.source = bucket.source
        self.registry = BucketRegistry(bucket.server, bucket.name, folder)
        self.registry.start()
        try:
            self.fill(Layout(folder / "layout"))
            self.pulls = self.registry.pull_all()
        finally:
            self.registry.stop()
        self.before, self.at_first = bucket.objects(), bucket.state()
        request = Request(("team/app:2.0", "lonely"), sweep=True, grace=0)
        self.plan = make_plan(self.open().scan(), request, now=int(time.time()) + 2)
        file = folder / "plan.json"
        file.write_bytes(self.plan.to_json())
        self.apply = self.command("apply", self.source, str(file), "--yes", "--registry-stopped", "test")
        # Every kind of thing goes, so that every kind of step is killed.
        assert {kind for kind, some in json.loads(self.plan.to_json())["delete"].items() if some} == {
            *("repositories", "tags", "manifests", "layer_links", "blobs", "uploads"),
        }
        bucket.server.counted()
        self.outcome = apply(self.open(), self.plan, stopped="test")
        self.writes = sum(call.writes for call in bucket.server.calls)
        assert self.outcome.state == "done"
        self.after = bucket.objects()
        self.kept = {key: what for key, what in pulled(self.before).items() if key not in GONE}
        assert self.kept == pulled(self.after)
        # What the registry serves of this; whatever is the same bytes under the same names later, it serves alike.
        self.serves({key: what for key, what in self.pulls.items() if key not in GONE})

    def fill(self, layout: Layout) -> None:
        base = layout.layer("base")
        layout.image(base, tag="one")
        layout.image(base, layout.layer("two"), tag="two")
        layout.image(base, layout.layer("alone"), tag="alone")
        push(layout, "one", self.registry, "team/app:1.0")
        push(layout, "two", self.registry, "team/app:2.0")
        push(layout, "alone", self.registry, "lonely:1")
        assert self.registry.request("POST", "/v2/team/app/blobs/uploads/")[0] == 202  # and never finished

    def open(self):
        return open_source(self.source)

    def command(self, *arguments: str) -> tuple:
        return (self.bucket.server, self.folder / "said", *arguments)

    def serves(self, pulls) -> None:
        self.registry.start()
        try:
            assert {key: self.registry.pull(*key) for key in pulls} == pulls
        finally:
            self.registry.stop()

    def check_kept(self) -> None:
        found = pulled(self.bucket.objects())
        assert {key: found.get(key) for key in self.kept} == self.kept

    def check_done(self, outcome) -> None:
        assert (outcome.state, outcome.done, outcome.freed_bytes) == (
            "done",
            self.outcome.done,
            self.outcome.freed_bytes,
        )
        assert self.bucket.objects() == self.after
        gone = {key: body for key, body in self.before.items() if key not in self.after}
        assert self.trash(outcome.run) == gone

    def trash(self, run: str) -> dict[str, bytes]:
        """What an undo has to go by, under the names that it had."""
        place = f".registryui/runs/{run}/files/"
        found = self.bucket.objects(trash=True)
        return {key.removeprefix(place): body for key, body in found.items() if key.startswith(place)}

    def undo(self, run: str) -> None:
        assert restore(self.open(), run).state == "done"
        assert self.bucket.objects() == self.before


@pytest.fixture
def shop(bucket, tmp_path, monkeypatch) -> Shop:
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PAUSES", (0.01, 0.01, 0.01))
    return Shop(bucket, tmp_path)


def test_a_cleanup_is_killed_before_every_write(shop):
    shop.bucket.put_back(shop.at_first)
    number = 1
    while killed_before(number, *shop.apply):
        shop.check_kept()
        resumed = apply(shop.open(), shop.plan, stopped="test")
        shop.check_done(resumed)
        shop.undo(resumed.run)
        shop.bucket.put_back(shop.at_first)
        number += 1
    assert number == shop.writes + 1
    assert number > 30


def test_an_undo_is_killed_before_every_write(shop):
    done, run = shop.bucket.state(), shop.outcome.run
    number = 1
    while killed_before(number, *shop.command("restore", shop.source, run)):
        shop.check_kept()
        shop.undo(run)
        shop.bucket.put_back(done)
        number += 1
    assert number > 30
    assert shop.bucket.objects() == shop.before
    shop.serves(shop.pulls)


def test_the_emptying_of_the_trash_is_killed_before_every_write(shop):
    done = shop.bucket.state()
    number = 1
    while killed_before(number, *shop.command("empty-trash", shop.source, "--yes")):
        assert shop.bucket.objects() == shop.after
        empty_trash(shop.open(), older_than=None, now=int(time.time()))
        assert shop.trash(shop.outcome.run) == {}
        assert shop.bucket.objects() == shop.after
        shop.bucket.put_back(done)
        number += 1
    assert number > 4


def test_a_service_is_overloaded_from_any_write_on(shop, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.open.RETRIES", 0)
    for number in range(1, shop.writes + 1):
        shop.bucket.put_back(shop.at_first)
        writes = 0

        def overloaded(call, number=number):
            nonlocal writes
            writes += call.writes
            return SLOW_DOWN if call.writes and writes >= number else None

        with shop.bucket.server.failing(overloaded):
            try:
                state = apply(shop.open(), shop.plan, stopped="test").state
            except OSError:  # not even the lock, or the time, could be written
                state = "failed"
        # The last one of all is letting go of the lock.
        assert state == "failed" or number == shop.writes
        shop.check_kept()
        shop.check_done(apply(shop.open(), shop.plan, stopped="test"))


def test_any_batch_is_done_by_half(shop):
    number, batches = 0, 1
    while number < batches:
        shop.bucket.put_back(shop.at_first)
        deletions = itertools.count()
        half = half_done(shop.bucket.server)

        def fault(call, number=number, deletions=deletions, half=half):
            return half(call) if call.kind == "delete" and next(deletions) == number else None

        with shop.bucket.server.failing(fault):
            outcome = apply(shop.open(), shop.plan, stopped="test")
        shop.check_done(outcome)
        batches = next(deletions)
        number += 1
    assert number > 5


def test_a_deletion_that_outlives_its_process_is_waited_for(shop, monkeypatch):
    """What a killed process had asked for last may be carried out when the next one has the lock already."""
    server, late, number = shop.bucket.server, [], 1

    def carried_out(seconds: float) -> None:
        assert seconds == 10
        assert b"DeleteResult" in b"".join(server.app(late.pop(), lambda status, headers: None))

    monkeypatch.setattr("prune.sources.stores.objects.lease.AFTERMATH", 10)
    monkeypatch.setattr("prune.sources.stores.objects.lease.time.sleep", carried_out)
    while True:
        deletions = itertools.count(1)

        def is_on_its_way(call, number=number, deletions=deletions):
            if call.kind != "delete" or next(deletions) != number:
                return False
            body = call.environ["wsgi.input"].read(int(call.environ["CONTENT_LENGTH"]))
            late.append({**call.environ, "wsgi.input": BytesIO(body)})
            call.environ["wsgi.input"], call.environ["CONTENT_LENGTH"] = BytesIO(), "0"
            return True

        shop.bucket.put_back(shop.at_first)
        if not killed_at(is_on_its_way, *shop.apply):
            break
        resumed = apply(shop.open(), shop.plan, stopped="test")
        assert not late
        shop.check_done(resumed)
        shop.undo(resumed.run)
        number += 1
    assert number > 5
