"""The seam between the storage layouts and the place that holds the files.

Paths are relative to the store's root, with ``/`` between segments and no ``.`` or ``..``. A *folder* exists in an
object store when a key starts with its path; everything the layouts need can be said in these few verbs.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


def everything(path: str) -> bool:
    """Accept any path: what ``Store.remove`` counts when nothing else is said."""
    return True


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One name in a folder. ``kind``: a file, a folder, or anything else (a link, a socket): never followed."""

    name: str
    kind: str  # "file" | "folder" | "other"


class Stat(msgspec.Struct, frozen=True, gc=False):
    """Size in bytes and time of last change, whole seconds since 1970 in UTC."""

    size: int
    time: int


class Store(Protocol):
    """A tree of files. Every method raises ``OSError`` (``FileNotFoundError`` and its kin) as the disk would."""

    name: str

    def remark(self) -> str:
        """Return what a person who counts on freed bytes should know of this store; usually nothing."""
        ...

    def entries(self, folder: str) -> list[Entry]:
        """Return what a folder holds, sorted by name. Raises ``FileNotFoundError`` when there is no such folder."""
        ...

    def read(self, path: str, limit: int) -> tuple[bytes, Stat]:
        """Return a file's bytes, size and time. Raises ``Unreadable`` when it is longer than ``limit`` or no
        plain file."""
        ...

    def stream(self, path: str) -> Generator[bytes, None, None]:
        """Yield a file's bytes in pieces of at most a few MiB: for what is too large for memory. Raises
        ``Unreadable`` when it is no plain file. Close it (`contextlib.closing`) when you stop early."""
        ...

    def stat(self, path: str) -> Stat:
        """Return size and time of a plain file. Raises ``Unreadable`` when it is none."""
        ...

    def stat_each(self, folder: str, paths: Sequence[str]) -> list[Stat | None]:
        """Return size and time of each of the plain files at ``paths`` below ``folder``; ``None`` for one that is
        none, or that cannot be looked at. The bulk of `stat`, for many that lie side by side."""
        ...

    def kind(self, path: str) -> str | None:
        """Return what is at ``path`` ("file", "folder" or "other", see ``Entry``), ``None`` for nothing."""
        ...

    def blobs(self, folder: str) -> Iterator[tuple[str, Stat | None]]:
        """Yield ``(name, stat of name/data)`` for each sub-folder of ``folder``; ``None`` where data is missing
        or no plain file. The one bulk listing: an object store answers it with a single listing by prefix."""
        ...

    def files(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Yield ``(path, stat)`` of every plain file below ``folder``, in no particular order."""
        ...

    def write(self, path: str, body: bytes) -> None:
        """Write a file whole or not at all, durably, making its folders; an existing one is replaced."""
        ...

    def append(self, path: str, body: bytes) -> None:
        """Add to the end of a file, durably: when this returns, a power cut loses nothing of it."""
        ...

    def appended(self, path: str, limit: int) -> bytes:
        """Return all that was appended to ``path``. Raises ``FileNotFoundError`` when that is nothing, and
        ``Unreadable`` when it is longer than ``limit``."""
        ...

    def expect(self, paths: Sequence[str], limit: int) -> None:
        """Say that these files, where they are not longer than ``limit``, are to be read next. A store that is slow
        to answer fetches them now, many at the same time."""
        ...

    def together(self, folders: Iterable[str]) -> "AbstractContextManager[Store]":
        """Hold a store to work with in these folders, and in the folders below them, as a whole.

        On a disk it is the store itself. An object store lists the folders once, in as few requests as it can,
        answers from that, and carries the moves out when the context ends without an error."""
        ...

    def move(self, source: str, target: str, *, folder: bool = False) -> None:
        """Move a file or a whole folder to a path where nothing is yet, making the target's parent folders.

        On a disk one atomic rename; elsewhere copies, and then deletions. Raises ``FileExistsError`` when something
        is at ``target``, ``Refused`` when a link lies on either path, and with ``folder`` ``NotADirectoryError``
        when there is something else."""
        ...

    def was_moved(self, source: str, target: str) -> bool:
        """Tell, after a crash, whether a move was done of which nobody wrote the end down."""
        ...

    def take_back(self, source: str, target: str) -> None:
        """Undo, after a crash, what was done of a move that was not finished. On a disk that is nothing, ever."""
        ...

    def settle(self, arrived: Sequence[str], left: Sequence[str] = ()) -> None:
        """Make earlier moves durable (fsync of directories on a disk): first where things have ``arrived``, then the
        places that they have ``left``. A power cut in between leaves them there as well, never nowhere."""
        ...

    def remove(self, path: str, counts: Callable[[str], bool] = everything) -> int:
        """Remove a file or a whole folder for good and return the bytes of the plain files that it held, of those
        whose path ``counts`` accepts. Links are removed, never followed. Nothing there: 0."""
        ...

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Hold a lock that ends with the process; raise ``Refused`` at once when another process holds it."""
        ...
