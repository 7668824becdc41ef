"""What a reviewer should look at first: of everything that goes, what spoke for keeping it. Pure.

Nothing here decides anything. A plan is made by its own rules; these are the questions a careful colleague would ask.
"""

import re

import msgspec

DAY = 86_400
#: Pushed so shortly before the scan, somebody may still be at work on it.
FRESH_DAYS = 7
#: An image that alone frees so many times what the middle one does stands out, from so many bytes on.
TIMES_LARGER = 10
LARGE_BYTES = 100_000_000

_MOVING = re.compile(r"(?:.*[-_.])?(?:latest|stable|prod|production|live|current)", re.I)
_RELEASE = re.compile(r"(?:v|release[-_/]?)?\d+\.\d+(?:\.\d+)?(?:\+[\w.]+)?", re.I)


class Facts(msgspec.Struct, frozen=True):
    """What is known of one thing that goes. ``pushed`` and ``scanned`` are seconds since 1970; bytes are bytes."""

    tag: str = ""
    pushed: int | None = None
    scanned: int = 0
    newest: bool = False
    """Nothing was pushed later to its repository."""
    emptied: bool = False
    """Every tag of its repository goes."""
    dependents: int = 0
    attached: tuple[str, ...] = ()
    own: int = 0
    usual: int = 0
    """The bytes that the middle one of everything that goes alone needs."""
    elsewhere: tuple[str, ...] = ()
    """Where the same image stays."""


class Signal(msgspec.Struct, frozen=True):
    """One thing that spoke for keeping: its weight (0 only informs), and what it is in words."""

    weight: int
    text: str


def signals(facts: Facts) -> tuple[Signal, ...]:
    """Return what spoke for keeping, the heaviest first."""
    found = []
    if _MOVING.fullmatch(facts.tag):
        found.append(Signal(5, f"people pull “{facts.tag}” without knowing what it points at"))
    elif _RELEASE.fullmatch(facts.tag):
        found.append(Signal(2, "its name looks like a release"))
    if facts.newest:
        found.append(Signal(4, "nothing newer was pushed to its repository"))
    if facts.pushed is not None and 0 <= facts.scanned - facts.pushed < FRESH_DAYS * DAY:
        days = (facts.scanned - facts.pushed) // DAY
        found.append(Signal(3, f"it was pushed {_days(days)} the scan"))
    if facts.dependents:
        number = f"{facts.dependents:,} images are" if facts.dependents > 1 else "1 image is"
        found.append(Signal(3, f"{number} directly based on it; what they need of it stays"))
    if facts.emptied:
        found.append(Signal(2, "no tag of its repository is left"))
    if "signature" in facts.attached:
        found.append(Signal(2, "it is signed"))
    if facts.own > LARGE_BYTES and facts.own > TIMES_LARGER * max(facts.usual, 1):
        found.append(Signal(1, "it alone frees far more than the others"))
    if facts.elsewhere:
        found.append(Signal(0, f"the same image stays as {', '.join(facts.elsewhere[:3])}"))
    return tuple(sorted(found, key=lambda signal: -signal.weight))


def _days(days: int) -> str:
    return "on the day of" if days == 0 else "a day before" if days == 1 else f"{days} days before"
