"""Requests to a bucket, against the registry's own garbage collection on the same one.

Seconds would only tell how fast the server of the test is.
"""

import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore

from benchmarks.store import generate
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source
from tests.buckets import KEY, REGION, SECRET, BucketRegistry, s3_server

TAGS, REPOSITORIES = 300, 10


def requests(folder: Path, show: Callable[[str, str, str], None]) -> None:
    """Scan, delete half of the tags, bring them back, and empty the trash; count what was asked for."""
    generate(folder / "store", tags=TAGS, repositories=REPOSITORIES)
    files = [path for path in (folder / "store").rglob("*") if path.is_file()]
    given = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "REGION": REGION}
    os.environ.update({f"AWS_{name}": text for name, text in given.items()})
    with s3_server() as server:
        os.environ["AWS_ENDPOINT_URL"] = server.url
        server.client().create_bucket(Bucket="bench")
        store = server.store("bench")

        def put(path: Path) -> None:
            obstore.put(store, str(path.relative_to(folder / "store")), path.read_bytes(), use_multipart=False)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, files))

        def counted(work: Callable[[], object]) -> tuple[object, dict[str, int]]:
            server.counted()
            result = work()
            return result, server.counted()

        registry = BucketRegistry(server, "bench", folder)
        command = ["docker-registry", "garbage-collect", "--dry-run", str(registry.config)]
        _, peer = counted(
            lambda: subprocess.run(command, check=True, capture_output=True, env=registry.environment, timeout=600)
        )
        total = sum(peer.values())
        show(f"garbage-collect --dry-run, {TAGS} tags, {len(files)} objects", f"{total} requests", "-")

        source = open_source("s3://bench")
        snapshot, asked = counted(lambda: source.scan(configs=False))
        _line(show, "prune: scan", asked, len(files), "1 a manifest, 1 a thousand objects")
        show("prune: scan, against garbage-collect", f"{total / sum(asked.values()):.0f}x fewer", "10x")
        _, asked = counted(lambda: source.scan(known=snapshot, configs=False))
        _line(show, "prune: scan of what is known", asked, len(files), "1 a thousand objects")

        names = sorted(snapshot.repositories)
        refs = tuple(f"{name}:{tag}" for name in names for tag in sorted(snapshot.repositories[name].tags)[::2])
        plan = make_plan(snapshot, Request(refs, sweep=True, grace=0), now=int(time.time()) + 2)
        before = _number(store)
        outcome, asked = counted(lambda: apply(source, plan, stopped="measured"))
        moved = before - _number(store)
        _line(show, f"prune: apply, {moved} objects move", asked, moved, "1 a moved object, and little more")
        _, asked = counted(lambda: restore(source, outcome.run))
        _line(show, "prune: restore", asked, moved, "1 a moved object, and little more")
        apply(source, plan, stopped="measured")
        _, asked = counted(lambda: empty_trash(source, older_than=None, now=int(time.time())))
        _line(show, "prune: empty the trash", asked, moved, "2 a thousand objects")


def _number(store: obstore.store.S3Store) -> int:
    paths = [one["path"] for page in obstore.list(store) for one in page]
    return sum(not path.startswith(".registryui/") for path in paths)


def _line(show: Callable[[str, str, str], None], what: str, asked: dict[str, int], objects: int, wanted: str) -> None:
    total = sum(asked.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in asked.items())
    show(f"{what}: {kinds}", f"{total / objects:.3f} an object", wanted)
