"""Removing a folder of a disk for good: in one pass, and with several removals under way at the same time.

On a quick disk it is the processor that takes long, and processes share the work; on a slow one a removal waits until
freed blocks are handed back, or until a file server has answered, and threads wait side by side. Everything is
reached from the folder itself, so that no link is ever followed.
"""

import contextlib
import errno
import os
import stat as modes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched, repeat

import msgspec

from prune.sources.forking import forked, may_fork

#: Removals under way at the same time. Twice as many gained nothing on any disk that was tried.
WORKERS = 8
#: Seconds that the removal of a name may take before several go on side by side: below, they would only take turns.
SLOW = 0.0005
MOST_PROCESSES = 4
#: Once there are so many folders to share out, none of them is opened to find more.
_ENOUGH = 4 * WORKERS
#: Pieces into which the names that were found are divided: many, for nobody knows how much is behind a name.
_PIECES = 16 * WORKERS
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

type Counts = Callable[[str], bool]
type Names = list[tuple[str, bool]]


class _Share(msgspec.Struct, frozen=True):
    """What came of a share: the bytes that counted, or the number of an error and where it was."""

    held: int
    error: int = 0
    place: str = ""


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
        size = max(1, sum(len(names) for _, names in level) // _PIECES)
        pieces = [(folder, list(piece)) for folder, names in level for piece in batched(names, size)]
        held = _share_out(pieces, counts)
        for folder in reversed(upper):
            held += _remove(folder.descriptor, folder.path, _names(folder.descriptor), counts)
            os.rmdir(folder.name, dir_fd=folder.parent)
    return held


def _share_out(pieces: list[tuple[_Folder, Names]], counts: Counts) -> int:
    """Remove what ``pieces`` name, with as many processes as there are processors where that is safe; when one fails
    the others that have not begun never do."""
    processes = min(MOST_PROCESSES, os.cpu_count() or 1) if len(pieces) >= _ENOUGH and may_fork() else 1
    shared = [pieces[number::processes] for number in range(processes)]
    others = [forked(partial(_worked_off, share, counts), _Share) for share in shared[1:]]
    results = [_worked_off(shared[0], counts)]
    for share, join in zip(shared[1:], others, strict=True):
        # Of a child that was killed, what it has not removed is removed here.
        results.append(join() or _worked_off([_left(*piece) for piece in share], counts))
    for result in results:
        if result.error:
            raise OSError(result.error, os.strerror(result.error), result.place)
    return sum(result.held for result in results)


def _worked_off(pieces: list[tuple[_Folder, Names]], counts: Counts) -> _Share:
    held = 0
    try:
        for number, piece in enumerate(pieces, 1):
            begun = time.perf_counter()
            held += _remove_piece(piece, counts)
            if time.perf_counter() - begun > SLOW * len(piece[1]):
                return _Share(held + _side_by_side(pieces[number:], counts))
    except OSError as error:
        return _Share(held, error.errno or errno.EIO, str(error.filename or ""))
    return _Share(held)


def _side_by_side(pieces: list[tuple[_Folder, Names]], counts: Counts) -> int:
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
    usual = ""  # folders of a registry that lie side by side hold a file of the same name, and nothing else
    for name, is_folder in names:
        inner = f"{path}/{name}"
        if not is_folder:
            held += _unlink(descriptor, name, inner, counts)
            continue
        here = os.open(name, _FOLDER, dir_fd=descriptor)
        try:
            if usual:
                with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                    held += _unlink(here, usual, f"{inner}/{usual}", counts)
                if _rmdir(name, descriptor):
                    continue
            found = _names(here)
            held += _remove(here, inner, found, counts)
        finally:
            os.close(here)
        os.rmdir(name, dir_fd=descriptor)
        usual = found[0][0] if len(found) == 1 and not found[0][1] else ""
    return held


def _unlink(descriptor: int, name: str, path: str, counts: Counts) -> int:
    """Remove a file; return its bytes when they count."""
    held = 0
    if counts(path):
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        held = status.st_size if modes.S_ISREG(status.st_mode) else 0
    os.unlink(name, dir_fd=descriptor)
    return held


def _rmdir(name: str, descriptor: int) -> bool:
    """Remove a folder unless there is something in it."""
    try:
        os.rmdir(name, dir_fd=descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _left(folder: _Folder, names: Names) -> tuple[_Folder, Names]:
    there = {name for name, _ in _names(folder.descriptor)}
    return folder, [one for one in names if one[0] in there]


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
