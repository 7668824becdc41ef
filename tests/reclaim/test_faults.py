"""A full disk, a disk that cannot be read, and power that goes: on the real thing where there is one."""

import contextlib
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prune.model.errors import PruneError
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim import steps
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from prune.sources.stores import disk
from prune.sources.stores.disk import DiskStore
from tests.reclaim.conftest import fill
from tests.reclaim.naive import pulled
from tests.stores import V2Store, tree

ROOT = Path(__file__).parents[2]
REFS = ("team/app:2.0", "team/app:1.0", "multi")


def plan_of(store, *refs):
    return make_plan(open_source(store.source).scan(), Request(refs, sweep=True, grace=3600), now=int(time.time()))


def staying(store, plan):
    """Every pull that must work whatever happens, before, during and after a run."""
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    return {key: what for key, what in pulled(store).items() if key not in gone}


def still(store, kept):
    found = pulled_of(store, kept)
    assert found == kept


def pulled_of(store, kept):
    """Pull what is to stay; half of what goes may be gone."""
    from tests.reclaim.naive import closure

    found = {}
    for repo, tag in kept:
        digests = closure(store, store.tag_path(repo, tag).read_text())
        found[repo, tag] = {digest: store.blob_path(digest).read_bytes() for digest in digests}
    return found


# ---- a full disk ------------------------------------------------------------------------------------------

#: Runs on a disk of its own, which is full but for so many pages; prints what came of it.
FULL = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, os.getcwd())
from tests.reclaim.conftest import fill
from tests.reclaim.test_faults import REFS, plan_of, staying, still
from tests.stores import V2Store, tree
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source

disk, states = Path(sys.argv[1]), []
store = fill(V2Store(disk / "registry"))
before, plan = tree(store.root), plan_of(store, *REFS)
kept = staying(store, plan)
filler = disk / "filler"

def full(pages):
    with filler.open("wb") as file:
        try:
            while True:
                file.write(bytes(4096))
                file.flush()
        except OSError:
            pass
    with filler.open("rb+") as file:
        size = os.path.getsize(filler)
        file.truncate(max(0, size - size % 4096 - 4096 * pages))

for pages in (0, 1, 2, 3, 5, 8, 13, 40):
    full(pages)
    outcome = apply(open_source(store.source), plan, stopped="test")
    states.append(outcome.state)
    still(store, kept)
    if outcome.state == "failed":
        assert "No space left" in outcome.message, outcome.message
    filler.unlink()
    outcome = apply(open_source(store.source), plan, stopped="test")
    assert outcome.state == "done", outcome
    still(store, kept)
    full(pages)
    restored = restore(open_source(store.source), outcome.run)
    states.append(restored.state)
    still(store, kept)
    filler.unlink()
    assert restore(open_source(store.source), outcome.run).state == "done"
    assert tree(store.root) == before
# The trash on a full disk gives its bytes back: that is what it is for.
outcome = apply(open_source(store.source), plan, stopped="test")
full(1)
free = os.statvfs(disk).f_bavail
emptied = empty_trash(open_source(store.source), older_than=None, now=int(time.time()))
assert outcome.run in emptied.runs, emptied
assert os.statvfs(disk).f_bavail > free
still(store, kept)
print(*states)
"""


@pytest.mark.real
def test_a_disk_that_is_full(tmp_path):
    mount = f'mount -t tmpfs -o size=1500k,mode=700 none {tmp_path} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    states = done.stdout.split()
    assert states[0] == "failed"
    assert states[-2:] == ["done", "done"]


# ---- a disk that cannot be read ---------------------------------------------------------------------------


class Unsound:
    """A store of which the n-th call fails, of whatever kind; ``calls`` counts."""

    def __init__(self, store, number):
        self._store = store
        self._number = number
        self.calls = 0

    def together(self, folders):
        return contextlib.nullcontext(self)

    def __getattr__(self, name):
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def call(*args, **named):
            self.calls += 1
            if self.calls == self._number + 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return found(*args, **named)

        return call


def test_every_call_fails_once_with_an_input_output_error(tmp_path):
    store = fill(V2Store(tmp_path / "registry"))
    before, plan = tree(store.root), plan_of(store, "team/app:2.0", "multi")
    kept = staying(store, plan)
    states = set()
    number = 0
    while True:
        source = open_source(store.source)
        unsound = source.store = Unsound(source.store, number)
        try:
            states.add(apply(source, plan, stopped="test").state)
        except (PruneError, OSError):
            states.add("refused")
        if unsound.calls <= number:
            break
        still(store, kept)
        resumed = apply(open_source(store.source), plan, stopped="test")
        assert resumed.state in ("done", "partial"), (number, resumed)
        still(store, kept)
        assert restore(open_source(store.source), resumed.run).state == "done"
        assert tree(store.root) == before, number
        number += 1
    assert number > 150
    assert states >= {"done", "failed"}


# ---- power that goes --------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing after this has any effect."""


