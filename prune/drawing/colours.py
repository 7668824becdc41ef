"""Colours of a drawing that tell something else than what goes: how old images are, or how much they add."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from prune.drawing.words import Words
from prune.graph.images import Node

type Colour = Literal["fate", "age", "size"]

#: Up to so many days old; what is older has the last step.
DAYS = (7, 30, 180, 365)
#: Up to so many bytes of its own.
BYTES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)

#: 1990: reproducible builds say 1970 or 1980, and nobody built an image then.
EARLIEST = 631_152_000

#: For `.png` and `.dot`; pages take theirs from a style sheet. From the lightest step to the darkest, then unknown.
FILLS = ("#eef7f5", "#cfe9e5", "#a5d6cf", "#77c0b7", "#4aa79d", "#ffffff")


class Colours(msgspec.Struct, frozen=True):
    """Gives every node the class of its step: ``step-0`` is the newest or the smallest, ``step-none`` is unknown."""

    by: Colour = "fate"
    now: int = 0
    """Seconds since 1970."""

    def of(self, node: Node) -> str:
        """Return the class of a node; empty where nothing but its fate gives it a colour."""
        if self.by == "fate" or node.kind != "image":
            return ""
        if self.by == "size":
            return f"step-{_step(node.own, BYTES)}"
        days = self._days(node)
        return "step-none" if days is None else f"step-{_step(days, DAYS)}"

    def word(self, node: Node, words: Words) -> str:
        """Return in words what the colour says, where nothing else in the box does."""
        if self.by != "age" or node.kind != "image":
            return ""
        created = day(node.created)
        return words.day(created) if created else words.say("age unknown")

    def fill(self, look: str) -> str:
        """Return the colour of a class."""
        step = look.partition(" ")[0].removeprefix("step-")
        return FILLS[int(step)] if step.isdecimal() else FILLS[-1]

    def _days(self, node: Node) -> int | None:
        moment = _moment(node.created)
        return int((self.now - moment) // 86_400) if moment is not None and moment <= self.now else None


def day(created: str) -> str:
    """Return the day that a config names, ``2026-01-31``; empty where nobody can have built an image then."""
    return "" if _moment(created) is None else created[:10]


def _moment(created: str) -> float | None:
    try:
        moment = datetime.fromisoformat(created[:19]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return moment if moment > EARLIEST else None


def _step(number: int, bounds: tuple[int, ...]) -> int:
    return sum(number >= bound for bound in bounds)
