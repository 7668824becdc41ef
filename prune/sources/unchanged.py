"""Finding out, with nothing but `stat`, that a store is as it was at the last scan.

This module imports next to nothing: it runs before the rest of the command is loaded, and starting Python is already
a good part of the time that an unchanged rescan takes. The file is written by `prune.sources.cache`.
"""

import marshal
import os

MAGIC = b"registryui-cache 4"
#: A head is read whole; this is far beyond a store of a million tags.
MAX_HEAD_BYTES = 1 << 30
#: From so many bytes of paths on a second process looks at half of them.
WORTH_A_PROCESS = 400_000


class Remembered:
    """The head of a cache file. ``paths`` are two halves, relative to ``root``, a line each; ``stats`` is how they
    stood."""

    def __init__(
        self, source: str, root: str, summary: str, paths: tuple[bytes, bytes], stats: tuple[bytes, bytes]
    ) -> None:
        self.source = source
        self.root = root
        self.summary = summary
        self.complete = '"complete":true' in summary
        self.paths = paths
        self.stats = stats

    def holds(self) -> bool:
        """Tell whether every path is as it was. Without paths nothing is known, and nothing holds."""
        first, second = self.paths
        if not second:
            return False
        if len(first) < WORTH_A_PROCESS or (os.cpu_count() or 1) < 2 or not hasattr(os, "fork"):
            return (_look(self.root, first), _look(self.root, second)) == self.stats
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = int(_look(self.root, second) != self.stats[1])
            finally:
                os._exit(code)
        same = _look(self.root, first) == self.stats[0]
        _, status = os.waitpid(child, 0)
        return same and status == 0


def look(root: str, paths: list[str]) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Return the paths in two halves, and how each half stands. Both only for `Remembered`."""
    half = len(paths) // 2
    first, second = os.fsencode("\n".join(paths[:half])), os.fsencode("\n".join(paths[half:]))
    return (first, second), (_look(root, first), _look(root, second))


def _look(root: str, paths: bytes) -> bytes:
    """Return the time of the inode and the time of the content of each path, zeros for what is not there.

    The first changes with everything that can happen to a file: writing, renaming, linking, permissions.
    """
    prefix = os.fsencode(root.rstrip("/") + "/")
    found: list[int] = []
    add = found.append
    lstat = os.lstat
    for path in paths.split(b"\n") if paths else ():
        try:
            status = lstat(prefix + path)
        except OSError:
            found += (0, 0)
            continue
        add(status.st_ctime_ns)
        add(status.st_mtime_ns)
    return marshal.dumps(found)


def read_head(file: str) -> Remembered | None:
    """Return the head of a cache file; ``None`` when there is none, or it is damaged or of another version.

    Damage to paths or stats makes them differ from what is there; the summary stands there twice.
    """
    try:
        with open(file, "rb") as opened:
            first = opened.readline(200)
            if not first.startswith(MAGIC + b" "):
                return None
            lengths = [int(word) for word in first[len(MAGIC) :].split()]
            if len(lengths) != 8 or sum(lengths) > MAX_HEAD_BYTES or min(lengths) < 0:
                return None
            fields = [opened.read(length) for length in lengths]
        if [len(field) for field in fields] != lengths or fields[2] != fields[3]:
            return None
        source, root, summary = (field.decode() for field in fields[:3])
    except (OSError, ValueError):
        return None
    return Remembered(source, root, summary, (fields[4], fields[5]), (fields[6], fields[7]))


def write_head(source: str, root: str, summary: str, paths: tuple[bytes, bytes], stats: tuple[bytes, bytes]) -> bytes:
    """Return the head of a cache file; see `read_head`."""
    text = summary.encode()
    fields = [source.encode(), root.encode(), text, text, *paths, *stats]
    return MAGIC + b" " + " ".join(str(len(field)) for field in fields).encode() + b"\n" + b"".join(fields)


def unchanged(source: str, file: str) -> Remembered | None:
    """Return what the last scan of ``source`` (a SOURCE string) found, when nothing changed since."""
    if not source.startswith("storage:"):
        return None
    head = read_head(file)
    if head is None or head.source != "storage:" + os.path.abspath(source[len("storage:") :]):
        return None
    return head if head.holds() else None
