"""Scans that remember: what was read, and how every file and folder that was looked at stood then.

A scan that was answered from here is for looking only; plans and runs always read in full. As git does with its
index, a time that is too close to the scan to tell a later change from an earlier one is not trusted. Content named
by its digest is taken to be what it was while its folder is there: rot within a blob is found by a full scan only.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from prune.model.errors import UsageError
from prune.model.plan import ScanSummary
from prune.model.snapshot import Snapshot
from prune.plan.summary import summarise
from prune.sources.base import Report, Source
from prune.sources.storage_v1 import StorageV1
from prune.sources.storage_v2.source import StorageV2
from prune.sources.stores.base import Entry, Stat
from prune.sources.stores.disk import DiskStore
from prune.sources.unchanged import look, read_head, unchanged, write_head

#: File systems with finer times than a second tick at most this coarsely; the others every two seconds.
_FINE, _COARSE = 20_000_000, 2_000_000_000
MAX_BODY_BYTES = 2 << 30


def scan_cached(source: Source, file: str, report: Report) -> ScanSummary:
    """Return the counts of ``source``, from ``file`` when nothing changed since it was written there.

    What is known by digest is not read again. Only storage on a local disk can be remembered; raises
    ``UsageError`` for other sources, and when ``file`` cannot be written.
    """
    if not isinstance(source, StorageV1 | StorageV2) or not isinstance(source.store, DiskStore):
        raise UsageError("--cache is for storage on a local disk only.")
    found = unchanged(source.name, file)
    if found is not None:
        return msgspec.json.decode(found.summary, type=ScanSummary)
    started = time.time_ns()
    watching = _Watching(source.store)
    watched = type(source)(watching, source.base, source.name)
    snapshot = watched.scan(report, known=_known(source.name, file), configs=False)
    summary = summarise(snapshot)
    paths = watching.paths()
    halves, stats = look(source.store.root, paths)
    if any("\n" in path for path in paths) or not _settled(source.store.root, paths, started):
        halves = stats = (b"", b"")
    text = msgspec.json.encode(summary).decode()
    body = msgspec.msgpack.encode(snapshot)
    _write(file, write_head(source.name, source.store.root, text, halves, stats) + body)
    return summary


def _settled(root: str, paths: list[str], started: int) -> bool:
    """Tell whether every change so far can be told from one that comes after the scan began."""
    times = []
    for path in paths:
        with contextlib.suppress(OSError):
            times.append(os.lstat(os.path.join(root, path)).st_ctime_ns)
    fine = any(time % 1_000_000_000 for time in times)
    return max(times, default=0) < started - (_FINE if fine else _COARSE)


def _known(source: str, file: str) -> Snapshot | None:
    """Return the snapshot in a cache file of the same source; ``None`` when there is none that can be read."""
    head = read_head(file)
    if head is None or head.source != source:
        return None
    try:
        with open(file, "rb") as opened:
            first = opened.readline(200)
            opened.seek(len(first) + sum(map(int, first.split()[2:])))
            return msgspec.msgpack.decode(opened.read(MAX_BODY_BYTES), type=Snapshot)
    except (OSError, ValueError, msgspec.DecodeError):
        return None


def _write(file: str, body: bytes) -> None:
    temporary = f"{file}.{os.getpid()}.new"
    try:
        with open(temporary, "wb") as opened:
            opened.write(body)
        os.replace(temporary, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise UsageError(f"Cannot write the cache {file}: {error.strerror}.") from None


class _Watching(DiskStore):
    """A disk store that remembers at what it was looked at."""

    def __init__(self, store: DiskStore) -> None:
        super().__init__(store.root)
        self._seen: dict[str, None] = {}
        self._asked: dict[str, None] = {}

    def paths(self) -> list[str]:
        """Return every path whose change can change a scan. A folder that was only asked for is left out when
        something in it was read: that stands for it."""
        parents = {path.rpartition("/")[0] for path in self._seen}
        return sorted({*self._seen, *(path for path in self._asked if path not in parents)})

    def entries(self, folder: str) -> list[Entry]:
        self._seen[folder] = None
        return super().entries(folder)

    def read(self, path: str, limit: int) -> tuple[bytes, Stat]:
        if not path.endswith("/data"):
            self._seen[path] = None
        return super().read(path, limit)

    def stat(self, path: str) -> Stat:
        self._seen[path] = None
        return super().stat(path)

    def kind(self, path: str) -> str | None:
        self._asked[path] = None
        return super().kind(path)

    def blobs(self, folder: str) -> Iterator[tuple[str, Any]]:
        self._seen[folder] = None
        return super().blobs(folder)
