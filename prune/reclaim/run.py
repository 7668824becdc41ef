"""One run of a plan in a store: judge, move, verify; each step in the journal before and after."""

import hashlib
import time
from collections.abc import Iterable

import msgspec

from prune.model.errors import Refused, Stale
from prune.model.plan import Deletions, Plan
from prune.model.snapshot import Snapshot
from prune.plan import returned
from prune.plan.drift import Drift, Skipped, check
from prune.plan.verification import Depth, Verified, broken_blobs
from prune.reclaim.collection.base import CollectionFailed, Collector
from prune.reclaim.collection.run import Collection, TooMuch, is_gone, take_back
from prune.reclaim.control.base import Control, ControlLost, WindowOver
from prune.reclaim.control.hold import Hold, hold
from prune.reclaim.finished import judged
from prune.reclaim.journal import Journal, Line, Record, clock_of
from prune.reclaim.layout_index import replace, with_index
from prune.reclaim.outcome import Outcome
from prune.reclaim.steps import (
    FOLDERS,
    LATE,
    LOOK,
    ORDER,
    REWRITTEN,
    Pace,
    Step,
    StorageSource,
    batches,
    index_rewrites,
    is_in_index,
    not_taken,
    notes_left,
    steps_for,
    still_true,
)
from prune.reclaim.trash import discard
from prune.reclaim.verification import taken_by, verify
from prune.sources.base import Progress, Report
from prune.sources.oci_layout.source import INDEX
from prune.sources.stores.base import Store

_GONE = "it is gone already"
#: What holds other things: when one of these stays against all expectation, nothing else may move.
_HOLD = frozenset({"repository", "tag", "manifest", "layer-link", "image"})


