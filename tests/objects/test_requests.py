"""No more requests than there is something to ask for: counted by the server, each of them."""

import hashlib
import time
from datetime import datetime

import pytest

from benchmarks.store import generate
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim import run, steps
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source

TAGS, REPOSITORIES = 60, 2
#: Blobs that nothing needs, so that all of them take a second page.
LEFT_OVER = 1000
#: Names on a page of a listing, and in one request to delete: what S3 allows.
PAGE = 1000


@pytest.fixture
def written(tmp_path) -> dict[str, bytes]:
    """What a registry wrote: each tag has 4 blobs of its own, of which one is its manifest."""
    root = tmp_path / "registry"
    generate(root, tags=TAGS, repositories=REPOSITORIES)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def fill(bucket, written: dict[str, bytes]) -> None:
    bucket.put_back({path: (body, datetime(2026, 1, 1)) for path, body in written.items()})


def pages(names: int) -> int:
    return -(-names // PAGE)


def test_a_scan_asks_once_for_each_page_and_each_manifest(bucket, written):
    for number in range(LEFT_OVER):
        encoded = hashlib.sha256(b"%d" % number).hexdigest()
        written[f"docker/registry/v2/blobs/sha256/{encoded[:2]}/{encoded}/data"] = b"%d" % number
    fill(bucket, written)
    blobs = sum("/blobs/" in path for path in written)
    source = open_source(bucket.source)
    bucket.server.counted()
    snapshot = source.scan(configs=False)
    # What links hold is in the listing already. Blobs and repositories are listed side by side.
    listed = pages(blobs) + pages(len(written) - blobs)
    assert listed == 3
    assert bucket.server.counted() == {"get": TAGS, "list": listed}
    assert len(snapshot.manifests) == TAGS
    again = source.scan(known=snapshot, configs=False)
    assert again.manifests == snapshot.manifests
    assert bucket.server.counted() == {"list": listed}


def test_a_cleanup_asks_once_for_each_object_and_little_for_each_batch(bucket, written, monkeypatch):
    # Batches of one size, however fast or slow this machine is.
    monkeypatch.setattr(steps, "MOST", steps.BATCH)
    monkeypatch.setattr(steps, "WHILE", 3600)
    monkeypatch.setattr(run, "LATE", 3600)
    fill(bucket, written)
    source = open_source(bucket.source)
    snapshot = source.scan(configs=False)
    refs = tuple(
        f"{name}:{tag}" for name, found in sorted(snapshot.repositories.items()) for tag in sorted(found.tags)[::2]
    )
    plan = make_plan(snapshot, Request(refs, grace=0), now=int(time.time()) + 2)
    kinds = (plan.delete.tags, plan.delete.manifests, plan.delete.layer_links, plan.delete.blobs)
    batches = sum(-(-len(items) // steps.BATCH) for items in kinds)
    count = bucket.server.counted

    count()
    outcome = apply(source, plan, stopped="test")
    asked = count()
    moved = len(written) - len(bucket.objects())
    assert outcome.state == "done"
    assert (batches, moved) == (4, TAGS // 2 * 10)  # of each tag 2 links, its manifest's, 3 of its layers, 4 blobs
    # Both ends of each batch before it and after, and the registry before all and after all; neighbours share a page.
    assert asked.pop("list") <= 4 * batches
    assert asked == {
        "copy": moved,
        "delete": batches + 1,  # and the lock
        "get": TAGS + 5,  # every manifest is read anew, right before anything moves
        "head": 2,  # the service's clock, and whether it keeps versions
        "put": 8 + batches,  # the lock, the plan, and the journal: once for each batch
    }

    restored = restore(source, outcome.run)
    assert restored.state == "done"
    assert bucket.objects() == written
    journal = 3 + batches
    asked = count()
    assert asked.pop("list") <= 4 * batches
    assert asked == {
        "copy": moved,
        "delete": batches + 1,
        "get": len(plan.delete.blobs) + journal + 3,  # each blob that is back is compared with its digest
        "put": 4 + batches,
    }

    apply(source, plan, stopped="test")
    count()
    assert empty_trash(source, older_than=None, now=int(time.time())).freed_bytes == plan.freed_bytes
    assert count()["delete"] == pages(moved) + 1
