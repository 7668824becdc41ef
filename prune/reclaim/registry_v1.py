"""Carrying a plan out over the API of a V1 registry, and undoing it: tags and repositories go, images stay."""

import json
import time
from typing import Any

from prune.model.errors import Refused, SourceError, Stale, Unreadable
from prune.model.plan import Deletions, Plan
from prune.plan.drift import Skipped, check
from prune.reclaim.finished import came_to
from prune.reclaim.journal import LOCK, Journal, Line, Record, read_record, run_of
from prune.reclaim.outcome import Outcome, Restored
from prune.reclaim.registry import state_of
from prune.reclaim.steps import Step
from prune.sources.base import Progress, Report
from prune.sources.registry_v1.reading import Reader
from prune.sources.registry_v1.source import RegistryV1
from prune.sources.registry_v2.client import Client, quoted
from prune.sources.storage_v1 import MAX_JSON_BYTES


def apply_registry_v1(source: RegistryV1, plan: Plan, reason: str, report: Report) -> Outcome:
    """See `prune.reclaim.apply.apply`, which calls this."""
    store = state_of(source.connection)
    with store.lock(LOCK):
        journal, record = run_of(store, plan.digest())
        if record.end is not None:
            return came_to(journal, record, plan.digest(), record.end)
        return _Run(source, plan, journal, record, report).carry_out(reason)


class _Run:
    def __init__(self, source: RegistryV1, plan: Plan, journal: Journal, record: Record, report: Report) -> None:
        self.source = source
        self.plan = plan
        self.journal = journal
        self.report = report
        self.moved: dict[str, Step] = dict(record.moved)
        self.intents = dict(record.intents)
        self.skipped: list[Skipped] = []

    def carry_out(self, reason: str) -> Outcome:
        delete = self.plan.delete
        names = sorted({*delete.repositories, *(tag.repository for tag in delete.tags)})
        snapshot = self.source.scan(self.report, repositories=names)
        drift = check(self.plan, snapshot, now=int(time.time()))
        if not drift.items and not self.intents and delete:
            why = f" For instance {drift.skipped[0].item}: {drift.skipped[0].reason}." if drift.skipped else ""
            raise Stale(f"Nothing of this plan holds any more; make a new one.{why}")
        # Asked for by this run, which was interrupted before it heard the answer.
        ours = [one.item for one in drift.skipped if one.item in self.intents and "gone already" in one.reason]
        self._did(*(self.intents[item] for item in ours if item not in self.moved))
        self.skipped = [skipped for skipped in drift.skipped if skipped.item not in self.moved]
        self.journal.store.write(f"{self.journal.folder}/plan.json", self.plan.to_json())
        self.journal.add(Line("begin", int(time.time()), plan_digest=self.plan.digest(), reason=reason))
        message = ""
        try:
            self.source.connection.run(lambda client: self._delete(client, drift.items))
        except (SourceError, Unreadable) as error:
            message = f"{error} What was done is remembered: apply the same plan again to go on."
        except OSError as error:
            message = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
        done = sum(step.counts for step in self.moved.values())
        skipped = tuple(sorted(set(self.skipped)))
        state: Any = "failed" if message else "partial" if skipped else "done"
        if state != "failed":
            self.journal.add(Line("end", int(time.time()), state=state, done=done, skipped=skipped))
        return Outcome(self.journal.run, self.plan.digest(), state, done, skipped, 0, self.journal.folder, message)

    async def _delete(self, client: Client, items: Deletions) -> None:
        total = len(items.tags) + len(items.repositories)
        reader = Reader(client, {}, self.report)
        # Kept before the first tag goes: a registry drops the list with the repository.
        for name in items.repositories:
            self.journal.store.write(_list_path(self.journal, name), await reader.listed(name))
        for number, tag in enumerate(items.tags, 1):
            await self._untag(client, reader, tag.repository, tag.tag, tag.digest)
            self.report(Progress("untagging", number, total))
        for number, name in enumerate(items.repositories, len(items.tags) + 1):
            await self._remove(client, reader, name)
            self.report(Progress("deleting", number, total))

    async def _untag(self, client: Client, reader: Reader, name: str, tag: str, id_: str) -> None:
        item = f"{name}:{tag}"
        here = await reader.tag(name, tag)
        if here != id_:
            self._skip(item, "it is gone already" if here is None else "it was moved a moment ago")
            return
        step = Step("tag", item, item, expect=id_)
        self._intend(step)

        async def look() -> bool:
            return await reader.tag(name, tag) == id_

        path = f"/v1/repositories/{name}/tags/{quoted(tag)}"
        answer = await client.send("DELETE", path, retry=False, look=look)
        # A registry that misses one of its own notes on the tag answers 404, and the tag is gone all the same.
        if await reader.tag(name, tag) is not None:
            raise SourceError(f"The registry did not delete {item}: it answered with status {answer.status}.")
        self._did(step)

    async def _remove(self, client: Client, reader: Reader, name: str) -> None:
        tags = await reader.tags(name)
        if tags:
            self._skip(name, f"it has the tag {min(tags)}, which is not in the plan or could not be deleted")
            return
        step = Step("repository", name, name)
        self._intend(step)

        async def look() -> bool:
            return not await reader.tags(name)

        answer = await client.send("DELETE", f"/v1/repositories/{name}/", retry=False, look=look)
        if answer.status not in (200, 202, 204, 404):
            raise SourceError(f"The registry did not delete {name}: it answered with status {answer.status}.")
        self._did(step)

    def _intend(self, *steps: Step) -> None:
        self.journal.add(Line("intent", int(time.time()), steps=steps))

    def _did(self, *steps: Step) -> None:
        if steps:
            self.journal.add(Line("moved", int(time.time()), paths=tuple(step.path for step in steps)))
            self.moved.update((step.path, step) for step in steps)

    def _skip(self, item: str, why: str) -> None:
        self.skipped.append(Skipped(item, why))


