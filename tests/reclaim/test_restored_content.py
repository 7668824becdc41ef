"""An undo says that it is done only when every blob is what its digest says."""

import os
import time

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
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
