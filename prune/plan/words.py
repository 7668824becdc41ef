"""Small sentences that several explanations share."""

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return ``a, b and c``, or ``a, b, c and 4 more`` when there are more than ``most``."""
    if not names:
        return ""
    if len(names) == 1:
        return names[0]
    if len(names) <= most:
        return ", ".join(names[:-1]) + " and " + names[-1]
    return ", ".join(names[:most]) + f" and {len(names) - most} more"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 tag`` or ``3 tags``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