class Volatile:
    """A disk on which a move lasts only once it is settled: at the n-th call that writes the power goes, and of the
    moves that were not settled any may be undone (``lost`` says which)."""

    def __init__(self, store: DiskStore, number: int, lost):
        self._store = store
        self._left = number
        self._lost = lost
        self._unsettled: list[tuple[str, str]] = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def together(self, folders):
        return contextlib.nullcontext(self)

    def _tick(self) -> None:
        if self._left == 0:
            for number, (source, target) in reversed(list(enumerate(self._unsettled))):
                if self._lost(number):
                    self._store.move(target, source)
            raise PowerCut
        self._left -= 1

    def write(self, path, body):
        self._tick()
        self._store.write(path, body)

    def append(self, path, body):
        self._tick()
        self._store.append(path, body)

    def move(self, source, target, **only):
        self._tick()
        self._store.move(source, target, **only)
        self._unsettled.append((source, target))

    def settle(self, arrived, left=()):
        self._tick()
        self._store.settle(arrived, left)
        settled = {*arrived, *left}
        assert {path for pair in self._unsettled for path in pair} <= settled
        self._unsettled.clear()

    def remove(self, path, *counts):
        self._tick()
        return self._store.remove(path, *counts)


LOST = {
    "all": lambda number: True,
    "none": lambda number: False,
    "the first": lambda number: number == 0,
    "every other": lambda number: number % 2 == 0,
    "all but the first": lambda number: number > 0,
}


@pytest.mark.parametrize("batch", [steps.BATCH, 2])
@pytest.mark.parametrize("lost", LOST)
def test_the_power_goes_at_every_write(tmp_path, lost, batch, monkeypatch):
    monkeypatch.setattr(steps, "BATCH", batch)
    store = fill(V2Store(tmp_path / "registry"))
    before, plan = tree(store.root), plan_of(store, *REFS)
    kept = staying(store, plan)
    number, expected = 0, None
    while True:
        source = open_source(store.source)
        source.store = Volatile(source.store, number, LOST[lost])
        try:
            expected = apply(source, plan, stopped="test")
            break
        except PowerCut:
            pass
        # A tag that is there leads to everything that it needs, also one that goes.
        assert pulled(store).items() >= kept.items()
        resumed = apply(open_source(store.source), plan, stopped="test")
        assert (resumed.state, resumed.skipped) == ("done", ()), number
        still(store, kept)
        assert restore(open_source(store.source), resumed.run).state == "done"
        assert tree(store.root) == before
        number += 1
    assert expected.state == "done"
    assert number > 30


