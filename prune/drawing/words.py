"""The words in a drawing. They are English; whoever draws for readers of another language brings its own `Words`."""

from collections.abc import Sequence

from prune.drawing.bytes import human
from prune.plan.words import listed

#: So many names stand in one title.
MOST_NAMES = 40


class Words:
    """Says in English what a drawing says.

    A message is whole, with ``%(name)s`` where a value stands, so that another language is free to put its words
    elsewhere. Values that are text come in these words already.
    """

    def say(self, message: str, **values: str | int) -> str:
        """Return a message with its values."""
        return message % values

    def count(self, one: str, many: str, number: int, /, **values: str | int) -> str:
        """Return the message for one or for ``many``; ``%(number)s`` in it is how many, unless a value says it."""
        return (one if number == 1 else many) % {"number": number, **values}

    def number(self, number: int) -> str:
        """Return a large number as people write it."""
        return f"{number:,}"

    def size(self, number: int) -> str:
        """Return a number of bytes for people."""
        return human(number)

    def day(self, day: str) -> str:
        """Return a day, ``2026-01-31``, as people write it."""
        return day

    def listed(self, names: Sequence[str]) -> str:
        """Return ``a, b and c``."""
        return listed(names, most=MOST_NAMES)

    def reason(self, sentence: str) -> str:
        """Return why something stays, a sentence of the engine."""
        return sentence


ENGLISH = Words()
