"""What one listing of a bucket says, with folders made of the names, as a `Store` to work with."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from prune.model.errors import Unreadable
from prune.sources.stores.base import Entry, Stat, everything
from prune.sources.stores.objects.bucket import Meta, each
from prune.sources.stores.objects.moving import Ends, Moves

if TYPE_CHECKING:
    from prune.sources.stores.objects.store import ObjectStore

#: The longest digest with its algorithm; what is not longer may be a link.
MAX_LINK_BYTES = 256


class View:
    """The folders ``folders`` as they were listed at one time; for everything else the store is asked.

    Moves are begun at once and finished together when the view is left, see `Store.together`.
    """

    def __init__(self, store: "ObjectStore", folders: Sequence[str], found: dict[str, Meta]) -> None:
        self._store = store
        self.name = store.name
        self.found = found
        self._folders = frozenset(folders)
        self._tree: dict[str, dict[str, Meta | None]] = {}
        for path, meta in found.items():
            self._add(path, meta)
        self._bodies: dict[str, bytes | OSError] = {}
        self._moves = Moves(store.bucket, store.check)

    def remark(self) -> str:
        """See ``Store``."""
        if self._store.bucket.versioned is None and self.found:
            with contextlib.suppress(OSError):
                self._store.bucket.head(next(iter(self.found)))
        return self._store.remark()

    def _add(self, path: str, meta: Meta) -> None:
        folder, _, name = path.rpartition("/")
        names = self._tree.get(folder)
        if names is None:
            names = self._tree[folder] = {}
            while folder:
                above, _, here = folder.rpartition("/")
                siblings = self._tree.get(above)
                if siblings is not None:
                    siblings[here] = None
                    break
                self._tree[above] = {here: None}
                folder = above
        # The mark that some programs make for a folder is an object with the folder's name: the folder counts.
        if path not in self._tree:
            names.setdefault(name, meta)

    def _knows(self, path: str) -> bool:
        while path:
            if path in self._folders:
                return True
            path = path.rpartition("/")[0]
        return "" in self._folders

    # ---- reading ------------------------------------------------------------------------------------------

    def entries(self, folder: str) -> list[Entry]:
        """See ``Store``."""
        if not self._knows(folder):
            return self._store.entries(folder)
        names = self._tree.get(folder)
        if names is None:
            raise FileNotFoundError(2, "is not there", folder)
        return [Entry(name, "folder" if f"{folder}/{name}" in self._tree else "file") for name in sorted(names)]

    def kind(self, path: str) -> str | None:
        """See ``Store``."""
        if not self._knows(path):
            return self._store.kind(path)
        return "folder" if path in self._tree else "file" if path in self.found else None

    def stream(self, path: str) -> Generator[bytes, None, None]:
        """See ``Store``."""
        return self._store.stream(path)

    def stat(self, path: str) -> Stat:
        """See ``Store``."""
        if not self._knows(path):
            return self._store.stat(path)
        meta = self._meta(path)
        return Stat(meta.size, meta.time)

    def stat_each(self, folder: str, paths: Sequence[str]) -> list[Stat | None]:
        """See ``Store``."""
        found: list[Stat | None] = []
        for path in paths:
            try:
                found.append(self.stat(f"{folder}/{path}"))
            except (OSError, Unreadable):
                found.append(None)
        return found

    def _meta(self, path: str) -> Meta:
        if path in self._tree:
            raise Unreadable("is no plain file")
        meta = self.found.get(path)
        if meta is None:
            raise FileNotFoundError(2, "is not there", path)
        return meta

    def read(self, path: str, limit: int) -> tuple[bytes, Stat]:
        """See ``Store``. Nothing is asked for when the listing shows the bytes already, as it does for links."""
        if not self._knows(path):
            return self._store.read(path, limit)
        meta = self._meta(path)
        if meta.size > limit:
            raise Unreadable(f"is larger than {limit} bytes")
        body = self._bodies.get(path)
        if body is None:
            body = self._link(path, meta)
        if isinstance(body, OSError):
            raise body
        if body is None:
            return self._store.read(path, limit)
        return body, Stat(len(body), meta.time)

    def _link(self, path: str, meta: Meta) -> bytes | None:
        """Return what a link holds when its ETag is the MD5 of a digest that its own path, or one beside it, names.

        S3 and Google give small objects their MD5 for an ETag unless a key of the customer's encrypts them; nobody
        can make other bytes that have a given MD5."""
        if not 0 < meta.size <= MAX_LINK_BYTES or len(meta.tag) != 32:
            return None
        parts = path.split("/")
        guesses = [f"{parts[-3]}:{parts[-2]}"] if len(parts) > 2 else []
        # A tag: `current/link`, beside `index/<algorithm>/<hex>/link` for all that it ever pointed at.
        index = "/".join([*parts[:-2], "index"])
        for algorithm in self._tree.get(index, ()):
            guesses += [f"{algorithm}:{encoded}" for encoded in self._tree.get(f"{index}/{algorithm}", ())]
        for guess in guesses:
            body = guess.encode()
            if len(body) == meta.size and hashlib.md5(body, usedforsecurity=False).hexdigest() == meta.tag:
                return body
        return None

    def expect(self, paths: Sequence[str], limit: int) -> None:
        """See ``Store``: they are fetched now, many at the same time."""
        self._bodies = {}
        asked = []
        for path in dict.fromkeys(paths):
            meta = self.found.get(path)
            if meta is not None and meta.size <= limit and path not in self._tree and not self._link(path, meta):
                asked.append(path)

        def fetch(path: str) -> bytes | OSError | None:
            try:
                return self._store.bucket.get(path, limit)[0]
            except OSError as error:
                return error

        fetched = zip(asked, each(fetch, asked), strict=True)
        self._bodies = {path: body for path, body in fetched if body is not None}

    def blobs(self, folder: str) -> Iterator[tuple[str, Stat | None]]:
        """See ``Store``."""
        if not self._knows(folder):
            yield from self._store.blobs(folder)
            return
        for entry in self.entries(folder):
            data = f"{folder}/{entry.name}/data"
            meta = self.found.get(data) if data not in self._tree else None
            yield entry.name, Stat(meta.size, meta.time) if meta else None

    def files(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """See ``Store``."""
        if not self._knows(folder):
            yield from self._store.files(folder)
            return
        for path, meta in self.found.items():
            if path.startswith(f"{folder}/" if folder else "") and path not in self._tree:
                yield path, Stat(meta.size, meta.time)

    # ---- writing ------------------------------------------------------------------------------------------

    def move(self, source: str, target: str, *, folder: bool = False) -> None:
        """See ``Store``: looked at now, done when the view is left."""
        if folder and self.kind(source) == "file":
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), source)
        self._moves.begin(self._ends(source, target))

    def was_moved(self, source: str, target: str) -> bool:
        """See ``Store``. Originals are deleted when every copy is there: so it was, unless a copy and what may be
        its original are both there."""
        left, arrived = self._below(source), self._below(target)
        return bool(arrived) and not any(
            _may_be_of(arrived[name], left[name]) for name in left.keys() & arrived.keys()
        )

    def take_back(self, source: str, target: str) -> None:
        """See ``Store``: done when the view is left."""
        if not self.was_moved(source, target):
            self._moves.undo(self._ends(source, target))

    def finish(self) -> None:
        """Carry out the moves that were begun."""
        self._moves.finish()

    def _ends(self, source: str, target: str) -> Ends:
        for path in (source, target):
            if not self._knows(path):
                raise OSError(22, "was not listed before it was to be moved", path)
        return Ends(source, target, self._below(source), self._below(target))

    def _below(self, path: str) -> dict[str, Meta]:
        """Return the objects at or below ``path``, by what follows on it. Not the marks of folders."""
        if path not in self._tree:
            return {"": self.found[path]} if path in self.found else {}
        found = {}
        pending = [path]
        while pending:
            folder = pending.pop()
            for name in self._tree[folder]:
                below = f"{folder}/{name}"
                if below in self._tree:
                    pending.append(below)
                else:
                    found[below[len(path) :]] = self.found[below]
        return found

    def together(self, folders: Iterable[str]) -> "AbstractContextManager[View]":
        """See ``Store``."""
        return self._store.together(folders)

    def append(self, path: str, body: bytes) -> None:
        """See ``Store``."""
        self._store.append(path, body)

    def appended(self, path: str, limit: int) -> bytes:
        """See ``Store``."""
        return self._store.appended(path, limit)

    def write(self, path: str, body: bytes) -> None:
        """See ``Store``."""
        self._store.write(path, body)

    def settle(self, arrived: Sequence[str], left: Sequence[str] = ()) -> None:
        """See ``Store``: what an object store has answered for is durable."""

    def remove(self, path: str, counts: Callable[[str], bool] = everything) -> int:
        """See ``Store``."""
        return self._store.remove(path, counts)

    def lock(self, path: str) -> AbstractContextManager[None]:
        """See ``Store``."""
        return self._store.lock(path)


def _may_be_of(copy: Meta, original: Meta) -> bool:
    """Tell whether one object may be a copy of the other: not one of another size, nor of what came later."""
    return copy.size == original.size and (copy.tag == original.tag or copy.time >= original.time)
