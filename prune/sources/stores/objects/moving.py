"""Moving within a bucket: copy everything, look whether all of it arrived, and only then delete the originals.

Killed in between, copies lie at the target while originals are still at the source; see ``was_moved``, ``take_back``.
"""

import errno
import hashlib
import time
from collections.abc import Callable, Sequence

import msgspec

from prune.sources.stores.objects.bucket import Bucket, Meta, each
from prune.sources.stores.objects.listing import list_folders

#: Seconds for which copies are waited for that are made later than they are answered for, and between two looks.
LATEST = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0

type Copy = tuple[tuple[str, str], Meta]


class Ends(msgspec.Struct):
    """Both ends of one move: paths, and the objects there by what follows on the path."""

    source: str
    target: str
    left: dict[str, Meta]
    arrived: dict[str, Meta]


class Moves:
    """Moves that are carried out together. ``check`` raises ``OSError`` when nothing may be written any more."""

    def __init__(self, bucket: Bucket, check: Callable[[], None]) -> None:
        self._bucket = bucket
        self._check = check
        self._copies: dict[tuple[str, str], Meta] = {}
        self._deletions: list[str] = []

    def begin(self, ends: Ends) -> None:
        """Take up a move. Raises ``FileNotFoundError`` when there is nothing to move and ``FileExistsError`` when
        something else is at the target; the same bytes there are what an interrupted move has left."""
        if not ends.left:
            raise FileNotFoundError(errno.ENOENT, "is not there", ends.source)
        copies = {}
        for name, meta in ends.left.items():
            there = ends.arrived.get(name)
            if there is None:
                copies[ends.source + name, ends.target + name] = meta
            elif not self._same(ends.source + name, meta, ends.target + name, there):
                raise FileExistsError(errno.EEXIST, "something is there already", ends.target)
        self._copies.update(copies)
        self._deletions += [ends.source + name for name in ends.left]

    def undo(self, ends: Ends) -> None:
        """Take up the way back of a move that was interrupted: what has left its place returns to it, and copies of
        what has not are dropped. What is in its place stays as it is."""
        for name, meta in ends.arrived.items():
            there = ends.left.get(name)
            if there is None:
                self._copies[ends.target + name, ends.source + name] = meta
            if there is None or there.size == meta.size:
                self._deletions.append(ends.target + name)

    def finish(self) -> None:
        """Do it. Raises ``OSError`` when anything could not be copied; then nothing has been deleted."""
        copies = list(self._copies.items())
        lost = set(filter(None, each(self._copy, copies)))
        self._verify([(pair, meta) for pair, meta in copies if pair[0] not in lost])
        self._check()  # large copies take their time
        self._bucket.delete([path for path in self._deletions if path not in lost])
        self._copies, self._deletions = {}, []

    def _copy(self, one: Copy) -> str | None:
        """Copy an object; return its path when it cannot be got at: the mark of a folder, which is left alone."""
        (source, target), meta = one
        try:
            self._bucket.copy(source, target, meta.size)
        except FileNotFoundError:
            if meta.size == 0:
                return source
            raise OSError(errno.EIO, f"{source} vanished while it was moved") from None
        return None

    def _verify(self, copies: Sequence[Copy]) -> None:
        """Raise ``OSError`` unless every copy is there, and every original still what it was when it was listed."""
        if not copies:
            return
        found = self._found(copies)
        for (source, target), meta in copies:
            copy, original = found.get(target), found.get(source)
            if copy is None or copy.size != meta.size:
                raise OSError(errno.EIO, f"the copy of {source} is missing, or of another size")
            if original is None or (original.size, original.tag) != (meta.size, meta.tag):
                raise OSError(errno.EIO, f"{source} was changed while it was moved")

    def _found(self, copies: Sequence[Copy]) -> dict[str, Meta]:
        """List both ends of copies; where a copy may be answered for before it is made, wait until they are."""
        folders = sorted({path.rpartition("/")[0] for pair, _ in copies for path in pair})
        until = time.monotonic() + (LATEST if self._bucket.copies_later else 0)
        pause = FIRST_PAUSE
        while True:
            found = list_folders(self._bucket, folders)
            arrived = all(target in found and found[target].size == meta.size for (_, target), meta in copies)
            if arrived or time.monotonic() >= until:
                return found
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _same(self, one: str, first: Meta, other: str, second: Meta) -> bool:
        """Tell whether two objects hold the same bytes. Equal ETags of one service say so; else both are read."""
        if first.size != second.size:
            return False
        return first.tag == second.tag or self._sha256(one) == self._sha256(other)

    def _sha256(self, path: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._bucket.chunks(path):
            digest.update(chunk)
        return digest.hexdigest()
