"""Copies that are not what they should be, and pushes between a crash and what comes after it: nothing is lost."""

import time

import obstore
import pytest
from obstore.store import MemoryStore

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.stores.objects import ObjectStore
from tests.buckets import objects
from tests.objects.memory import BASE, Breaking, Killed, filled, pulled, unlock, v2
from tests.reclaim.conftest import fill
from tests.stores import V2Store

TAG = f"{BASE}/repositories/team/app/_manifests/tags/2.0"


@pytest.fixture
def memory(tmp_path, monkeypatch) -> MemoryStore:
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PARALLEL", 1)
    fill(V2Store(tmp_path / "registry"))
    return filled(tmp_path / "registry")


def plan_for(memory, *refs):
    return make_plan(v2(Breaking(memory)).scan(), Request(refs, grace=0), now=int(time.time()) + 2)


class NotCopying(Breaking):
    """Answers that copies were made. ``instead`` is what lies there then, if anything."""

    instead: bytes | None = None

    def copy(self, source, target, size):
        if "/blobs/" not in source:
            super().copy(source, target, size)
        elif self.instead is not None:
            obstore.put(self._store, target, self.instead)


@pytest.mark.parametrize("instead", [None, b"", b"short"])
def test_copies_that_did_not_arrive_are_noticed_before_anything_is_deleted(memory, instead):
    before = objects(memory)
    plan = plan_for(memory, "team/app:2.0")
    assert plan.delete.blobs
    lying = NotCopying(memory)
    lying.instead = instead
    outcome = apply(v2(lying), plan, stopped="test")
    assert outcome.state == "failed"
    assert "missing, or of another size" in outcome.message
    blobs = {path: body for path, body in before.items() if "/blobs/" in path}
    assert objects(memory).items() >= blobs.items()
    resumed = apply(v2(Breaking(memory)), plan, stopped="test")
    # A copy of another size is no copy of this: then both are kept, and the blob stays where it is.
    assert resumed.state == ("done" if instead is None else "partial")
    assert pulled(objects(memory)).keys() == pulled(before).keys() - {("team/app", "2.0")}
    restore(v2(Breaking(memory)), resumed.run)
    assert objects(memory) == before


class Pushing(Breaking):
    """A push that moves the tag at the very moment when it is copied."""

    def copy(self, source, target, size):
        if source == f"{TAG}/current/link":
            obstore.put(self._store, source, OTHER)
        super().copy(source, target, size)


OTHER = b"sha256:" + b"0" * 64


def test_a_tag_that_moves_while_it_is_copied_is_not_deleted(memory):
    plan = plan_for(memory, "team/app:2.0")
    outcome = apply(v2(Pushing(memory)), plan, stopped="test")
    assert outcome.state == "failed"
    assert "was changed while it was moved" in outcome.message
    assert objects(memory)[f"{TAG}/current/link"] == OTHER


def killed_right_after_the_tag_moved(memory, plan) -> None:
    """The process ends before the outcome of the first batch is written down."""
    for number in range(1000):
        store = MemoryStore()
        for path, body in {**objects(memory)}.items():
            obstore.put(store, path, body)
        with pytest.raises(Killed):
            apply(v2(Breaking(store, dead_after=number)), plan, stopped="test")
        if f"{TAG}/current/link" not in objects(store):
            index = [path for path in objects(store) if path.startswith(TAG)]
            if not index:
                break
    with pytest.raises(Killed):
        apply(v2(Breaking(memory, dead_after=number)), plan, stopped="test")
    unlock(memory)


def test_what_is_pushed_again_after_a_crash_stays(memory):
    before = objects(memory)
    plan = plan_for(memory, "team/app:2.0")
    killed_right_after_the_tag_moved(memory, plan)
    assert not any(path.startswith(TAG) for path in objects(memory))
    time.sleep(1.1)  # the times of objects are whole seconds
    for path, body in before.items():
        if path.startswith(TAG):
            obstore.put(memory, path, body)
    outcome = apply(v2(Breaking(memory)), plan, stopped="test")
    assert outcome.state == "partial"
    assert pulled(objects(memory)) == pulled(before)
    assert restore(v2(Breaking(memory)), outcome.run).state in ("done", "partial")
    assert objects(memory) == before


def test_another_image_that_is_pushed_under_the_tag_after_a_crash_stays(memory):
    before = objects(memory)
    plan = plan_for(memory, "team/app:2.0")
    killed_right_after_the_tag_moved(memory, plan)
    time.sleep(1.1)
    other = before[f"{BASE}/repositories/team/app/_manifests/tags/1.0/current/link"]
    obstore.put(memory, f"{TAG}/current/link", other)
    obstore.put(memory, f"{TAG}/index/{other.decode().replace(':', '/')}/link", other)
    outcome = apply(v2(Breaking(memory)), plan, stopped="test")
    found = pulled(objects(memory))
    assert found["team/app", "2.0"] == found["team/app", "1.0"]
    assert found.items() >= {key: what for key, what in pulled(before).items() if key != ("team/app", "2.0")}.items()
    restored = restore(v2(Breaking(memory)), outcome.run)
    assert pulled(objects(memory))["team/app", "2.0"] == found["team/app", "1.0"]
    assert any("pushed again since" in skipped.reason for skipped in restored.skipped)


def test_a_half_moved_tag_comes_back_before_anything_is_judged(memory):
    """One of its objects has left, the other not: to a scan it would be a tag without a link."""
    before = objects(memory)
    plan = plan_for(memory, "team/app:2.0")
    source = v2(Breaking(memory))
    store: ObjectStore = source.store
    run = apply(source, plan, stopped="test").run
    trash = f".registryui/runs/{run}/files/{TAG}"
    for path in [path for path in before if path.startswith(TAG)]:
        obstore.copy(memory, trash + path.removeprefix(TAG), path)
    obstore.delete(memory, f"{TAG}/current/link")
    assert not store.was_moved(TAG, trash)
    store.take_back(TAG, trash)
    assert {path: body for path, body in objects(memory).items() if path.startswith(TAG)} == {
        path: body for path, body in before.items() if path.startswith(TAG)
    }
    assert store.kind(trash) is None
