"""The journal of a run: one JSON object a line, in the store, durable before and after every batch of moves.

What a process that was killed leaves behind is found out by looking: the journal names both ends of each move, and
a move is one rename, so whatever lies in the trash was moved and whatever does not was not.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from prune.model.digest import Digest, short
from prune.model.errors import Refused, Unreadable
from prune.plan.drift import Skipped
from prune.plan.verification import Verified
from prune.reclaim.layout_index import was_replaced
from prune.reclaim.steps import Step, folder_of, is_in_index
from prune.sources.stores.base import Store

#: Everything of ours lies in this folder of the store; no scan counts it and no registry reads it.
FOLDER = ".registryui"
RUNS = f"{FOLDER}/runs"
LOCK = f"{FOLDER}/lock"
MAX_JOURNAL_BYTES = 4 * 1024 * 1024 * 1024

Event = Literal[
    "begin",
    "intent",
    "moved",
    "skip",
    "end",
    "held",
    "collecting",
    "verified",
    "accepted",
    "restore",
    "back",
    "restored",
    "emptying",
    "emptied",
]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line. ``at`` is seconds since 1970, UTC; which of the other fields are set depends on ``event``."""

    event: Event
    at: int
    steps: tuple[Step, ...] = ()
    paths: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    plan_digest: str = ""
    reason: str = ""
    state: str = ""
    done: int = 0
    bytes: int = 0
    seconds: float = 0
    missing: tuple[Digest, ...] | None = None
    """With ``begin``: blobs that were missing already, before anything was touched."""
    verified: Verified | None = None


_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """The journal of one run of one store."""

    def __init__(self, store: Store, run: str) -> None:
        self.store = store
        self.run = run
        self.folder = f"{RUNS}/{run}"
        self._path = f"{self.folder}/journal.jsonl"

    def add(self, *lines: Line) -> None:
        """Append lines; when this returns they survive a power cut."""
        # A line break first: behind a line that a full disk cut short, nothing is lost but that line.
        self.store.append(self._path, b"\n" + b"\n".join(map(_encode, lines)) + b"\n")

    def lines(self) -> list[Line]:
        """Return every whole line, oldest first; nothing when there is no journal yet."""
        try:
            body = self.store.appended(self._path, MAX_JOURNAL_BYTES)
        except FileNotFoundError:
            return []
        except Unreadable as error:
            raise Refused(f"The journal of run {self.run} {error}.") from None
        found = []
        for text in body.split(b"\n"):
            if text:
                try:
                    found.append(_decode(text))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # cut short by a crash, or by a full disk; never acted upon
        return found

    def trash(self, path: str) -> str:
        """Return where in the trash the thing at ``path`` lies or would lie."""
        return f"{self.folder}/files/{path}"

    def both_ends(self, steps: Iterable[Step]) -> Iterator[str]:
        """Yield the folders from which and to which ``steps`` move, for `Store.together`."""
        for step in steps:
            folder = folder_of(step)
            yield folder
            yield self.trash(folder)

    def fresh(self, path: str) -> str:
        """Return where the file that is to take the place of ``path`` is prepared."""
        return f"{self.folder}/new/{path}"

    def undone(self, path: str) -> str:
        """Return where a file of ours goes when the old one comes back."""
        return f"{self.folder}/undone/{path}"


class Record(msgspec.Struct):
    """A journal, read: how far the run came. ``moved`` are the steps whose things lie in the trash."""

    begin: Line | None = None
    end: Line | None = None
    verified: Verified | None = None
    accepted: Line | None = None
    """That somebody took note of what the newest verification did not find, or of what could not be put back, and
    lets the trash go all the same."""
    intents: dict[str, Step] = {}
    moved: dict[str, Step] = {}
    found: set[str] = set()
    """Those of ``moved`` of which the journal does not say so: a look at the trash did."""
    skipped: dict[str, Skipped] = {}
    collected: dict[str, Step] = {}
    """Blobs that the registry's own garbage collection removed, or was about to: for good."""
    back: set[str] = set()
    restoring: bool = False
    restored: Line | None = None
    emptying: bool = False
    emptied: Line | None = None

    @property
    def finished(self) -> bool:
        """Tell whether the run came to its end, done or partial."""
        return self.end is not None


