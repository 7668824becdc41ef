"""Many moves between a few folders of a disk: each folder is opened once, segment by segment, and what is in it is
reached from there.

So the system goes down the long paths of a registry once for some hundred moves, and a link that somebody puts on the
way leads nowhere: an open folder stays the one that was looked at. One that somebody has put another in the place of
meanwhile is no longer what the registry serves: then moving ends with an error, and whoever goes on looks anew.
"""

import contextlib
import ctypes
import errno
import functools
import os
import stat as modes
from collections.abc import Callable

from prune.model.errors import Refused

_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = _ROOT | os.O_NOFOLLOW
_RENAME_NOREPLACE = 1
#: From so many open folders on all are closed: a process may have a thousand files open, and has other things to do.
MOST_OPEN = 200


class OpenFolders:
    """Folders below ``root``. What is made on the way leaves ``settled``, the folders that are durable."""

    def __init__(self, root: str, settled: set[str]) -> None:
        self._root = root
        self._settled = settled
        self._open: dict[str, int] = {}

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            os.close(self._open.popitem()[1])

    def near(self, path: str) -> tuple[int, str] | None:
        """Return an open folder that ``path`` lies in, directly or one folder further down, and the way from there;
        ``None`` when there is no such."""
        around, _, name = path.rpartition("/")
        here = self._open.get(around)
        if here is not None:
            return here, name
        further, _, folder = around.rpartition("/")
        here = self._open.get(further)
        return None if here is None else (here, f"{folder}/{name}")

    def move(self, source: str, target: str, *, folder: bool = False) -> None:
        """See ``Store.move``. One ``rename``; permissions, owners and times of what is moved stay. Raises ``OSError``
        with ``ESTALE`` when a folder on the way was replaced since it was opened."""
        if len(self._open) > MOST_OPEN or source in self._open:  # what is open in there gets another path
            self.check()
            self.close()
        try:
            self._move(source, target, folder=folder)
        except FileNotFoundError:
            # Not there, or not in the folder that was there when it was opened? The difference is one kept image.
            self.check()
            raise
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._open:
                raise
            self.check()
            self.close()
            self._move(source, target, folder=folder)

    def check(self) -> None:
        """Raise ``OSError`` with ``ESTALE`` when a folder was replaced, or taken away, since it was opened."""
        for path, descriptor in self._open.items():
            place = f"{self._root}/{path}" if path else self._root
            try:
                there = os.stat(place, follow_symlinks=not path)
            except (FileNotFoundError, NotADirectoryError):
                there = None
            if there is None or not os.path.samestat(there, os.fstat(descriptor)):
                raise OSError(errno.ESTALE, "A folder was replaced while things in it moved", place)

    def _move(self, source: str, target: str, *, folder: bool) -> None:
        around, _, name = source.rpartition("/")
        into, _, new = target.rpartition("/")
        here = self._open.get(around)
        if here is None:
            here = self._folder(around)
        _plain(name, source)
        if not folder:
            self._look(here, name, source)
        there = self._open.get(into)
        if there is None:
            there = self._folder(into, make=True)
        _plain(new, target)
        try:
            if _moved_at_once(here, name, there, new, folder=folder):
                return
        except NotADirectoryError:
            self._look(here, name, source, folder=True)
            raise
        if folder:
            self._look(here, name, source, folder=True)
        try:
            os.lstat(new, dir_fd=there)
        except FileNotFoundError:
            os.rename(f"{name}/" if folder else name, new, src_dir_fd=here, dst_dir_fd=there)
        else:
            raise FileExistsError(errno.EEXIST, "something is there already", f"{self._root}/{target}")

    def _look(self, here: int, name: str, path: str, *, folder: bool = False) -> None:
        """Raise ``Refused`` for a link, and where there must be a ``folder`` ``NotADirectoryError`` for all else."""
        mode = os.lstat(name, dir_fd=here).st_mode
        if modes.S_ISLNK(mode):
            raise self._is_link(path)
        if folder and not modes.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), f"{self._root}/{path}")

    def _folder(self, path: str, *, make: bool = False) -> int:
        found = self._open.get(path)
        if found is not None:
            return found
        if not path:
            opened = os.open(self._root, _ROOT)
        else:
            around, _, name = path.rpartition("/")
            parent = self._folder(around, make=make)
            try:
                opened = self._enter(_plain(name, path), parent, path)
            except FileNotFoundError:
                if not make:
                    raise
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
                self._settled.discard(path)
                self._settled.discard(around)
                opened = self._enter(name, parent, path)
        self._open[path] = opened
        return opened

    def _enter(self, name: str, parent: int, path: str) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except NotADirectoryError:
            if modes.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode):
                raise self._is_link(path) from None
            raise

    def _is_link(self, path: str) -> Refused:
        return Refused(f"{self._root}/{path} is a symbolic link; nothing behind it is touched.")


@functools.cache
def _rename_to_nothing() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """Return the system's call that renames only to a name that nothing has, in one step, where there is one."""
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None


def _moved_at_once(here: int, name: str, there: int, new: str, *, folder: bool) -> bool:
    """Rename; return whether that could be done with nothing in between, not even by somebody else."""
    rename = _rename_to_nothing()
    if rename is None:
        return False
    old = os.fsencode(name)
    target = old if new == name else os.fsencode(new)
    # With a slash behind it nothing is renamed but a folder, and no link to one: the system sees to that.
    if rename(here, old + b"/" if folder else old, there, target, _RENAME_NOREPLACE) == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False  # not every file system can
    raise OSError(error, os.strerror(error), name, None, new)


def _plain(name: str, path: str) -> str:
    if name in ("", ".", ".."):
        raise Refused(f"{path!r} is no path inside the store.")
    return name
