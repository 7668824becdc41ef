"""Holding a registry: never longer than the window, and always given back, after a crash by whoever comes next."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from prune.model.duration import in_words
from prune.model.errors import PruneError, Refused, Unreadable
from prune.reclaim.control.base import Control, ControlLost, DidNotComeBack, Former, WindowOver
from prune.reclaim.journal import FOLDER
from prune.sources.base import Progress, Report
from prune.sources.stores.base import Store

log = logging.getLogger(__name__)

#: There as long as a registry is held. Whoever holds the store's lock and finds it has found what a crash left.
HELD = f"{FOLDER}/control.json"
MAX_HELD_BYTES = 1024 * 1024

#: Seconds that a registry may be held before the run pauses and it comes back.
DEFAULT_WINDOW = 900.0
#: Seconds between two looks whether the registry is still under control.
LOOK_EVERY = 2.0


class Held(msgspec.Struct, frozen=True):
    """A registry that is held: by which control, for which run, since when (seconds since 1970), and how it was."""

    kind: str
    target: str
    words: str
    run: str
    since: int
    former: Former


class Hold:
    """A registry while it is held. ``seconds`` is how long it was, ``problem`` why it did not come back."""

    def __init__(self, control: Control, window: float) -> None:
        self.control = control
        self.former: Former = {}
        self.seconds = 0.0
        self.problem = ""
        self.began = time.monotonic()
        self._looked = self.began
        self._window = window

    def look(self) -> None:
        """See that the registry is still under control and its window is not over; cheap enough for every batch."""
        now = time.monotonic()
        if self.control.changes and now - self.began > self._window:
            raise WindowOver(f"The registry was held for {in_words(self._window)}, as long as it may be.")
        if now - self._looked > LOOK_EVERY:
            self.look_now()

    def look_now(self) -> None:
        """See that the registry is under control at this moment."""
        try:
            self.control.check(self.former)
        except ControlLost:
            raise
        except PruneError as error:
            raise ControlLost(f"Whether the registry is still under control cannot be seen: {error}") from None
        self._looked = time.monotonic()

    def reporting(self, report: Report) -> Report:
        """Return a report that takes a look as well, so that a long scan does not go past the window."""

        def reported(progress: Progress) -> None:
            self.look()
            report(progress)

        return reported


@contextmanager
def hold(control: Control, store: Store, run: str, window: float = DEFAULT_WINDOW) -> Iterator[Hold]:
    """Hold the registry for the time of the block; the caller has the store's lock.

    A registry that does not come back is the hold's ``problem`` and stays noted in the store, so that the next
    who comes tries again. Raises ``Refused`` when it cannot be brought under control.
    """
    put_right(control, store)
    held = Hold(control, window)

    def note(former: Former) -> None:
        held.former = former
        now = Held(control.kind, control.target, control.words, run, int(time.time()), former)
        store.write(HELD, msgspec.json.encode(now))

    try:
        held.former = control.take(note)
        yield held
    except PruneError as error:
        _give_back(held, store)
        if held.problem and not isinstance(error, WindowOver | ControlLost):
            raise DidNotComeBack(f"{error} {held.problem}") from None
        raise
    except BaseException:
        _give_back(held, store)
        raise
    else:
        _give_back(held, store)


def _give_back(held: Hold, store: Store) -> None:
    try:
        held.control.give_back(held.former)
        store.remove(HELD)
    except (PruneError, OSError) as error:
        held.problem = str(error)
        log.error("A registry did not come back: %s", error)
    if held.control.changes:
        held.seconds = time.monotonic() - held.began


def held_now(store: Store) -> Held | None:
    """Return what the store says about a registry that is held, by a run or by one that crashed."""
    try:
        return msgspec.json.decode(store.read(HELD, MAX_HELD_BYTES)[0], type=Held)
    except FileNotFoundError:
        return None
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(
            f"{HELD} in the store cannot be read ({error}); see that the registry runs, then remove it."
        ) from None


def put_right(control: Control, store: Store) -> Held | None:
    """Give a registry back that a crash left held, and return what was found; the caller has the store's lock.

    Raises ``Refused`` when another control held it, ``DidNotComeBack`` when it does not come back.
    """
    left = held_now(store)
    if left is None:
        return None
    if (left.kind, left.target) != (control.kind, control.target):
        raise Refused(
            f"The registry is still held by run {left.run}, which was interrupted ({left.words}). Use the same "
            f"control again, {left.kind}:{left.target}, so that it is given back first."
        )
    try:
        control.give_back(left.former)
    except DidNotComeBack as error:
        raise DidNotComeBack(f"{error} When the registry runs as it should, remove {HELD} from its store.") from None
    store.remove(HELD)
    return left


def forget(store: Store) -> None:
    """Take a person's word that the registry runs as it should; the caller has the store's lock."""
    store.remove(HELD)
