"""A store in a bucket."""

import contextlib
import errno
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from prune.model.errors import Unreadable
from prune.sources.stores.base import Entry, Stat, everything
from prune.sources.stores.objects.bucket import NOTHING, Bucket, each
from prune.sources.stores.objects.lease import Lease
from prune.sources.stores.objects.listing import list_folder, list_folders
from prune.sources.stores.objects.view import View

KEEPS_VERSIONS = (
    "this bucket keeps versions: what is deleted takes its space until a rule of the bucket's life cycle removes "
    "the versions that are no longer current"
)


class ObjectStore:
    """The objects below the prefix of a bucket."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self.bucket = bucket
        self.name = name
        self._lease: Lease | None = None
        self._parts: dict[str, int] = {}
        self._lock = threading.Lock()

    def remark(self) -> str:
        """See ``Store``."""
        return KEEPS_VERSIONS if self.bucket.versioned else ""

    # ---- reading ------------------------------------------------------------------------------------------

    def entries(self, folder: str) -> list[Entry]:
        """See ``Store``."""
        folders, objects = self.bucket.names(folder)
        names = {path.rpartition("/")[2]: "file" for path in objects}
        names |= {path.rpartition("/")[2]: "folder" for path in folders}
        if not names and folder:
            raise FileNotFoundError(errno.ENOENT, "is not there", folder)
        return [Entry(name, names[name]) for name in sorted(names)]

    def read(self, path: str, limit: int) -> tuple[bytes, Stat]:
        """See ``Store``."""
        body, meta = self.bucket.get(path, limit)
        if body is None:
            raise Unreadable(f"is larger than {limit} bytes")
        return body, Stat(meta.size, meta.time)

    def stream(self, path: str) -> Generator[bytes, None, None]:
        """See ``Store``."""
        return self.bucket.chunks(path)

    def stat(self, path: str) -> Stat:
        """See ``Store``."""
        meta = self.bucket.head(path)
        return Stat(meta.size, meta.time)

    def stat_each(self, folder: str, paths: Sequence[str]) -> list[Stat | None]:
        """See ``Store``."""
        return View(self, [folder], list_folder(self.bucket, folder)).stat_each(folder, paths)

    def kind(self, path: str) -> str | None:
        """See ``Store``."""
        for page in self.bucket.pages(path):
            if page:
                return "folder"
        try:
            self.bucket.head(path)
        except FileNotFoundError:
            return None
        return "file"

    def blobs(self, folder: str) -> Iterator[tuple[str, Stat | None]]:
        """See ``Store``."""
        yield from View(self, [folder], list_folder(self.bucket, folder)).blobs(folder)

    def files(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """See ``Store``."""
        for path, meta in list_folder(self.bucket, folder).items():
            yield path, Stat(meta.size, meta.time)

    def expect(self, paths: Sequence[str], limit: int) -> None:
        """See ``Store``: only a view reads ahead."""

    @contextlib.contextmanager
    def together(self, folders: Iterable[str]) -> Iterator[View]:
        """See ``Store``. The folders are listed now; moves are carried out at the end, all at once."""
        listed = list(folders)
        view = View(self, listed, list_folders(self.bucket, listed))
        yield view
        self.check()
        view.finish()

    # ---- writing ------------------------------------------------------------------------------------------

    def write(self, path: str, body: bytes) -> None:
        """See ``Store``."""
        self.check()
        self.bucket.put(path, body)

    def append(self, path: str, body: bytes) -> None:
        """See ``Store``. Nothing can be added to an object: each piece is one of its own, numbered, and never
        written twice, so that two who write the same thing cannot both believe they do."""
        self.check()
        with self._lock:
            number = self._parts.get(path)
            if number is None:
                number = len(self._pieces(path))
            piece = f"{path}/{number:08d}"
            try:
                self.bucket.put(piece, body, only=NOTHING)
            except FileExistsError:
                if self.bucket.get(piece, len(body))[0] != body:  # else only the answer was lost
                    raise OSError(errno.EIO, f"another cleanup has written {piece}") from None
            self._parts[path] = number + 1

    def appended(self, path: str, limit: int) -> bytes:
        """See ``Store``."""
        pieces = self._pieces(path)
        if not pieces:
            raise FileNotFoundError(errno.ENOENT, "is not there", path)
        bodies = each(lambda piece: self.read(piece, limit), pieces)
        return b"".join(body for body, _ in bodies)

    def _pieces(self, path: str) -> list[str]:
        return sorted(list_folder(self.bucket, path))

    def move(self, source: str, target: str, *, folder: bool = False) -> None:
        """See ``Store``. Not one step, as on a disk: all of it is copied, then all of it is deleted."""
        with self.together([path.rpartition("/")[0] for path in (source, target)]) as view:
            view.move(source, target, folder=folder)

    def was_moved(self, source: str, target: str) -> bool:
        """See ``Store``."""
        with self.together([path.rpartition("/")[0] for path in (source, target)]) as view:
            return view.was_moved(source, target)

    def take_back(self, source: str, target: str) -> None:
        """See ``Store``."""
        with self.together([path.rpartition("/")[0] for path in (source, target)]) as view:
            view.take_back(source, target)

    def settle(self, arrived: Sequence[str], left: Sequence[str] = ()) -> None:
        """See ``Store``: what an object store has answered for is durable."""

    def remove(self, path: str, counts: Callable[[str], bool] = everything) -> int:
        """See ``Store``."""
        self.check()
        found = list_folder(self.bucket, path)
        if not found:
            with contextlib.suppress(FileNotFoundError):
                found = {path: self.bucket.head(path)}
        self.bucket.delete(list(found))
        return sum(meta.size for key, meta in found.items() if counts(key))

    @contextlib.contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """See ``Store``. It ends with the process where this machine held it, and else some time after."""
        self._lease = Lease(self.bucket, path)
        try:
            with self._lease.held():
                yield
        finally:
            self._lease = None

    def check(self) -> None:
        """Raise ``OSError`` when a lock that was taken is no longer held."""
        if self._lease is not None:
            self._lease.check()
