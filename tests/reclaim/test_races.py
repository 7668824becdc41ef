"""What comes in between a plan, its recheck and its moves; and clocks that are wrong. Whatever happens, every image
that was to stay, and every image that was pushed meanwhile, can be pulled in the end."""

import contextlib
import os
import shutil
import time

import pytest

from prune.model.errors import Stale
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from prune.sources.stores.disk import DiskStore
from tests.reclaim.naive import closure, pulled
from tests.stores import V2Store, age, sha256, tree, write

DAY = 86400


@pytest.fixture
def store(tmp_path) -> V2Store:
    """Two images that share a layer, one of which goes; garbage; and layers that only their links know."""
    made = V2Store(tmp_path / "registry")
    base, top = made.layer(), made.layer()
    made.image("app", "1", layers=[base, top])
    made.image("app", "2", layers=[base, made.layer(), made.layer()])
    made.link_layer("app", made.layer(70))
    made.layer(80)
    age(made.root)
    return made


class Between:
    """Does something right before the n-th move."""

    def __init__(self, store, number, happen):
        self._store = store
        self._left = number
        self._happen = happen

    def __getattr__(self, name):
        return getattr(self._store, name)

    def together(self, folders):
        return contextlib.nullcontext(self)

    def move(self, source, target, **only):
        if self._left == 0:
            self._happen()
        self._left -= 1
        self._store.move(source, target, **only)


def push(store: V2Store, repo: str, bodies: list[bytes]) -> str:
    """Push an image as a registry does it: what is there is linked, the rest written; the tag comes last."""
    layers = [store.blob(body) if not store.blob_path(digest).exists() else digest for digest, body in named(bodies)]
    return store.image(repo, "new", layers=layers)


def named(bodies):
    return [(sha256(body), body) for body in bodies]


def plan_of(store, *refs, now=0, grace=DAY):
    source = open_source(store.source)
    return make_plan(source.scan(), Request(refs, sweep=True, grace=grace), now=int(time.time()) + now)


@pytest.mark.parametrize("repo", ["app", "elsewhere"])
def test_a_push_at_every_moment_of_a_run(store, tmp_path, repo):
    """Somebody pushes although nobody should: an image of the very layers that go."""
    before, whole = tree(store.root), pulled(store)
    plan = plan_of(store, "app:2")
    going = {blob.digest for blob in plan.delete.blobs}
    bodies = [
        store.blob_path(d).read_bytes()
        for d in sorted(closure(store, store.tag_path("app", "2").read_text()) & going)
    ]
    bodies = [body for body in bodies if not body.startswith(b"{")]
    assert len(bodies) == 2
    number, failed, partial = 0, 0, 0
    while True:
        pushed: list[str] = []

        def happen(pushed=pushed):
            pushed.append(push(store, repo, bodies))

        source = open_source(store.source)
        source.store = Between(source.store, number, happen)
        outcome = apply(source, plan, stopped="so they said")
        if not pushed:
            break
        kept = {("app", "1"): whole["app", "1"]}
        if outcome.state == "failed":
            # It was seen, said of which image, and nothing was emptied: the way back is whole.
            assert outcome.verified.state == "bad"
            assert any(f"{repo}:new" in loss.what for loss in outcome.verified.missing)
            failed += 1
            restored = restore(open_source(store.source), outcome.run)
            assert restored.state in ("done", "partial")
        else:
            partial += outcome.state == "partial"
        found = pulled(store)
        assert {key: found[key] for key in kept} == kept
        new = found[repo, "new"]
        assert {digest for digest, _ in named(bodies)} <= set(new)
        assert all(digest == name for (name, _), digest in zip(named(list(new.values())), new, strict=True))
        reset(store, before)
        number += 1
    assert number > 8
    assert failed > 0


def reset(store: V2Store, before) -> None:
    """Make the store what it was."""
    shutil.rmtree(store.root)
    for key in sorted(before):
        what = before[key]
        path = store.root / key
        if what[0] == "folder":
            path.mkdir(parents=True, exist_ok=True)
        else:
            write(path, what[-1])
            os.utime(path, ns=(what[3], what[3]))


