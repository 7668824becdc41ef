"""A process that is killed, or a disk that fails, at every single step: nothing is lost, and resuming comes to the
same end as an undisturbed run."""

import contextlib
import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from prune.cli import main
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim import steps
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from prune.sources.stores.disk import DiskStore
from tests.reclaim.conftest import fill
from tests.reclaim.naive import layout_pulled, pulled
from tests.reclaim.test_oci_layout import TEAM, shop
from tests.stores import V1Store, V2Store, age, seed_branch, tree

#: Processes that start with everything loaded: there is one for every step.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["prune.cli", "prune.commands.apply", "prune.commands.restore", __name__])


def dying(number: int, arguments: tuple[str, ...], said: str, batch: int) -> None:
    """Run the command and kill this process before its n-th call that writes. What it says goes to ``said``."""
    steps.BATCH = batch
    with Path(said).open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    calls = itertools.count()

    def deadly(method):
        def call(*args, **kwargs):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*args, **kwargs)

        return call

    for name in ("write", "append", "move", "settle", "remove"):
        setattr(DiskStore, name, deadly(getattr(DiskStore, name)))
    sys.exit(main(arguments))


def v2_case(root):
    store = fill(V2Store(root))
    return store, ("team/app:2.0", "team/app:1.0", "multi"), True


def v1_case(root):
    store = V1Store(root)
    seed_branch(store)
    store.image("E")
    age(root)
    return store, ("library/seed:version1",), True


def small_case(root):
    """Few things, of which each kind takes several batches of two."""
    store = V2Store(root)
    kept, own = store.layer(), [store.layer() for _ in range(3)]
    store.image("app", "1", layers=[kept])
    store.image("app", "2", layers=[kept, *own])
    age(root)
    return store, ("app:2",), True


def layout_case(root):
    return shop(root), (f"{TEAM}:2.0", "registry:1.0", "registry:multi"), True


def left(root):
    """The tree after an apply; lists that it wrote anew are of the moment when it did."""
    found = tree(root)
    for path in found:
        if path.endswith(("_index_images", "_images_list", "index.json")):
            found[path] = found[path][-1]
    return found


def killed_after(number: int, *arguments: str, batch: int = steps.BATCH) -> bool:
    """Run the command, killed before its n-th write; tell whether it was killed (and not done before)."""
    said = Path(f"{arguments[1].partition(':')[2]}.said")
    process = PROCESSES.Process(target=dying, args=(number, arguments, str(said), batch))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code in (0, -signal.SIGKILL), f"ended with {code} before write {number}: {said.read_text()}"
    return code != 0


@pytest.mark.parametrize(("case", "batch"), [(v1_case, 256), (v2_case, 256), (layout_case, 256), (small_case, 2)])
def test_killed_at_every_step_of_an_apply_and_of_a_restore(tmp_path, case, batch):
    original = tmp_path / "original"
    store, refs, sweep = case(original)
    # The index of a layout is a new file each time that it is written.
    whole = left if case is layout_case else tree
    # The trash remembers the store by its path, so each try happens at the same place.
    root = tmp_path / "registry"
    source = store.source.replace(str(original), str(root))

    def anew():
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(original, root, symlinks=True)

    anew()
    before = whole(root)
    opened = open_source(source)
    plan = make_plan(opened.scan(), Request(refs, sweep, grace=3600), now=int(time.time()))
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    outcome = apply(opened, plan, stopped="test")
    assert outcome.state == "done"
    expected = left(root)
    apply_it = ("apply", source, str(file), "--yes", "--registry-stopped", "test")
    killed = 0
    anew()
    while killed_after(killed, *apply_it, batch=batch):
        if case is v2_case:
            kept = pulled(V2Store(root))  # whatever still has a tag can be pulled, at any moment
            assert ("copy/of/app", "1.0") in kept
        elif case is layout_case:
            assert (root.name, "stable") in layout_pulled(root)
        resumed = apply(open_source(source), plan, stopped="test")
        assert (resumed.state, resumed.done, resumed.freed_bytes) == ("done", outcome.done, outcome.freed_bytes), (
            killed
        )
        assert left(root) == expected
        assert restore(open_source(source), resumed.run).state == "done"
        assert whole(root) == before
        killed += 1
        anew()
    assert killed > 10

    anew()
    apply(open_source(source), plan, stopped="test")
    back = 0
    while killed_after(back, "restore", source, outcome.run, batch=batch):
        restored = restore(open_source(source), outcome.run)
        assert (restored.state, restored.done) == ("done", outcome.done)
        assert whole(root) == before
        back += 1
        anew()
        apply(open_source(source), plan, stopped="test")
    assert back > 5


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("case", [v1_case, v2_case, layout_case])
def test_a_disk_that_fails_at_the_nth_call(tmp_path, case, error, monkeypatch):
    root = tmp_path / "registry"
    store, refs, sweep = case(root)
    whole = left if case is layout_case else tree
    before = whole(root)
    opened = open_source(store.source)
    plan = make_plan(opened.scan(), Request(refs, sweep, grace=3600), now=int(time.time()))
    expected = None
    number = 0
    while True:
        source = open_source(store.source)
        broken = Broken(source.store, number, error)
        source.store = broken
        outcome = apply(source, plan, stopped="test")
        if outcome.state == "done":
            break
        assert outcome.state == "failed"
        assert os.strerror(error) in outcome.message
        assert "Nothing is lost" in outcome.message
        resumed = apply(open_source(store.source), plan, stopped="test")
        assert resumed.state == "done"
        expected = expected or left(root)
        assert left(root) == expected
        # And the way back over the same broken disk.
        source = open_source(store.source)
        source.store = Broken(source.store, number, error)
        if restore(source, resumed.run).state == "failed":
            assert restore(open_source(store.source), resumed.run).state == "done"
        assert whole(root) == before
        number += 1
    assert number > 10


class Broken:
    """A store of which the n-th call that writes fails; a failing append leaves half of its bytes behind."""

    def __init__(self, store, number, error):
        self._store = store
        self._left = number
        self._error = error

    def together(self, folders):
        return contextlib.nullcontext(self)

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("write", "append", "move", "settle", "remove"):
            return method

        def call(*args, **named):
            self._left -= 1
            if self._left == -1:
                if name == "append":
                    path, body = args
                    self._store.append(path, body[: len(body) // 2])
                raise OSError(self._error, os.strerror(self._error))
            return method(*args, **named)

        return call
