"""Undoing a run over a registry's API: pushing again what it deleted."""

import time
from typing import Any

from prune.model.errors import PruneError, Refused, Unreadable
from prune.plan.drift import Skipped
from prune.reclaim.journal import LOCK, Journal, Line, read_record
from prune.reclaim.outcome import Restored
from prune.reclaim.registry.record import RunRecord, state_of
from prune.reclaim.registry.untag import settle
from prune.reclaim.steps import Step
from prune.sources.base import Progress, Report
from prune.sources.registry_v2 import writing
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.source import RegistryV2


def restore_registry(source: RegistryV2, run: str, report: Report) -> Restored:
    """Push everything again that a run deleted, children and referrers first, tags last."""
    store = state_of(source)
    with store.lock(LOCK):
        journal = Journal(store, run)
        found = read_record(journal)
        if found.begin is None:
            raise Refused(f"Nothing is known here of a run {run}.")
        if found.emptying or found.emptied is not None:
            raise Refused(f"The trash of run {run} was emptied; it cannot be brought back.")
        if found.restored is not None and found.restored.state == "done":
            return Restored(run, "done", found.restored.done, (), "This run was restored before.")
        record = RunRecord(journal, found)
        journal.add(Line("restore", int(time.time())))
        skipped: list[Skipped] = []
        # Also what an interrupted run meant to do: it may have been done. Pushing what is there changes nothing.
        steps = [*record.moved.values(), *record.pending.values()]
        steps = [step for step in reversed(steps) if step.kind in ("manifest", "tag")]
        # Manifests first, the last deleted first: children were deleted after their index.
        steps.sort(key=lambda step: step.kind == "tag")
        done = 0

        async def work(client: Client) -> None:
            nonlocal done
            await settle(client, record)
            for number, step in enumerate(steps, 1):
                why = await _push_again(client, record, step)
                if why:
                    skipped.append(Skipped(step.item, why))
                else:
                    done += 1
                report(Progress("pushing again", number, len(steps)))

        try:
            source.run(work)
        except PruneError as error:
            return Restored(run, "failed", done, tuple(skipped), f"{error} Restore again to go on.")
        state: Any = "partial" if skipped else "done"
        journal.add(Line("restored", int(time.time()), state=state, done=done, skipped=tuple(skipped)))
        return Restored(run, state, done, tuple(skipped))


async def _push_again(client: Client, record: RunRecord, step: Step) -> str:
    """Push a manifest by its digest, or to its tag; return why not."""
    tagged = step.kind == "tag"
    name, _, reference = step.item.partition("@") if not tagged else step.item.rpartition(":")
    digest = step.expect if tagged else reference
    await writing.get_ready_to_push(client, name)
    if tagged:
        now = await writing.points_at(client, name, reference)
        if now == digest:
            return ""
        if now is not None:
            return "it was pushed again since; that tag stays"
    try:
        kind, body = record.kept(name, digest)
    except (OSError, Unreadable):
        return "its bytes are not kept any more"

    async def look() -> bool:
        return not tagged or await writing.points_at(client, name, reference) is None

    answer = await writing.push_manifest(client, name, reference, kind, body, look)
    if answer.status in (200, 201, 202) or (tagged and await writing.points_at(client, name, reference) == digest):
        return ""
    if answer.status in (400, 404):
        return "its blobs are gone: the registry has collected its garbage since"
    return f"the registry did not take it ({answer.status})"