class Run:
    """A plan, and how far it has come. ``carry_out`` begins it, or goes on."""

    def __init__(
        self,
        source: StorageSource,
        plan: Plan,
        journal: Journal,
        record: Record,
        depth: Depth,
        report: Report,
        collector: Collector | None,
    ) -> None:
        self.source = source
        self.store = source.store
        self.plan = plan
        self.journal = journal
        self.moved = dict(record.moved)
        self.moved |= {p: step for p, step in record.collected.items() if is_gone(source.store, step)}
        self.intents = dict(record.intents)
        self.found = record.found
        """What was moved without a word of it: by a process that died before it was durable."""
        self.begun = record.begin
        self.depth = depth
        self.report = report
        self.collector = collector
        self.final = bool(record.collected)
        """Whether blobs are gone for good: then there is nothing to bring back."""
        self.finished = False
        self.now = 0
        self.skipped: list[Skipped] = []
        self.returned: list[Skipped] = []
        self.lost = 0
        """How many items of the plan the skipped ones are."""
        self.unwritten: list[Line] = []
        """Outcomes that are durable themselves: they are written down together with the next intents."""

    def carry_out(self, control: Control, window: float, *, trash: bool) -> Outcome:
        early: Snapshot | None = None
        held: Hold | None = None
        verified: Verified | None = None
        state, message = "failed", ""
        try:
            self._take_back()
            self.now = clock_of(self.store)
            if control.changes:
                # Whatever can be found out while the registry serves: so it is held only for what is left to do.
                early, _ = self._look(None)
            with hold(control, self.store, self.journal.run, window) as held:
                snapshot, drift = self._look(held, early)
                self._begin(drift, snapshot, control.words)
                self._finish_rewrites()
                steps = steps_for(self.source, drift.items, snapshot)
                steps = self._with_rewrites(steps + notes_left(self.source, self.moved), snapshot.repositories)
                steps = with_index(self.source, steps, drift.items, snapshot, self.journal.fresh(INDEX))
                # Between this look and the moves nothing can have come: if somebody can push, it is seen here.
                held.look_now()
                if self.collector is None:
                    self._move_all(steps, held)
                else:
                    self._collect(self.collector, steps, drift.items, snapshot, held)
                state = "partial" if self.skipped else "done"
                self.finished = True
                end = self._line("end", state=state, done=self.done, bytes=self.freed, skipped=self._all_skipped())
                self.journal.add(*self.unwritten, end)
        except (WindowOver, ControlLost) as error:
            message = f"{error} Nothing is lost: apply the same plan again to go on."
        except (TooMuch, CollectionFailed) as error:
            state, message = "failed", str(error)
        except OSError as error:
            state = "failed"
            message = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
        if held is not None and control.changes:
            message = " ".join(filter(None, (message, self._note_return(held))))
        trash = trash and not self.final
        good = False
        if state != "failed":
            try:
                verified = self._verify(snapshot, drift.items)
                good = verified.state == "good"
                if good and not trash:
                    discard(self.journal)
            except OSError as error:
                why = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
                state, message = "failed", " ".join(filter(None, (message, why)))
        if remark := self.store.remark():
            message = f"{message} Note: {remark}.".strip()
        outcome = self._outcome(state, message, trash=trash or not (good or self.final), held=held)
        return judged(msgspec.structs.replace(outcome, verified=verified))

    def _look(self, held: Hold | None, known: Snapshot | None = None) -> tuple[Snapshot, Drift]:
        """Scan, and judge what is left of the plan; raise ``Stale`` when that is nothing."""
        report = held.reporting(self.report) if held is not None else self.report
        snapshot = self.source.scan(report, known=known, configs=False)
        if snapshot.store_blocked is not None:
            where, what = snapshot.store_blocked.where, snapshot.store_blocked.what
            raise Refused(f"{where} {what}: nothing can be judged, and nothing was done. Put that right first.")
        plan, self.returned = returned.still_gone(self.plan, snapshot, self._in_place_again())
        drift = check(plan, snapshot, now=self.now)
        if not drift.items and not self.moved and not self.plan.is_empty():
            raise Stale(drift.why_stale())
        return snapshot, drift

    def _in_place_again(self) -> set[str]:
        """Return what was taken and may be there again: where the same place is taken, or only a scan can tell."""
        taken = [step for step in self.moved.values() if step.kind not in REWRITTEN]
        with self.store.together(self.journal.both_ends(taken)) as store:
            return {step.item for step in taken if is_in_index(step) or store.kind(step.path) is not None}

    def _take_back(self) -> None:
        """Undo halves of moves that a crash has left: what they are of is judged anew."""
        doubtful = [step for step in self.intents.values() if step.path not in self.moved]
        with self.store.together(self.journal.both_ends(doubtful)) as store:
            for step in doubtful:
                store.take_back(step.path, self.journal.trash(step.path))

    def _begin(self, drift: Drift, snapshot: Snapshot, words: str) -> None:
        self.skipped = [*not_taken(drift.skipped, self.moved.values()), *self.returned]
        self.lost = len(self.skipped)
        if not self.moved:
            self.store.write(f"{self.journal.folder}/plan.json", self.plan.to_json())
        if found := [path for path in self.moved if path in self.found]:
            self.store.settle([*map(self.journal.trash, found)], found)
        broken = tuple(sorted(broken_blobs(snapshot)))
        begin = self._line("begin", plan_digest=self.plan.digest(), reason=words, missing=broken)
        self.journal.add(begin, self._line("moved", paths=tuple(self.moved)))

    def _note_return(self, held: Hold) -> str:
        """Write down how long the registry was held; return what is wrong with it now."""
        try:
            state = "lost" if held.problem else "back"
            self.journal.add(self._line("held", state=state, reason=held.problem, seconds=held.seconds))
        except OSError:
            pass  # the outcome says it too
        return f"The registry did not come back: {held.problem}" if held.problem else ""

    def _verify(self, before: Snapshot, items: Deletions) -> Verified:
        """Look at everything that stays, before anything is given back for good, and write down what was found."""
        verified = verify(
            self.source,
            before,
            taken_by(self.moved.values(), items),
            depth=self.depth,
            seed=self.journal.run,
            report=self.report,
            # In a run that was interrupted the scan before it has seen what the first part did.
            known_broken=self.begun.missing if self.begun is not None else None,
        )
        self.journal.add(self._line("verified", verified=verified))
        return verified

    @property
    def done(self) -> int:
        if self.finished:
            return sum(len(getattr(self.plan.delete, field)) for field in Deletions.__struct_fields__) - self.lost
        return sum(step.counts for step in self.moved.values())

    @property
    def freed(self) -> int:
        return sum(step.size for step in self.moved.values())

    def _outcome(self, state: str, message: str, *, trash: bool, held: Hold | None) -> Outcome:
        return Outcome(
            run=self.journal.run,
            plan_digest=self.plan.digest(),
            state="failed" if state == "failed" else "partial" if state == "partial" else "done",
            done=self.done,
            skipped=self._all_skipped(),
            freed_bytes=self.freed,
            trash=self.journal.folder if trash else None,
            message=message,
            control=held.control.kind if held is not None else "",
            held_seconds=held.seconds if held is not None and held.control.changes else None,
            came_back=held is None or not held.problem,
            restarted=held is not None and held.control.restarts,
        )

    def _all_skipped(self) -> tuple[Skipped, ...]:
        return tuple(sorted(set(self.skipped)))

    def _line(self, event: str, **fields: object) -> Line:
        return Line(event=event, at=int(time.time()), **fields)  # type: ignore[arg-type]  # forwarded by field name

    def _with_rewrites(self, steps: list[Step], repositories: Iterable[str]) -> list[Step]:
        """Add the V1 lists that name what goes, each with its successor ready in the run's folder."""
        gone = [step.item for step in [*self.moved.values(), *steps] if step.kind == "image"]
        whole = {step.item for step in steps if step.kind == "repository"}
        added = []
        for rewrite in index_rewrites(self.source, gone, [name for name in repositories if name not in whole]):
            if rewrite.path not in self.moved:
                self.store.write(self.journal.fresh(rewrite.path), rewrite.body)
                content = hashlib.sha256(rewrite.body).hexdigest()
                added.append(Step("index", rewrite.item, rewrite.path, counts=0, content=content))
        return sorted([*steps, *added], key=lambda step: ORDER.index(step.kind))

    def _finish_rewrites(self) -> None:
        """Put the successors in place of lists that were moved away right before a crash."""
        for step in self.moved.values():
            if step.kind == "index":
                self._replace(step)

    def _replace(self, step: Step) -> None:
        fresh = self.journal.fresh(step.path)
        if self.store.kind(step.path) is None and self.store.kind(fresh) == "file":
            self.store.move(fresh, step.path)
            self.store.settle([step.path], [fresh])

    def _move_all(self, steps: list[Step], held: Hold) -> None:
        """Move everything, one kind after the other: what was moved of one is durable before the next begins."""
        done, pace = 0, Pace()
        unsettled: list[Step] = []
        for batch in batches(steps, pace):
            rest = batch
            while rest:
                if unsettled and (unsettled[0].kind != rest[0].kind or pace.late):
                    self._settle(unsettled, pace)
                    unsettled = []
                held.look()
                self.journal.add(*self.unwritten, self._line("intent", steps=tuple(rest)))
                self.unwritten = []
                begun, number = time.monotonic(), len(rest)
                moved, rest, surprise = self._move_batch(rest)
                number -= len(rest)
                pace.took(time.monotonic() - begun, number)
                unsettled += moved
                if surprise:
                    # What comes after was judged with this gone; and nobody should have been able to change it.
                    self._settle(unsettled, pace)
                    raise ControlLost(f"{surprise}. Something still pushes here: stop that first.")
                done += number
                self.report(Progress("moving to the trash", done, len(steps)))
        self._settle(unsettled, pace)

    def _move_batch(self, batch: list[Step]) -> tuple[list[Step], list[Step], str]:
        """Move what may go; return what was moved, what is left because it takes so long, and what should not have
        been able to change."""
        moved: list[Step] = []
        rest: list[Step] = []
        skipped: list[Skipped] = []
        surprise = ""
        with self.store.together(self.journal.both_ends(batch)) as store:
            over = time.monotonic() + LATE  # what a bucket needed to list the batch would be spent again for the rest
            for number, step in enumerate(batch, 1):
                why = self._move(store, step)
                if not why:
                    moved.append(step)
                else:
                    if step.counts:
                        skipped.append(Skipped(step.item, why))
                        self.lost += step.counts
                    if step.kind in _HOLD and why != _GONE:
                        surprise = f"{step.item}: {why}"
                        break
                if number % LOOK == 0 and time.monotonic() > over:
                    # A disk that was quick is so no more: the window of the registry is looked at in between.
                    rest = batch[number:]
                    break
        self.moved.update((step.path, step) for step in moved)
        for step in moved:
            if step.kind == "index":
                self._replace(step)
        self.skipped += skipped
        if skipped:
            self.unwritten.append(self._line("skip", skipped=tuple(skipped)))
        return moved, rest, surprise

    def _settle(self, moved: list[Step], pace: Pace) -> None:
        """Make moves durable. Only then the journal may say that they were done: until then whoever comes next has
        to look."""
        paths = [step.path for step in moved]
        self.store.settle([*map(self.journal.trash, paths)], paths)
        self.unwritten.append(self._line("moved", paths=tuple(paths)))
        pace.settled()

    def _collect(
        self, collector: Collector, steps: list[Step], agreed: Deletions, snapshot: Snapshot, held: Hold
    ) -> None:
        """Move everything but blobs; let the registry's own garbage collection remove those."""
        self._move_all([step for step in steps if step.kind != "blob"], held)
        blobs = [step for step in steps if step.kind == "blob"]
        collection = Collection(collector, held, self.journal, self.report)
        try:
            gone, left = collection.run(blobs, agreed, snapshot, *self.unwritten)
        except (TooMuch, CollectionFailed) as error:
            if not collection.begun and not self.final:
                back, how = take_back(self.journal, self.report)
                if back:
                    self.moved.clear()
                    self.final = True  # nothing is left to bring back
                self.skipped = list(error.items) if isinstance(error, TooMuch) else []
                raise CollectionFailed(f"{error} {how}") from None
            raise
        finally:
            self.final = self.final or collection.begun
        self.unwritten = []
        self.moved.update((step.path, step) for step in gone)
        self.lost += len(left)
        self.skipped += [Skipped(step.item, "the registry's own garbage collection left it") for step in left]

    def _move(self, store: Store, step: Step) -> str:
        """Move one thing into the trash after a last look; return why not."""
        if step.kind == "layout-index":
            replace(self.store, step, self.journal.trash(step.path), self.journal.fresh(step.path))
            return ""
        if is_in_index(step):
            return ""  # it went with the index
        why = still_true(store, step)
        if why:
            return why
        try:
            store.move(step.path, self.journal.trash(step.path), folder=step.kind in FOLDERS)
        except FileNotFoundError:
            return _GONE
        except NotADirectoryError:
            if step.kind not in FOLDERS or store.kind(step.path) == "folder":
                raise  # it is there: what is no folder is in the way of the trash
            return _GONE
        except FileExistsError:
            return returned.WHY
        except Refused as error:
            return str(error)
        return ""
