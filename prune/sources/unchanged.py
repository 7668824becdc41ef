"""Finding out, with nothing but `stat`, that a store is as it was at the last scan.

This module imports next to nothing: it runs before the rest of the command is loaded, and starting Python is already
a good part of the time that an unchanged rescan takes. The file is written by `prune.sources.cache`.
"""

import os
import zlib
from array import array

MAGIC = b"registryui-cache 2"
#: A head is read whole; this is far beyond a store of a million tags.
MAX_HEAD_BYTES = 1 << 30
#: From so many paths on a second process looks at half of them.
WORTH_A_PROCESS = 4000


class Remembered:
    """The head of a cache file. ``paths`` are relative to ``root``; ``stats`` four numbers for each of them."""

    def __init__(self, source: str, root: str, summary: str, complete: bool, paths: list[str], stats: bytes) -> None:
        self.source = source
        self.root = root
        self.summary = summary
        self.complete = complete
        self.paths = paths
        self.stats = stats

    def holds(self) -> bool:
        """Tell whether every path is as it was. Without paths nothing is known, and nothing holds."""
        half = len(self.paths) // 2
        if not self.paths:
            return False
        if len(self.paths) < WORTH_A_PROCESS or (os.cpu_count() or 1) < 2 or not hasattr(os, "fork"):
            return look(self.root, self.paths) == self.stats
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = int(look(self.root, self.paths[half:]) != self.stats[half * 32 :])
            finally:
                os._exit(code)
        same = look(self.root, self.paths[:half]) == self.stats[: half * 32]
        _, status = os.waitpid(child, 0)
        return same and status == 0


def look(root: str, paths: list[str]) -> bytes:
    """Return inode, size, time of content and time of inode of each path, zeros for what is not there."""
    prefix = root.rstrip("/") + "/"
    found: list[int] = []
    add = found.append
    lstat = os.lstat
    for path in paths:
        try:
            status = lstat(prefix + path)
        except OSError:
            found += (0, 0, 0, 0)
            continue
        add(status.st_ino)
        add(status.st_size)
        add(status.st_mtime_ns)
        add(status.st_ctime_ns)
    return array("Q", found).tobytes()


def read_head(file: str) -> Remembered | None:
    """Return the head of a cache file; ``None`` when there is none, or it is damaged or of another version."""
    try:
        with open(file, "rb") as opened:
            first = opened.readline(200)
            if not first.startswith(MAGIC + b" "):
                return None
            crc, *lengths = map(int, first[len(MAGIC) :].split())
            if len(lengths) != 5 or sum(lengths) > MAX_HEAD_BYTES or min(lengths) < 0:
                return None
            head = opened.read(sum(lengths))
    except (OSError, ValueError):
        return None
    if len(head) != sum(lengths) or zlib.crc32(head) != crc:
        return None
    fields = []
    at = 0
    for length in lengths:
        fields.append(head[at : at + length])
        at += length
    try:
        source, root, summary, paths = (field.decode() for field in fields[:4])
    except UnicodeDecodeError:
        return None
    listed = paths.split("\n") if paths else []
    if len(fields[4]) != 32 * len(listed):
        return None
    return Remembered(source, root, summary, '"complete":true' in summary, listed, fields[4])


def write_head(source: str, root: str, summary: str, paths: list[str], stats: bytes) -> bytes:
    """Return the head of a cache file; see `read_head`."""
    fields = [source.encode(), root.encode(), summary.encode(), "\n".join(paths).encode(), stats]
    head = b"".join(fields)
    numbers = " ".join(str(number) for number in (zlib.crc32(head), *map(len, fields)))
    return MAGIC + b" " + numbers.encode() + b"\n" + head


def unchanged(source: str, file: str) -> Remembered | None:
    """Return what the last scan of ``source`` (a SOURCE string) found, when nothing changed since."""
    if not source.startswith("storage:"):
        return None
    head = read_head(file)
    if head is None or head.source != "storage:" + os.path.abspath(source[len("storage:") :]):
        return None
    return head if head.holds() else None
