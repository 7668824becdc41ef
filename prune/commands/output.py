"""What a person sees: tables, sizes, progress on stderr. With ``--json`` stdout holds one object and nothing else."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from prune.drawing.bytes import human
from prune.sources.base import Progress, Report, silent


def clean(text: str) -> str:
    """Return ``text`` without anything that could steer a terminal: names in a registry are other people's."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


def human_bytes(number: int | None) -> str:
    """Return ``1.5 GB`` for a number of bytes, in powers of 1000 as disks are sold; ``unknown`` for ``None``."""
    return "unknown" if number is None else human(number)


def print_json(value: Any) -> None:
    """Write one JSON object to stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_table(rows: Iterable[Sequence[str]], indent: str = "  ") -> None:
    """Write rows to stdout in aligned columns."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[i]) if i < len(row) else 0 for row in cells) for i in range(max(map(len, cells)))]
    for row in cells:
        print((indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip())


def say(text: str) -> None:
    """Write one line to stderr."""
    print(clean(text), file=sys.stderr)


class ProgressBar:
    """A bar on stderr, drawn only when stderr is a terminal and at most ten times a second."""

    def __init__(self) -> None:
        self._last = 0.0
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        import time

        now = time.monotonic()
        if now - self._last < 0.1 and progress.done != progress.total:
            return
        self._last = now
        if progress.total:
            filled = min(24, 24 * progress.done // progress.total)
            line = f"{progress.what} [{'#' * filled}{'.' * (24 - filled)}] {progress.done}/{progress.total}"
        else:
            line = f"{progress.what} {progress.done}"
        line = clean(line)[:118]
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def finish(self) -> None:
        """Take the bar away, so that what follows starts on a clean line."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0


def progress_bar() -> tuple[Report, ProgressBar | None]:
    """Return where to report to: a bar on a terminal, nobody elsewhere."""
    if not sys.stderr.isatty():
        return silent, None
    bar = ProgressBar()
    return bar, bar