def test_what_is_appended_or_written_is_on_the_disk_before_anybody_relies_on_it(tmp_path, monkeypatch):
    """The model above takes that as given; here the system's own calls are watched."""
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor):
        synced.append(os.path.realpath(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(disk.os, "fsync", watched)
    store = DiskStore(str(tmp_path))
    store.append("a/journal", b"one")
    assert synced[-3:] == [str(tmp_path / "a/journal"), str(tmp_path / "a"), str(tmp_path)]
    synced.clear()
    store.append("a/journal", b"two")
    assert synced == [str(tmp_path / "a/journal")]
    synced.clear()
    store.write("a/plan", b"three")
    assert synced[0].startswith(str(tmp_path / "a/plan."))  # the bytes, before they get their name
    assert synced[1] == str(tmp_path / "a")
    synced.clear()
    store.move("a/plan", "b/c/plan")
    store.settle(["b/c/plan"], ["a/plan"])
    # Where it is now, before where it was: never is it in neither.
    new = [str(tmp_path / "b/c"), str(tmp_path / "b"), str(tmp_path), str(tmp_path / "a")]
    assert synced == new
    # Again in the same folders: only what changed is synced; a new folder, and what it was made in, as well.
    synced.clear()
    store.write("a/other", b"four")
    synced.clear()
    with store.together(["a", "b"]) as together:
        together.move("a/other", "b/c/other")
    store.settle(["b/c/other"], ["a/other"])
    assert synced == [str(tmp_path / "b/c"), str(tmp_path / "a")]
    synced.clear()
    with store.together(["b"]) as together:
        together.move("b/c/other", "b/d/e/other")
    store.settle(["b/d/e/other"], ["b/c/other"])
    assert synced == [str(tmp_path / part) for part in ("b/d/e", "b/d", "b", "b/c")]


def test_a_journal_that_a_killed_process_has_made_is_durable_before_anything_is_moved_on_its_word(
    tmp_path, monkeypatch
):
    """It was killed between making the file and making that durable."""
    (tmp_path / "runs/one").mkdir(parents=True)
    (tmp_path / "runs/one/journal").touch()
    synced: list[str] = []
    monkeypatch.setattr(disk, "_sync_folder", lambda folder: synced.append(os.path.normpath(folder)))
    DiskStore(str(tmp_path)).append("runs/one/journal", b"more")
    assert synced == [str(tmp_path / "runs/one"), str(tmp_path / "runs"), str(tmp_path)]


def test_what_moves_is_durable_where_it_goes_to_before_it_is_gone_from_where_it_was(v2, monkeypatch):
    """On a file system that keeps folders one by one: a power cut in between must leave each thing in one."""
    synced: list[str] = []
    monkeypatch.setattr(disk, "_sync_folder", lambda folder: synced.append(os.path.normpath(folder)))
    moves: list[tuple[str, str]] = []
    move = DiskStore.move

    def watched(store, source, target, **only):
        moves.append((source, target))
        synced.clear()
        move(store, source, target, **only)

    monkeypatch.setattr(DiskStore, "move", watched)
    settle = DiskStore.settle

    def settled(store, arrived, left=()):
        settle(store, arrived, left)
        for source, target in moves:
            to, away = (os.path.dirname(f"{store.root}/{path}") for path in (target, source))
            assert to in synced
            assert away not in synced or synced.index(to) < synced.index(away)
        moves.clear()

    monkeypatch.setattr(DiskStore, "settle", settled)
    outcome = apply(open_source(v2.source), plan_of(v2, *REFS), stopped="test")
    assert outcome.state == "done"
    assert restore(open_source(v2.source), outcome.run).state == "done"


@pytest.mark.parametrize("batch", [steps.BATCH, 2])
@pytest.mark.parametrize("lost", LOST)
def test_the_power_goes_at_every_write_of_an_undo(tmp_path, lost, batch, monkeypatch):
    monkeypatch.setattr(steps, "BATCH", batch)
    store = fill(V2Store(tmp_path / "registry"))
    before, plan = tree(store.root), plan_of(store, *REFS)
    kept = staying(store, plan)
    number = 0
    while True:
        run = apply(open_source(store.source), plan, stopped="test").run
        source = open_source(store.source)
        source.store = Volatile(source.store, number, LOST[lost])
        try:
            assert restore(source, run).state == "done"
            break
        except PowerCut:
            pass
        assert pulled(store).items() >= kept.items()
        restored = restore(open_source(store.source), run)
        assert (restored.state, restored.skipped) == ("done", ()), number
        assert tree(store.root) == before
        number += 1
    assert number > 15