def _list_path(journal: Journal, name: str) -> str:
    return f"{journal.folder}/files/{name}/_images.json"


def restore_registry_v1(source: RegistryV1, run: str, report: Report) -> Restored:
    """Give repositories their lists of images and their tags again, as far as the images are still there."""
    store = state_of(source.connection)
    with store.lock(LOCK):
        journal = Journal(store, run)
        record = read_record(journal)
        if record.begin is None:
            raise Refused(f"Nothing is known here of a run {run}.")
        if record.emptying or record.emptied is not None:
            raise Refused(f"The trash of run {run} was emptied; it cannot be brought back.")
        if record.restored is not None and record.restored.state == "done":
            return Restored(run, "done", record.restored.done, (), "This run was restored before.")
        journal.add(Line("restore", int(time.time())))
        # Also what an interrupted run meant to do: it may have been done, and asking for what is there does no harm.
        steps = sorted({**record.intents, **record.moved}.values(), key=lambda step: step.kind == "tag")
        done, skipped = 0, list[Skipped]()

        async def work(client: Client) -> None:
            nonlocal done
            reader = Reader(client, {}, report)
            for number, step in enumerate(steps, 1):
                why = await _put_again(client, reader, journal, step)
                if why:
                    skipped.append(Skipped(step.item, why))
                elif step.path in record.moved:
                    done += step.counts
                report(Progress("tagging again", number, len(steps)))

        try:
            source.connection.run(work)
        except (SourceError, Unreadable) as error:
            return Restored(run, "failed", done, tuple(skipped), f"{error} Restore again to go on.")
        state: Any = "partial" if skipped else "done"
        journal.add(Line("restored", int(time.time()), state=state, done=done, skipped=tuple(skipped)))
        return Restored(run, state, done, tuple(skipped))


async def _put_again(client: Client, reader: Reader, journal: Journal, step: Step) -> str:
    """Put a list of images or a tag in its place again; return why not."""
    if step.kind == "repository":
        try:
            body, _ = journal.store.read(_list_path(journal, step.item), MAX_JSON_BYTES)
        except (OSError, Unreadable):
            body = b""
        if not body or await reader.listed(step.item):
            return ""
        path = f"/v1/repositories/{step.item}/images"
    else:
        name, _, tag = step.item.rpartition(":")
        here = await reader.tag(name, tag)
        if here == step.expect:
            return ""
        if here is not None:
            return "it was pushed again since; that tag stays"
        path, body = f"/v1/repositories/{name}/tags/{quoted(tag)}", json.dumps(step.expect).encode()

    async def look() -> bool:
        if step.kind == "repository":
            return not await reader.listed(step.item)
        return await reader.tag(name, tag) is None

    headers = {"Content-Type": "application/json"}
    answer = await client.send("PUT", path, headers=headers, body=body, retry=False, limit=MAX_JSON_BYTES, look=look)
    if answer.status in (200, 201, 202, 204):
        return ""
    if answer.status == 404:
        return "its image is no longer there"
    return f"the registry did not take it ({answer.status})"
