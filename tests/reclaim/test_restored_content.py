"""An undo says that it is done only when every blob is what its digest says."""

import os
import time

import pytest

from prune.model.errors import Refused
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import accept_losses, empty_trash, left_behind
from prune.sources.open import open_source
from tests.reclaim.naive import pulled
from tests.stores import tree


@pytest.fixture
def done(v2):
    source = open_source(v2.source)
    plan = make_plan(source.scan(), Request(("team/app:2.0",), grace=3600), now=int(time.time()))
    return plan, apply(source, plan, stopped="for the test")


def test_a_blob_that_rotted_in_the_trash_does_not_come_back_in_silence(v2, root, done):
    """Of the same size, so that nothing but its content tells."""
    plan, outcome = done
    victim = max(plan.delete.blobs, key=lambda blob: blob.size).digest
    encoded = victim.partition(":")[2]
    (trashed,) = (path for path in root.rglob("data") if encoded in path.parts)
    good, status = trashed.read_bytes(), trashed.stat()
    trashed.write_bytes(b"?" * len(good))
    restored = restore(open_source(v2.source), outcome.run)
    assert restored.state == "partial"
    assert [(one.item, "not what its digest says" in one.reason) for one in restored.skipped] == [(victim, True)]
    assert restored.done == outcome.done - 1
    assert not v2.blob_path(victim).exists()  # a registry takes the right one
    again = restore(open_source(v2.source), outcome.run)
    assert (again.state, [one.item for one in again.skipped]) == ("partial", [victim])
    (trashed,) = (path for path in root.rglob("data") if encoded in path.parts)
    trashed.write_bytes(good)
    os.utime(trashed, ns=(status.st_atime_ns, status.st_mtime_ns))
    last = restore(open_source(v2.source), outcome.run)
    assert (last.state, last.done) == ("done", outcome.done)
    assert v2.blob_path(victim).read_bytes() == good


def test_a_blob_that_was_pushed_again_is_looked_at_too(v2, root, done):
    plan, outcome = done
    victim = max(plan.delete.blobs, key=lambda blob: blob.size)
    path = v2.blob_path(victim.digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"?" * victim.size)
    restored = restore(open_source(v2.source), outcome.run)
    assert restored.state == "partial"
    assert [one.item for one in restored.skipped] == [victim.digest]
    assert path.read_bytes() == b"?" * victim.size  # nothing that came since is overwritten


def test_one_that_somebody_puts_right_while_the_others_are_read_stays(v2, root, done):
    plan, outcome = done
    victim = max(plan.delete.blobs, key=lambda blob: blob.size).digest
    encoded = victim.partition(":")[2]
    (trashed,) = (path for path in root.rglob("data") if encoded in path.parts)
    good = trashed.read_bytes()
    trashed.write_bytes(b"?" * len(good))

    def report(progress):
        if progress.what.startswith("reading"):
            v2.blob_path(victim).write_bytes(good)

    restored = restore(open_source(v2.source), outcome.run, report=report)
    assert (restored.state, restored.skipped) == ("done", ())
    assert v2.blob_path(victim).read_bytes() == good


def test_what_is_whole_comes_back_whole(v2, root):
    before, images = tree(root), pulled(v2)
    source = open_source(v2.source)
    plan = make_plan(source.scan(), Request(("team/app", "multi"), grace=3600), now=int(time.time()))
    outcome = apply(source, plan, stopped="for the test")
    seen = []
    restored = restore(source, outcome.run, report=lambda progress: seen.append(progress.what))
    assert (restored.state, restored.done, restored.skipped) == ("done", outcome.done, ())
    assert "reading blobs (MB)" in seen
    assert (tree(root), pulled(v2)) == (before, images)


def test_what_could_not_be_put_back_is_not_emptied_until_somebody_accepts_that(v2, root, done):
    """A tag was pushed again since: what it led to before is nowhere but in the trash."""
    _, outcome = done
    v2.image("team/app", "2.0", layers=[v2.layer(99)])
    trashed = tree(root / outcome.trash / "files")
    restored = restore(open_source(v2.source), outcome.run)
    assert (restored.state, [one.item for one in restored.skipped]) == ("partial", ["team/app:2.0"])
    left = tree(root / outcome.trash / "files")
    assert trashed.keys() > left.keys() > set()
    emptied = empty_trash(open_source(v2.source), older_than=None, now=int(time.time()))
    assert (emptied.runs, emptied.kept) == ((), (outcome.run,))
    with pytest.raises(Refused, match="1 thing could not be put back"):
        empty_trash(open_source(v2.source), older_than=None, now=0, runs=[outcome.run])
    assert tree(root / outcome.trash / "files") == left
    seen = left_behind(restored.skipped)
    for losses, reason, match in ((seen, " ", "Say why"), ((), "known", "restored again since you looked")):
        with pytest.raises(Refused, match=match):
            accept_losses(open_source(v2.source), outcome.run, losses, reason, now=1)
    accept_losses(open_source(v2.source), outcome.run, seen, "the newer one is right", now=1)
    # What is restored again asks again.
    assert restore(open_source(v2.source), outcome.run).state == "partial"
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).kept == (outcome.run,)
    accept_losses(open_source(v2.source), outcome.run, seen, "the newer one is right", now=1)
    images = pulled(v2)
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).runs == (outcome.run,)
    assert pulled(v2) == images


def test_what_came_back_whole_is_emptied_without_a_question(v2, done):
    _, outcome = done
    assert restore(open_source(v2.source), outcome.run).state == "done"
    with pytest.raises(Refused, match="no trash that waits"):
        accept_losses(open_source(v2.source), outcome.run, (), "why not", now=1)
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).runs == (outcome.run,)
