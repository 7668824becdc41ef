"""A bucket in memory that can be told to break; and what its registry would serve, by its objects alone."""

import errno
import json
from pathlib import Path

import obstore
from obstore.store import MemoryStore

from prune.sources.storage_v1 import StorageV1
from prune.sources.storage_v2.source import StorageV2
from prune.sources.stores.objects import ObjectStore
from prune.sources.stores.objects.bucket import Bucket
from tests.buckets import fill_bucket

BASE = "docker/registry/v2"


class Killed(BaseException):
    """The process is gone: nothing it does after this has any effect."""


class Breaking(Bucket):
    """Counts calls. From the n-th call that writes on the process is dead, or the n-th call of any kind fails once.

    Deletions count one by one, so that death also comes in the middle of a batch."""

    def __init__(
        self, store, *, dead_after: int | None = None, fails_at: int | None = None, sorts: bool = True
    ) -> None:
        super().__init__(store, store, sorts=sorts)
        self.dead_after = dead_after
        self.fails_at = fails_at
        self.writes = 0
        self.calls = 0

    def _call(self, *, writes: bool) -> None:
        self.calls += 1
        if self.fails_at is not None and self.calls == self.fails_at + 1:
            raise OSError(errno.EIO, "the object store answered 400")
        if self.dead_after is not None and self.writes >= self.dead_after:
            raise Killed
        self.writes += writes

    def pages(self, folder, after=""):
        self._call(writes=False)
        return super().pages(folder, after)

    def names(self, folder):
        self._call(writes=False)
        return super().names(folder)

    def head(self, path):
        self._call(writes=False)
        return super().head(path)

    def get(self, path, limit):
        self._call(writes=False)
        return super().get(path, limit)

    def put(self, path, body, *, only=None):
        self._call(writes=True)
        return super().put(path, body, only=only)

    def copy(self, source, target, size):
        self._call(writes=True)
        super().copy(source, target, size)

    def delete(self, paths):
        for path in paths:
            self._call(writes=True)
            super().delete([path])


def filled(root: Path) -> MemoryStore:
    """The files below ``root`` as objects."""
    store = MemoryStore()
    fill_bucket(store, root)
    return store


def unlock(store: MemoryStore) -> None:
    """Let the lock of one who was killed on another machine come to its end."""
    obstore.delete(store, ".registryui/lock")


def v2(bucket: Bucket) -> StorageV2:
    return StorageV2(ObjectStore(bucket, "s3://memory"), BASE, "s3://memory")


def v1(bucket: Bucket) -> StorageV1:
    return StorageV1(ObjectStore(bucket, "s3://memory"), "", "s3://memory")


def pulled(found: dict[str, bytes]) -> dict[tuple[str, str], dict[str, bytes]]:
    """Every tag with all that a pull of it fetches; fails when any of that is missing."""

    def blob(digest: str) -> bytes:
        algorithm, _, encoded = digest.partition(":")
        return found[f"{BASE}/blobs/{algorithm}/{encoded[:2]}/{encoded}/data"]

    def closure(digest: str) -> dict[str, bytes]:
        body = blob(digest)
        document = json.loads(body)
        fetched = {digest: body}
        for child in document.get("manifests", ()):
            fetched |= closure(child["digest"])
        if "config" in document:
            fetched[document["config"]["digest"]] = blob(document["config"]["digest"])
        return fetched | {layer["digest"]: blob(layer["digest"]) for layer in document.get("layers", ())}

    tags = {}
    for path, body in found.items():
        if path.endswith("/current/link"):
            name, _, tag = path.removeprefix(f"{BASE}/repositories/").partition("/_manifests/tags/")
            tags[name, tag.partition("/")[0]] = closure(body.decode())
    return tags


def v1_pulled(found: dict[str, bytes]) -> dict[tuple[str, str], dict[str, bytes]]:
    """Every V1 tag with the layers of its ancestry."""
    tags = {}
    for path, body in found.items():
        _, _, rest = path.partition("repositories/")
        name, _, file = rest.rpartition("/")
        if file.startswith("tag_"):
            ids = json.loads(found[f"images/{body.decode()}/ancestry"])
            tags[name, file[4:]] = {id_: found[f"images/{id_}/layer"] for id_ in ids}
    return tags
