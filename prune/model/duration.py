"""Durations as people write them: ``24h``, ``7d``, ``90m``, ``2w``, ``1h30m``, or plain seconds."""

import re

from prune.model.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"(\d{1,9})([smhdw])")


def parse_duration(text: str) -> int:
    """Return ``text`` in whole seconds; raise ``UsageError`` for anything else, negative durations included."""
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    if not text or _PART.sub("", text):
        raise UsageError(f"{text!r} is not a duration; write for instance 24h, 7d or 90m.")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def in_words(seconds: float) -> str:
    """Return ``15 minutes``, ``90 seconds`` or ``2 hours``: the largest unit that leaves no rest."""
    whole = round(seconds)
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if whole >= size and whole % size == 0:
            return f"{whole // size} {unit}" + ("" if whole == size else "s")
    return f"{whole} seconds"
