"""What every way of controlling a registry looks like."""

from collections.abc import Callable
from typing import Protocol

from prune.model.errors import PruneError, Refused

type Former = dict[str, str]
"""What a control must know to give a registry back, in its own words. Never a command, never a secret: it is kept
where whoever may write the store may write as well."""

type Note = Callable[[Former], None]
"""Writes down how the registry was, durably. Called before anything of it is changed."""


class Uncontrolled(Refused):
    """The registry could not be brought under control. It is as it was before."""


class ControlLost(Refused):
    """While the registry was held it turned out that somebody can push."""


class WindowOver(Refused):
    """The registry was held for as long as it may be; the run goes on another time."""


class DidNotComeBack(PruneError):
    """The registry was to be given back and is not as it was: somebody has to look after it, now."""


class Control(Protocol):
    """One registry and a way to keep pushes out of it for a while.

    ``words`` says what is done, for the record. ``target`` tells this registry from another of the same kind.
    ``restarts`` tells that the registry's process is a new one afterwards, with an empty cache.
    """

    kind: str
    words: str
    target: str
    restarts: bool
    changes: bool
    """Whether the registry is changed at all: then it is held as shortly as can be, and the time is measured."""

    def take(self, note: Note) -> Former:
        """Bring the registry under control and see that it is. Raises ``Uncontrolled`` when that fails, and then
        ``give_back`` is called with what was noted."""
        ...

    def check(self, former: Former) -> None:
        """See again; raise ``ControlLost`` when somebody can push."""
        ...

    def give_back(self, former: Former) -> None:
        """Make the registry what it was, and see that it is. May be called again after a crash, at any stage.
        Raises ``DidNotComeBack`` with what is wrong."""
        ...


class Stated:
    """A person's word, on the record."""

    kind = "stated"
    target = ""
    restarts = False
    changes = False

    def __init__(self, reason: str) -> None:
        self.words = reason.strip()

    def take(self, note: Note) -> Former:
        """Believe it."""
        if not self.words:
            raise Refused(
                "Deleting needs pushes and pulls under control: stop the registry or make it read-only, "
                'then say so with --registry-stopped "reason", or let --control see to it.'
            )
        return {}

    def check(self, former: Former) -> None:
        """Nothing to be seen."""

    def give_back(self, former: Former) -> None:
        """Nothing was changed."""
