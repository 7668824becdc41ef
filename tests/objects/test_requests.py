"""No more requests than there is something to ask for."""

import time

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source
from tests.reclaim.conftest import fill
from tests.stores import V2Store


def test_requests_are_counted(bucket, tmp_path):
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    source = open_source(bucket.source)
    count = bucket.server.counted
    count()
    snapshot = source.scan(configs=False)
    uploads = sum(len(repository.uploads) for repository in snapshot.repositories.values())
    # Each manifest once, and when uploads began; what links hold is in the listing already.
    assert count() == {"get": len(snapshot.manifests) + uploads, "list": 2}
    again = source.scan(known=snapshot, configs=False)
    assert again.manifests == snapshot.manifests
    assert count() == {"get": uploads, "list": 2}

    request = Request(("team/app:2.0", "team/app:1.0", "multi"), sweep=True, grace=0)
    plan = make_plan(snapshot, request, now=int(time.time()) + 2)
    before = bucket.objects()
    count()
    outcome = apply(source, plan, stopped="test")
    applied = count()
    moved = len(before.keys() - bucket.objects().keys())
    assert moved > 20
    assert applied["copy"] == moved
    # One for each of the batches: tags, manifests, links, blobs, uploads, whole repositories; and one for the lock.
    assert applied["delete"] <= 8
    assert applied.get("head", 0) <= 2  # one of them asks what time it is there
    assert applied["list"] < 40
    count()
    assert restore(source, outcome.run).state == "done"
    assert count()["copy"] == moved
    apply(source, plan, stopped="test")
    count()
    assert empty_trash(source, older_than=None, now=int(time.time())).freed_bytes == plan.freed_bytes
    assert count()["delete"] <= 3