def read_record(journal: Journal) -> Record:
    """Return how far a run came, with a look at the trash for moves whose outcome was not written down."""
    record = Record()
    for line in journal.lines():
        match line.event:
            case "begin":
                record.begin = record.begin or line
            case "intent":
                if line.steps and line.steps[0].kind == "layout-index":
                    _forget_entries(record)
                record.intents.update((step.path, step) for step in line.steps)
            case "moved":
                record.moved.update((p, record.intents[p]) for p in line.paths if p in record.intents)
            case "skip":
                record.skipped.update((s.item, s) for s in line.skipped)
            case "collecting":
                record.collected.update((step.path, step) for step in line.steps)
            case "end":
                record.end = line
            case "verified":
                record.verified, record.accepted = line.verified, None
            case "accepted":
                record.accepted = line
            case "restore":
                record.restoring = True
            case "back":
                record.back.update(line.paths)
            case "restored":
                record.restored, record.restoring, record.accepted = line, False, None
            case "emptying":
                record.emptying = True
            case "emptied":
                record.emptied = line
    if not record.finished and not record.restoring and record.restored is None:
        _look(journal, record)
    return record


def _look(journal: Journal, record: Record) -> None:
    """Find out what was moved of that of which no outcome was written down."""
    doubtful = {path: step for path, step in record.intents.items() if path not in record.moved}
    with journal.store.together(journal.both_ends(doubtful.values())) as store:
        for path, step in doubtful.items():
            if is_in_index(step):
                continue
            if step.kind == "layout-index":
                if was_replaced(store, step, journal.trash(path), journal.fresh(path)):
                    # Every entry that was to go went in the same instant.
                    record.moved.update((p, one) for p, one in record.intents.items() if is_in_index(one))
                    record.moved[path] = step
                    record.found.add(path)
            elif store.was_moved(path, journal.trash(path)):
                record.moved[path] = step
                record.found.add(path)


def _forget_entries(record: Record) -> None:
    """Drop what an index that was never put in place would have taken: this intent comes instead of that."""
    for path, step in list(record.intents.items()):
        if is_in_index(step) and path not in record.moved:
            del record.intents[path]


def clock_of(store: Store) -> int:
    """Return what time it is, in seconds since 1970: by the clock that dates the store's files, or by our own where
    that is behind. A clock that runs fast would make everything look old enough to be garbage."""
    path = f"{FOLDER}/clock"
    store.write(path, b"")
    return min(int(time.time()), store.stat(path).time)


def run_names(store: Store) -> list[str]:
    """Return the runs that the store remembers, sorted by name."""
    try:
        return [entry.name for entry in store.entries(RUNS) if entry.kind == "folder"]
    except FileNotFoundError:
        return []


def run_of(store: Store, plan_digest: Digest) -> tuple[Journal, Record]:
    """Return the run of a plan that is under way or done, or a new one. Raises ``Refused`` while it is restored."""
    prefix = short(plan_digest)
    numbers = [0]
    for name in run_names(store):
        head, _, number = name.rpartition("-")
        if head == prefix and number.isdigit():
            numbers.append(int(number))
    latest = max(numbers)
    if latest:
        journal = Journal(store, f"{prefix}-{latest}")
        record = read_record(journal)
        if record.begin is None or record.begin.plan_digest == plan_digest:
            if record.restoring:
                raise Refused(f"Run {journal.run} of this plan is being restored; finish that first.")
            if record.restored is None:
                return journal, record
    return Journal(store, f"{prefix}-{latest + 1}"), Record()
