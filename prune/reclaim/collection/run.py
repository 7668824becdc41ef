"""The part of a run in which the registry's own garbage collection removes the blobs."""

import time
from collections.abc import Sequence

from prune.model.errors import PruneError, Refused
from prune.model.plan import Deletions
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped
from prune.reclaim.collection.base import CollectionFailed, Collector
from prune.reclaim.collection.compare import too_much
from prune.reclaim.control.hold import Hold
from prune.reclaim.journal import Journal, Line
from prune.reclaim.steps import Step
from prune.sources.base import Progress, Report
from prune.sources.stores.base import Store


class TooMuch(Refused):
    """The collection would remove what must stay. It was not run."""

    def __init__(self, items: tuple[Skipped, ...]) -> None:
        first = f"{items[0].item}: {items[0].reason}"
        super().__init__(
            f"The registry's own garbage collection would remove {len(items)} things that must stay, for instance "
            f"{first}. It was not run."
        )
        self.items = items


class Collection:
    """One collection for one run. ``blobs`` are the steps of the blobs that people agreed to; every link that goes is
    in the trash already. ``begun`` turns true right before the first blob may be gone."""

    def __init__(self, collector: Collector, held: Hold, journal: Journal, report: Report) -> None:
        self.collector = collector
        self.held = held
        self.journal = journal
        self.report = report
        self.begun = False

    def run(
        self, blobs: Sequence[Step], agreed: Deletions, snapshot: Snapshot, *unwritten: Line
    ) -> tuple[list[Step], list[Step]]:
        """Try it, compare, run it; return the steps of the blobs that are gone and of those that it left.

        Raises ``TooMuch`` when it would remove anything that is not ``agreed``, ``CollectionFailed`` when it does
        not come to its end or does not do as it said.
        """
        found = self.collector.dry_run(self.held.former, self._look)
        excess = too_much(found, agreed, snapshot)
        if excess:
            raise TooMuch(excess)
        self.held.look_now()
        going = tuple(step for step in blobs if step.item in found.blobs)
        self.journal.add(*unwritten, Line("collecting", int(time.time()), steps=going))
        self.begun = True
        removed = self.collector.collect(self.held.former, self._look)
        excess = too_much(removed, agreed, snapshot)
        if excess:
            raise CollectionFailed(
                f"The garbage collection removed what it had not said before: {excess[0].item}, and "
                f"{len(excess) - 1} more. Look after the registry now."
            )
        with self.journal.store.together([step.path for step in blobs]) as store:
            left = [step for step in blobs if not is_gone(store, step)]
        return [step for step in blobs if step not in left], left

    def _look(self, what: str, done: int) -> None:
        self.held.look()
        self.report(Progress(what, done))


def is_gone(store: Store, step: Step) -> bool:
    """Tell whether a blob was removed: also when who did it was killed before its folder, then empty, followed."""
    return store.kind(step.path) is None or store.kind(f"{step.path}/data") is None


def take_back(journal: Journal, report: Report) -> tuple[bool, str]:
    """Put back what the run has taken so far, before any blob is gone; return whether all of it is back, and that
    in words."""
    from prune.reclaim.journal import read_record
    from prune.reclaim.restore import put_back

    try:
        restored = put_back(journal.store, journal, read_record(journal), report)
    except (PruneError, OSError) as error:
        return False, f"Putting the tags and links back failed ({error}): restore run {journal.run}."
    if restored.state != "done":
        return False, f"Not everything could be put back: restore run {journal.run}."
    return True, "Nothing was deleted: all tags and links are back."
