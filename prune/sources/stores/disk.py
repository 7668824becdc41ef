"""A store on a local disk."""

import contextlib
import fcntl
import os
import stat as modes
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from prune.model.errors import Refused, Unreadable
from prune.sources.stores.base import Entry, Stat, everything
from prune.sources.stores.opened import OpenFolders
from prune.sources.stores.removal import remove_folder

#: Bytes read at once from what is too large to be read whole.
_PIECE = 1 << 20
#: Folders that are made durable side by side, and from how many on that is worth it.
_AT_ONCE = 8
_ENOUGH = 32
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DiskStore:
    """The tree below one folder. Symbolic links inside of it are seen and never followed."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.name = f"storage:{self.root}"
        self._prefix = self.root.rstrip("/") + "/"
        self._settled: set[str] = set()
        """Folders that are durable in their parents, as far as this store has seen to it."""
        self._appended: set[str] = set()
        """Files that were appended to: they can be found again after a power cut."""
        self._opened: OpenFolders | None = None
        """Within `together`: folders from which and to which something was moved."""

    def remark(self) -> str:
        """See ``Store``."""
        return ""

    def _at(self, path: str) -> str:
        return self._prefix + path

    # ---- reading ------------------------------------------------------------------------------------------

    def entries(self, folder: str) -> list[Entry]:
        """See ``Store``. A name that is not UTF-8 is shown escaped and never opened."""
        found = []
        with os.scandir(self._at(folder)) as listing:
            for item in listing:
                name = item.name
                if item.is_dir(follow_symlinks=False):
                    kind = "folder"
                else:
                    kind = "file" if item.is_file(follow_symlinks=False) else "other"
                if not name.isascii():
                    try:
                        name.encode()
                    except UnicodeEncodeError:
                        name, kind = os.fsencode(name).decode("ascii", "backslashreplace"), "other"
                found.append(Entry(name, kind))
        found.sort(key=_by_name)
        return found

    def read(self, path: str, limit: int) -> tuple[bytes, Stat]:
        """See ``Store``."""
        descriptor, status = self._open(path)
        try:
            if status.st_size > limit:
                raise Unreadable(f"is larger than {limit} bytes")
            body = os.read(descriptor, status.st_size + 1)
            if len(body) != status.st_size:
                body = self._read_rest(descriptor, body, limit)
        finally:
            os.close(descriptor)
        return body, Stat(len(body), int(status.st_mtime))

    def _open(self, path: str) -> tuple[int, os.stat_result]:
        """Open a plain file; whoever asked closes it."""
        try:
            descriptor = os.open(self._prefix + path, _READ)
        except OSError as error:
            if error.errno == 40:  # ELOOP: the last segment is a symbolic link
                raise Unreadable("is a symbolic link") from None
            raise
        status = os.fstat(descriptor)
        if not modes.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Unreadable("is no plain file")
        return descriptor, status

    def stream(self, path: str) -> Generator[bytes, None, None]:
        """See ``Store``."""
        descriptor, _ = self._open(path)
        try:
            while piece := os.read(descriptor, _PIECE):
                yield piece
        finally:
            os.close(descriptor)

    @staticmethod
    def _read_rest(descriptor: int, body: bytes, limit: int) -> bytes:
        """Read on after a short read, or in a file that grows at this moment."""
        while more := os.read(descriptor, 1 << 20):
            body += more
            if len(body) > limit:
                raise Unreadable(f"is larger than {limit} bytes")
        return body

    def stat(self, path: str) -> Stat:
        """See ``Store``."""
        status = self._lstat(path)
        if not modes.S_ISREG(status.st_mode):
            raise Unreadable("is no plain file")
        return Stat(status.st_size, int(status.st_mtime))

    def stat_each(self, folder: str, paths: Sequence[str]) -> list[Stat | None]:
        """See ``Store``. The system goes down the way to the folder once."""
        lstat, is_regular = os.lstat, modes.S_ISREG
        found: list[Stat | None] = []
        try:
            here = os.open(self._at(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return [None] * len(paths)
        try:
            for path in paths:
                try:
                    status = lstat(path, dir_fd=here)
                except OSError:
                    found.append(None)
                else:
                    plain = is_regular(status.st_mode)
                    found.append(Stat(status.st_size, int(status.st_mtime)) if plain else None)
        finally:
            os.close(here)
        return found

    def kind(self, path: str) -> str | None:
        """See ``Store``."""
        try:
            mode = self._lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return "folder" if modes.S_ISDIR(mode) else "file" if modes.S_ISREG(mode) else "other"

    def _lstat(self, path: str) -> os.stat_result:
        near = self._opened.near(path) if self._opened is not None else None
        if near is not None:
            with contextlib.suppress(FileNotFoundError):
                return os.lstat(near[1], dir_fd=near[0])
        # Also what an open folder does not have: another may be in its place by now.
        return os.lstat(self._prefix + path)

    def blobs(self, folder: str) -> Iterator[tuple[str, Stat | None]]:
        """See ``Store``. The folder is read whole and closed before anything of it is yielded."""
        lstat, is_regular = os.lstat, modes.S_ISREG
        found = []
        # Looking things up from the folder itself spares the system the way down from the root, each time.
        here = os.open(self._at(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(here) as listing:
                for item in listing:
                    name = item.name
                    stat = None
                    if item.is_dir(follow_symlinks=False):
                        try:
                            status = lstat(name + "/data", dir_fd=here)
                            if is_regular(status.st_mode):
                                stat = Stat(status.st_size, int(status.st_mtime))
                        except (FileNotFoundError, NotADirectoryError):
                            pass
                    found.append((name, stat))
        finally:
            os.close(here)
        return iter(found)

    def files(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """See ``Store``. No folder is open while the caller looks at what was in it: who stops early leaves nothing
        behind, and who removes what was yielded does not change a listing that is under way."""
        pending = [folder]
        while pending:
            here = pending.pop()
            found = []
            with os.scandir(self._at(here)) as listing:
                for item in listing:
                    path = f"{here}/{item.name}" if here else item.name
                    if item.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif item.is_file(follow_symlinks=False):
                        status = item.stat(follow_symlinks=False)
                        found.append((path, Stat(status.st_size, int(status.st_mtime))))
            yield from found

    def appended(self, path: str, limit: int) -> bytes:
        """See ``Store``."""
        return self.read(path, limit)[0]

    def expect(self, paths: Sequence[str], limit: int) -> None:
        """See ``Store``: a disk is not slow to answer."""

    @contextlib.contextmanager
    def together(self, folders: Iterable[str]) -> Iterator["DiskStore"]:
        """See ``Store``. For so long folders between which things move stay open; at the end those that were open
        last must be the ones that are there."""
        before, self._opened = self._opened, OpenFolders(self.root, self._settled)
        try:
            yield self
            self._opened.check()
        finally:
            self._opened.close()
            self._opened = before

    # ---- writing ------------------------------------------------------------------------------------------

    def write(self, path: str, body: bytes) -> None:
        """See ``Store``. The bytes lie in a temporary file beside it until they are on the disk. What is replaced
        hands its permissions on, and its owner where that is allowed."""
        target = self._at(path)
        self._make_folder(os.path.dirname(target))
        temporary = f"{target}.{os.getpid()}.new"
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
            )
            try:
                _write_all(descriptor, body)
                _be_like(descriptor, target)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, target)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(os.path.dirname(target))

    def append(self, path: str, body: bytes) -> None:
        """See ``Store``."""
        target = self._at(path)
        self._make_folder(os.path.dirname(target))
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(target, flags | os.O_CREAT, 0o644)
        try:
            _write_all(descriptor, body)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path not in self._appended:
            # Also when it was there: who made it may have been killed before its folders were durable.
            self.settle([path])
            self._appended.add(path)

    def move(self, source: str, target: str, *, folder: bool = False) -> None:
        """See ``Store``. One ``rename``; permissions, owners and times of what is moved stay. Folders that are made
        for it are durable when `settle` has seen to it."""
        if self._opened is not None:
            self._opened.move(source, target, folder=folder)
        else:
            with contextlib.closing(OpenFolders(self.root, self._settled)) as opened:
                opened.move(source, target, folder=folder)

    def was_moved(self, source: str, target: str) -> bool:
        """See ``Store``. A move is one rename: what lies at its end was moved."""
        return self.kind(target) is not None

    def take_back(self, source: str, target: str) -> None:
        """See ``Store``: no rename is ever half done."""

    def settle(self, arrived: Sequence[str], left: Sequence[str] = ()) -> None:
        """See ``Store``. A folder in which something changed is always synced, those above it the first time and
        whenever a folder was made in them."""
        for paths in filter(None, (arrived, left)):
            folders = self._unsettled(paths)
            _sync([self._at(folder) for folder in folders])
            self._settled.update(folders)  # the very set: what has folders open takes from it what it makes

    def _unsettled(self, paths: Sequence[str]) -> dict[str, None]:
        folders: dict[str, None] = {}
        for path in paths:
            folder = path.rpartition("/")[0]
            if folder in folders:
                continue  # and so are those above it
            folders[folder] = None
            while folder and (folder := folder.rpartition("/")[0]) not in self._settled:
                folders[folder] = None
        return folders

    def remove(self, path: str, counts: Callable[[str], bool] = everything) -> int:
        """See ``Store``."""
        target = self._at(path)
        self._refuse_links(os.path.dirname(path))
        try:
            status = os.lstat(target)
        except FileNotFoundError:
            return 0
        if not modes.S_ISDIR(status.st_mode):
            os.unlink(target)
            return status.st_size if modes.S_ISREG(status.st_mode) and counts(path) else 0
        return remove_folder(target, path, counts)

    @contextlib.contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """See ``Store``. An advisory lock of the system, gone with the process that held it."""
        self._refuse_links(path)
        target = self._at(path)
        self._make_folder(os.path.dirname(target))
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("Another cleanup of this store is running; wait until it is done.") from None
            yield
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: str) -> None:
        """Make a folder and its parents, each durable in its own parent."""
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        self._make_folder(parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        _sync_folder(parent)

    def _refuse_links(self, path: str) -> None:
        """Raise ``Refused`` when any segment of ``path`` is a symbolic link: it could lead out of the store."""
        here = self.root
        for segment in path.split("/"):
            if segment in ("", ".", ".."):
                if path:
                    raise Refused(f"{path!r} is no path inside the store.")
                return
            here = f"{here}/{segment}"
            if not self._refuse_link(here):
                return

    @staticmethod
    def _refuse_link(here: str) -> bool:
        """Raise ``Refused`` when there is a link; tell whether there is anything."""
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            return False
        if modes.S_ISLNK(mode):
            raise Refused(f"{here} is a symbolic link; nothing behind it is touched.")
        return True


def _by_name(entry: Entry) -> str:
    return entry.name


def _be_like(descriptor: int, path: str) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if modes.S_ISREG(status.st_mode):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, modes.S_IMODE(status.st_mode))


def _write_all(descriptor: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(folders: list[str]) -> None:
    """Make folders durable, in no order. A disk answers for several that wait at the same time with one flush."""
    if len(folders) < _ENOUGH:
        _sync_all(folders)
        return
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="settling") as pool:
        try:
            for _ in pool.map(_sync_all, [folders[number::_AT_ONCE] for number in range(_AT_ONCE)]):
                pass
        except RuntimeError:  # the system lets nobody have one more thread
            _sync_all(folders)


def _sync_all(folders: list[str]) -> None:
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):  # gone together with what was in it
            _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
