"""Removing a folder of a disk for good: in one pass, and with several removals under way at the same time.

What takes long is the disk, not the processor: a removal waits until freed blocks are handed back, or until a file
server has answered. Everything is reached from the folder itself, so that no link is ever followed.
"""

import contextlib
import errno
import os
import stat as modes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import batched, repeat

import msgspec

#: Removals under way at the same time. Twice as many gained nothing on any disk that was tried.
WORKERS = 8
#: Once there are so many folders to share out, none of them is opened to find more.
_ENOUGH = 4 * WORKERS
#: Names that are shared out together, at most: a flat folder is shared out as well.
_PIECE = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

type Counts = Callable[[str], bool]
type Names = list[tuple[str, bool]]


class _Folder(msgspec.Struct, frozen=True):
    """An open folder, its path as the caller calls it, and where it hangs."""

    descriptor: int
    path: str
    name: str
    parent: int | None


def remove_folder(place: str, path: str, counts: Counts) -> int:
    """Remove the folder at ``place`` with all that it holds; return the bytes of those plain files that ``counts``
    accepts. It is asked by paths that begin with ``path``. Raises ``OSError``; a part may be gone by then."""
    with contextlib.ExitStack() as opened:
        top = _Folder(_open(opened, place), path, place, None)
        upper, level = [top], [(top, _names(top.descriptor))]
        while 0 < sum(is_folder for _, names in level for _, is_folder in names) < _ENOUGH:
            level = [
                (child, _names(child.descriptor))
                for folder, names in level
                for name, is_folder in names
                if is_folder
                for child in [_child(opened, folder, name)]
            ]
            upper += [folder for folder, _ in level]
        pieces = [(folder, list(piece)) for folder, names in level for piece in batched(names, _PIECE)]
        held = _share_out(pieces, counts)
        for folder in reversed(upper):
            held += _remove(folder.descriptor, folder.path, _names(folder.descriptor), counts)
            os.rmdir(folder.name, dir_fd=folder.parent)
    return held


def _share_out(pieces: list[tuple[_Folder, Names]], counts: Counts) -> int:
    """Remove what ``pieces`` name, several at a time; when one fails the others that have not begun never do."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="removing") as pool:
        try:
            return sum(pool.map(_remove_piece, pieces, repeat(counts)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _remove_piece(piece: tuple[_Folder, Names], counts: Counts) -> int:
    folder, names = piece
    try:
        return _remove(folder.descriptor, folder.path, names, counts)
    except RecursionError:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), folder.path) from None


def _remove(descriptor: int, path: str, names: Names, counts: Counts) -> int:
    """Remove ``names`` from an open folder, with all that they hold."""
    held = 0
    for name, is_folder in names:
        inner = f"{path}/{name}"
        if is_folder:
            here = os.open(name, _FOLDER, dir_fd=descriptor)
            try:
                held += _remove(here, inner, _names(here), counts)
            finally:
                os.close(here)
            os.rmdir(name, dir_fd=descriptor)
            continue
        if counts(inner):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            held += status.st_size if modes.S_ISREG(status.st_mode) else 0
        os.unlink(name, dir_fd=descriptor)
    return held


def _names(descriptor: int) -> Names:
    with os.scandir(descriptor) as listing:
        return [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]


def _child(opened: contextlib.ExitStack, folder: _Folder, name: str) -> _Folder:
    descriptor = _open(opened, name, folder.descriptor)
    return _Folder(descriptor, f"{folder.path}/{name}", name, folder.descriptor)


def _open(opened: contextlib.ExitStack, name: str, parent: int | None = None) -> int:
    descriptor = os.open(name, _FOLDER, dir_fd=parent)
    opened.callback(os.close, descriptor)
    return descriptor