def test_a_link_that_came_since_the_plan_keeps_its_blob_whatever_the_clock_says(store, monkeypatch):
    plan = plan_of(store, "app:2")
    (garbage,) = [blob.digest for blob in plan.delete.blobs if blob.size == 80]
    store.link_layer("elsewhere", garbage)
    far = time.time() + 400 * DAY
    monkeypatch.setattr("prune.reclaim.journal.time.time", lambda: far)
    monkeypatch.setattr("prune.reclaim.journal.clock_of", lambda store: int(far))
    monkeypatch.setattr("prune.reclaim.run.clock_of", lambda store: int(far))
    outcome = apply(open_source(store.source), plan, stopped="test")
    assert outcome.state == "partial"
    assert {skipped.item for skipped in outcome.skipped} == {garbage}
    assert store.blob_path(garbage).exists()


@pytest.mark.parametrize("days", [2, 400])
def test_a_clock_that_runs_fast_takes_nothing_that_the_disk_shows_to_be_fresh(store, monkeypatch, days):
    fresh = store.layer(90)
    young = store.upload("app", "young", started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    store.link_layer("app", fresh)
    untagged = store.image("app", layers=[store.layer(91)])
    whole = pulled(store)
    plan = plan_of(store, "app:2", now=days * DAY)
    assert fresh in {blob.digest for blob in plan.delete.blobs}
    wrong = time.time
    monkeypatch.setattr(time, "time", lambda: wrong() + days * DAY)
    outcome = apply(open_source(store.source), plan, stopped="test")
    assert outcome.state == "partial"
    for path in (store.blob_path(fresh), store.layer_path("app", fresh), young, store.revision_path("app", untagged)):
        assert path.exists(), path
    assert len(closure(store, untagged)) == 3
    assert pulled(store) == {key: what for key, what in whole.items() if key != ("app", "2")}
    assert not store.tag_path("app", "2").exists()


@pytest.mark.parametrize("days", [2, 400, 20_000])
def test_a_clock_that_was_set_back_keeps_more(store, monkeypatch, days):
    whole = pulled(store)
    before = tree(store.root)
    plan = plan_of(store, "app:2")
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - days * DAY)
    try:
        outcome = apply(open_source(store.source), plan, stopped="test")
    except Stale:
        assert tree(store.root) == before
        return
    assert pulled(store) == {key: what for key, what in whole.items() if key != ("app", "2")}
    assert restore(open_source(store.source), outcome.run).state == "done"
    assert tree(store.root) == before


def test_times_in_the_future_are_fresh(store):
    layer = store.layer(95)
    ahead = time.time() + 30 * DAY
    os.utime(store.blob_path(layer), (ahead, ahead))
    assert layer not in {blob.digest for blob in plan_of(store).delete.blobs}


def test_a_repository_that_is_deleted_and_pushed_anew_in_the_middle_of_a_run_stops_it(store, monkeypatch):
    """What is in the new folder is not taken for gone: it counts on the blobs that would go next."""
    plan, whole = plan_of(store, "app:1", "app:2"), pulled(store)
    assert len(plan.delete.tags) == 2
    move, moved = DiskStore.move, []

    def replacing(self, source, target, **only):
        if len(moved) == 1:
            folder = store.tag_path("app", "1").parents[2]
            shutil.copytree(folder, folder.with_name("anew"))
            shutil.move(folder, store.root.parent / "gone")
            folder.with_name("anew").rename(folder)
        moved.append(source)
        move(self, source, target, **only)

    monkeypatch.setattr(DiskStore, "move", replacing)
    outcome = apply(open_source(store.source), plan, stopped="so they said")
    monkeypatch.undo()
    assert outcome.state == "failed"
    assert "was replaced" in outcome.message
    assert not [path for path in moved if "/blobs/" in path]
    restore(open_source(store.source), outcome.run)
    assert pulled(store) == whole
