"""One run over a registry's API, from the first look to the end."""

import time
from typing import Any

import msgspec

from prune.graph.reach import held_blobs
from prune.model.errors import PruneError, Stale
from prune.model.plan import Plan
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped, check
from prune.reclaim.finished import came_to
from prune.reclaim.journal import LOCK, Journal, Line, read_record, run_names, run_of
from prune.reclaim.outcome import Outcome
from prune.reclaim.registry.record import RunRecord, state_of
from prune.reclaim.registry.repository import Cleaning, part_of
from prune.reclaim.registry.untag import Untagging, settle
from prune.sources.base import Progress, Report
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.source import RegistryV2


def apply_registry(source: RegistryV2, plan: Plan, reason: str, *, trash: bool, report: Report) -> Outcome:
    """See `prune.reclaim.apply.apply`, which calls this."""
    store = state_of(source)
    with store.lock(LOCK):
        journal, record = run_of(store, plan.digest())
        if record.end is not None:
            return came_to(journal, record, plan.digest(), record.end)
        _settle_all(source)
        outcome = _Run(source, plan, RunRecord(journal, record), report).carry_out(reason)
        if trash or outcome.state == "failed":
            return outcome
        from prune.reclaim.trash import discard  # which knows where every source has its trash, this one too

        discard(journal)
        return msgspec.structs.replace(outcome, trash=None)


def _settle_all(source: RegistryV2) -> None:
    """Clean up after every run that was interrupted in the middle of untagging: this one, and those that nobody
    resumed."""
    store = state_of(source)
    for name in run_names(store):
        journal = Journal(store, name)
        record = RunRecord(journal, read_record(journal))
        if any(step.kind in ("throw-away", "sibling") for step in record.pending.values()):
            source.run(lambda client, record=record: settle(client, record))  # type: ignore[misc]  # bound at once


class _Run:
    def __init__(self, source: RegistryV2, plan: Plan, record: RunRecord, report: Report) -> None:
        self.source = source
        self.plan = plan
        self.record = record
        self.report = report
        self.skipped: list[Skipped] = []
        self.done = 0

    def carry_out(self, reason: str) -> Outcome:
        delete = self.plan.delete
        names = sorted({tag.repository for tag in delete.tags} | {one.repository for one in delete.manifests})
        looked = time.monotonic()
        parts = {name: part_of(self.plan, name) for name in names}
        # No tag may lead to what an interrupted run left of an image: so each manifest is looked for by its digest.
        wanted = {name: [one.digest for one in part.delete.manifests] for name, part in parts.items()}
        tags = {name: [one.tag for one in part.delete.tags] for name, part in parts.items()}
        snapshot = self.source.scan(self.report, configs=False, repositories=wanted, tags=tags)
        drifts = [check(part, snapshot, now=int(time.time())) for part in parts.values()]
        if parts and not any(drift.items for drift in drifts) and not self.record.moved and not self.record.pending:
            first = drifts[0].skipped[0] if drifts[0].skipped else None
            why = f" For instance {first.item}: {first.reason}." if first else ""
            raise Stale(f"Nothing of this plan holds any more; make a new one.{why}")
        journal = self.record.journal
        journal.store.write(f"{journal.folder}/plan.json", self.plan.to_json())
        journal.add(Line("begin", int(time.time()), plan_digest=self.plan.digest(), reason=reason))
        message = ""
        try:
            self.source.run(lambda client: self._clean(client, parts, snapshot, looked))
        except PruneError as error:
            message = f"{error} What was done is remembered: apply the same plan again to go on."
        except OSError as error:
            message = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
        return self._outcome(snapshot, message)

    async def _clean(self, client: Client, parts: dict[str, Plan], snapshot: Snapshot, looked: float) -> None:
        untagging = Untagging(client, self.record)
        for name, part in parts.items():
            cleaning = Cleaning(self.source, client, untagging, self.record, name, part, snapshot, looked, self._tick)
            self.skipped += await cleaning.carry_out()

    def _tick(self, items: int) -> None:
        self.done += items
        total = len(self.plan.delete.tags) + len(self.plan.delete.manifests)
        self.report(Progress("deleting", min(self.done, total), total))

    def _outcome(self, snapshot: Snapshot, message: str) -> Outcome:
        journal = self.record.journal
        counts = sum(step.counts for step in self.record.moved.values())
        skipped = tuple(sorted(set(self.skipped)))
        freed = 0 if message else self._freed(snapshot)
        state: Any = "failed" if message else "partial" if skipped else "done"
        if state != "failed":
            end = Line("end", int(time.time()), state=state, done=counts, skipped=skipped, bytes=freed)
            journal.add(end)
        return Outcome(journal.run, self.plan.digest(), state, counts, skipped, freed, journal.folder, message)

    def _freed(self, snapshot: Snapshot) -> int:
        """Return the bytes that the registry's garbage collection will find: those of the plan, without what a
        manifest that was skipped still needs."""
        left = [
            item.digest
            for item in self.plan.delete.manifests
            if f"{item.repository}@{item.digest}" not in self.record.moved and item.digest in snapshot.manifests
        ]
        held = held_blobs(left, snapshot.manifests)
        return sum(blob.size for blob in self.plan.delete.blobs if blob.digest not in held)
