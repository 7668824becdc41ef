"""Reading blobs whole and comparing them with their digests."""

import contextlib
import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from prune.model.digest import Digest
from prune.model.errors import Unreadable
from prune.sources.base import Progress, Report
from prune.sources.oci_layout.source import OciLayout, blob_path
from prune.sources.storage_v2.layout import blob_folder
from prune.sources.storage_v2.source import StorageV2

type ByDigest = StorageV2 | OciLayout
"""Sources in which a blob lies where its digest says."""

#: Reading and hashing leave Python's lock, so threads are enough; more of them wait for the same disk.
READERS = 4
#: A sample is one blob of so many, and at least so many.
ONE_OF, AT_LEAST = 50, 20
#: How many blobs are handed out at once: what is read and not yet looked at stays few.
_PORTION = 256
_MEGABYTE = 1_000_000


def sample(blobs: Mapping[Digest, int], seed: str) -> dict[Digest, int]:
    """Return some of ``blobs``: which, nobody can foresee from their digests alone, and others for every ``seed``."""
    count = max(AT_LEAST, len(blobs) // ONE_OF)
    ranked = sorted(blobs, key=lambda digest: hashlib.sha256(f"{seed} {digest}".encode()).digest())
    return {digest: blobs[digest] for digest in ranked[:count]}


class Content:
    """What is ``wrong``, by digest, and how many blobs and bytes were read. ``unread`` are those of the wrong ones
    that could not be read at all."""

    def __init__(self) -> None:
        self.wrong: dict[Digest, str] = {}
        self.unread: set[Digest] = set()
        self.blobs = 0
        self.bytes = 0


def check_content(source: ByDigest, blobs: Mapping[Digest, int], report: Report) -> Content:
    """Read ``blobs``, given with their sizes in bytes, and return which are not what their digests say.

    Memory stays flat however large they are. Progress counts megabytes.
    """
    found = Content()
    total = sum(blobs.values()) // _MEGABYTE
    lock = threading.Lock()

    def look(digest: Digest) -> None:
        try:
            what, size = _look(source, digest, blobs[digest])
        except FileNotFoundError:
            what, size = "is missing", 0
        except (OSError, Unreadable) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            what, size = f"cannot be read: {why}", 0
        with lock:
            found.blobs += 1
            found.bytes += size
            if what:
                found.wrong[digest] = what
                if what.startswith("cannot"):
                    found.unread.add(digest)

    waiting = iter(blobs)
    with ThreadPoolExecutor(READERS, thread_name_prefix="reading blobs") as pool:
        while portion := list(islice(waiting, _PORTION)):
            list(pool.map(look, portion))
            report(Progress("reading blobs (MB)", found.bytes // _MEGABYTE, total))
    return found


def _look(source: ByDigest, digest: Digest, size: int) -> tuple[str, int]:
    """Return what is wrong with one blob, or nothing, and the bytes read. A file that is longer than it was when it
    was listed is not read to its end: it may grow for ever."""
    algorithm, _, expected = digest.partition(":")
    hashing = hashlib.new(algorithm)
    read = 0
    path = blob_path(digest) if isinstance(source, OciLayout) else f"{blob_folder(source.base, digest)}/data"
    with contextlib.closing(source.store.stream(path)) as pieces:
        for piece in pieces:
            hashing.update(piece)
            read += len(piece)
            if read > size:
                return f"is longer than its {size} bytes", read
    if read < size:
        return f"ends after {read} of {size} bytes", read
    return ("" if hashing.hexdigest() == expected else "is not what its digest says"), read
