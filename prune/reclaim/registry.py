"""Carrying a plan out over a registry's API, and undoing it.

The API deletes manifests and, on some servers, tags; blobs are the registry's own garbage collection's to remove. The
bytes of every manifest are kept locally before it goes, so that it can be pushed again while its blobs are there.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from prune.graph.reach import RepositoryGraph
from prune.model.digest import Digest, digest_of, matches
from prune.model.errors import Refused, SourceError, Stale, Unreadable
from prune.model.manifest import MAX_MANIFEST_BYTES, OCI_MANIFEST
from prune.model.plan import Deletions, Plan
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped, check
from prune.reclaim.journal import LOCK, Journal, Line, Record, read_record, run_of
from prune.reclaim.outcome import Outcome, Restored
from prune.reclaim.steps import Step
from prune.sources.base import Progress, Report
from prune.sources.registry_v2.client import Answer, Client, quoted
from prune.sources.registry_v2.reading import ACCEPT
from prune.sources.registry_v2.source import RegistryV2
from prune.sources.stores.disk import DiskStore

_EMPTY_CONFIG = "application/vnd.registryui.untag.v1+json"


def state_of(source: RegistryV2) -> DiskStore:
    """Return the local folder where the runs of this registry are remembered."""
    host = source.base.partition("://")[2].replace(":", "_").replace("[", "").replace("]", "")
    return DiskStore(f"{source.state}/{host}")


class Saved(msgspec.Struct, frozen=True):
    """A manifest as it was: its media type and where its bytes are kept."""

    repository: str
    digest: Digest
    media_type: str


def apply_registry(source: RegistryV2, plan: Plan, stopped: str, report: Report) -> Outcome:
    """See `prune.reclaim.apply.apply`, which calls this."""
    store = state_of(source)
    with store.lock(LOCK):
        journal, record = run_of(store, plan.digest())
        if record.end is not None:
            done = record.end
            state: Any = "partial" if done.state == "partial" else "done"
            again = "This plan was carried out before."
            return Outcome(
                journal.run, plan.digest(), state, done.done, done.skipped, done.bytes, journal.folder, again
            )
        return _Run(source, plan, journal, record, report).carry_out(stopped)


class _Run:
    def __init__(self, source: RegistryV2, plan: Plan, journal: Journal, record: Record, report: Report) -> None:
        self.source = source
        self.plan = plan
        self.journal = journal
        self.report = report
        self.moved: dict[str, Step] = dict(record.moved)
        self.intents = dict(record.intents)
        self.skipped: list[Skipped] = []

    def carry_out(self, stopped: str) -> Outcome:
        if self.intents:
            self.source.run(self._finish_untagging)
        names = sorted(
            {t.repository for t in self.plan.delete.tags} | {m.repository for m in self.plan.delete.manifests}
        )
        snapshot = self.source.scan(self.report, configs=False, repositories=names)
        wanted = msgspec.structs.replace(
            self.plan, delete=msgspec.structs.replace(self.plan.delete, blobs=(), layer_links=(), uploads=())
        )
        drift = check(wanted, snapshot, now=int(time.time()))
        if not drift.items and not self.moved and wanted.delete:
            why = f" For instance {drift.skipped[0].item}: {drift.skipped[0].reason}." if drift.skipped else ""
            raise Stale(f"Nothing of this plan holds any more; make a new one.{why}")
        for gone in drift.skipped:
            # Asked for by this run, which was interrupted before it heard the answer.
            if gone.item in self.intents and gone.item not in self.moved and "gone already" in gone.reason:
                self._did(self.intents[gone.item])
        self.skipped = [skipped for skipped in drift.skipped if skipped.item not in self.moved]
        now = int(time.time())
        self.journal.store.write(f"{self.journal.folder}/plan.json", self.plan.to_json())
        self.journal.add(Line("begin", now, plan_digest=self.plan.digest(), reason=stopped))
        message = ""
        try:
            self.source.run(lambda client: self._delete(client, drift.items, snapshot))
        except SourceError as error:
            message = f"{error} What was done is remembered: apply the same plan again to go on."
        except OSError as error:
            message = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
        counts = sum(step.counts for step in self.moved.values())
        skipped = tuple(sorted(set(self.skipped)))
        freed = self.plan.freed_bytes if not skipped and not message else 0
        state: Any = "failed" if message else "partial" if skipped else "done"
        if state != "failed":
            self.journal.add(Line("end", int(time.time()), state=state, done=counts, skipped=skipped, bytes=freed))
        return Outcome(
            self.journal.run, self.plan.digest(), state, counts, skipped, freed, self.journal.folder, message
        )

    # ---- deleting -----------------------------------------------------------------------------------------

    async def _delete(self, client: Client, items: Deletions, snapshot: Snapshot) -> None:
        total = len(items.tags) + len(items.manifests)
        done = 0
        for name in sorted({tag.repository for tag in items.tags} | {one.repository for one in items.manifests}):
            graph = RepositoryGraph(snapshot.repositories[name], snapshot.manifests)
            going = {item.digest for item in items.manifests if item.repository == name}
            tags: dict[Digest, list[str]] = {}
            for item in items.tags:
                if item.repository == name:
                    tags.setdefault(item.digest, []).append(item.tag)
            for digest, named in sorted(tags.items()):
                if digest not in going:
                    siblings = [tag for tag in graph.tags_of[digest] if tag not in named]
                    for tag in named:
                        await self._untag(client, name, tag, digest, siblings)
                        done += 1
                        self.report(Progress("untagging", done, total))
            for digest in _parents_first(going, graph):
                await self._delete_manifest(client, name, digest, tags.get(digest, []), graph.tags_of.get(digest, []))
                done += 1 + len(tags.get(digest, []))
                self.report(Progress("deleting", done, total))

    async def _delete_manifest(
        self, client: Client, name: str, digest: Digest, planned: list[str], known: list[str]
    ) -> None:
        """Delete by digest, which takes all tags of it along: so every one of them is looked at right before."""
        items = [f"{name}:{tag}" for tag in planned]
        for tag in known:
            if tag not in planned:
                self._skip(f"{name}@{digest}", f"the tag {tag} points at it")
                return
            if await _points_at(client, name, tag) != digest:
                self._skip(f"{name}:{tag}", "it was moved a moment ago")
                # The other tags of it, and the manifest, are another matter: they are left for a new plan.
                for item in (f"{name}@{digest}", *items):
                    if item != f"{name}:{tag}":
                        self._skip(item, f"the tag {tag} of the same image was moved a moment ago")
                return
        if not await self._save(client, name, digest):
            self._skip(f"{name}@{digest}", "it is gone already")
            return
        step = Step("manifest", f"{name}@{digest}", f"{name}@{digest}", counts=1 + len(planned))
        follow = [Step("tag", item, item, expect=digest, counts=0) for item in items]
        self._intend(step, *follow)
        answer = await client.send(
            "DELETE", f"/v2/{name}/manifests/{digest}", scope=f"repository:{name}:pull,delete", retry=False
        )
        if answer.status in (202, 200, 204):
            self._did(step, *follow)
        elif answer.status == 404:
            self._skip(step.item, "it is gone already")
        else:
            self._refused(answer, step.item)

    async def _untag(self, client: Client, name: str, tag: str, digest: Digest, siblings: list[str]) -> None:
        """Take one tag away and leave the image, with its other tags, where it is."""
        item = f"{name}:{tag}"
        if await _points_at(client, name, tag) != digest:
            self._skip(item, "it was moved a moment ago")
            return
        if not await self._save(client, name, digest):
            self._skip(item, "it is gone already")
            return
        step = Step("tag", item, item, expect=digest)
        self._intend(step)
        scope = f"repository:{name}:pull,delete"
        answer = await client.send("DELETE", f"/v2/{name}/manifests/{quoted(tag)}", scope=scope, retry=False)
        if answer.status not in (200, 202, 204):
            await self._replace_and_delete(client, name, tag, item)
        await self._keep_siblings(client, name, digest, siblings)
        if await _points_at(client, name, tag) is None:
            self._did(step)
        else:
            self._skip(item, "the registry kept this tag")

    async def _replace_and_delete(self, client: Client, name: str, tag: str, item: str) -> None:
        """Push a throw-away manifest to the tag and delete that one: for servers that delete by digest only."""
        config = json.dumps({"untagged": item, "at": time.time_ns(), "run": self.journal.run}).encode()
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": _EMPTY_CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [],
            }
        ).encode()
        throw_away = digest_of(body)
        # First on the record: whatever happens between the two requests, the next run cleans up.
        leftover = Step("index", item, f"untag {name} {throw_away}", expect=throw_away, counts=0)
        self._intend(leftover)
        scope = f"repository:{name}:pull,push,delete"
        await _push_blob(client, name, config, scope)
        headers = {"Content-Type": OCI_MANIFEST}
        answer = await client.send(
            "PUT", f"/v2/{name}/manifests/{quoted(tag)}", scope=scope, headers=headers, body=body, retry=False
        )
        if answer.status not in (200, 201, 202):
            self._refused(answer, item)
        answer = await client.send("DELETE", f"/v2/{name}/manifests/{throw_away}", scope=scope, retry=False)
        if answer.status not in (200, 202, 204, 404):
            self._refused(answer, item)
        self._did(leftover)

    async def _finish_untagging(self, client: Client) -> None:
        """Delete throw-away manifests that an interrupted run left behind."""
        for line in self.journal.lines():
            for step in line.steps:
                if step.kind == "index" and step.path not in self.moved:
                    name = step.path.split(" ")[1]
                    path = f"/v2/{name}/manifests/{step.expect}"
                    answer = await client.send("DELETE", path, scope=f"repository:{name}:pull,delete", retry=False)
                    if answer.status not in (200, 202, 204, 404):
                        self._refused(answer, step.item)
                    self._did(step)

    async def _keep_siblings(self, client: Client, name: str, digest: Digest, siblings: list[str]) -> None:
        """Put other tags of the image back, should a server have taken them along."""
        for tag in siblings:
            if await _points_at(client, name, tag) is None:
                await _push_manifest(client, name, tag, *self._load(name, digest))

    # ---- the record ---------------------------------------------------------------------------------------

    async def _save(self, client: Client, name: str, digest: Digest) -> bool:
        """Keep the bytes of a manifest; tell whether it was there."""
        path = _saved_path(self.journal, name, digest)
        if self.journal.store.kind(path) is not None:
            return True
        answer = await client.send(
            "GET",
            f"/v2/{name}/manifests/{digest}",
            scope=f"repository:{name}:pull",
            headers={"Accept": ACCEPT},
            limit=MAX_MANIFEST_BYTES,
        )
        if answer.status == 404:
            return False
        if answer.status != 200 or not matches(digest, answer.body):
            raise SourceError(f"{name}@{digest} cannot be read any more ({answer.status}).")
        kind = answer.headers.get("content-type", OCI_MANIFEST).partition(";")[0].strip()
        self.journal.store.write(path, kind.encode() + b"\n" + answer.body)
        return True

    def _load(self, name: str, digest: Digest) -> tuple[str, bytes]:
        return _load(self.journal, name, digest)

    def _intend(self, *steps: Step) -> None:
        self.journal.add(Line("intent", int(time.time()), steps=steps))

    def _did(self, *steps: Step) -> None:
        self.journal.add(Line("moved", int(time.time()), paths=tuple(step.path for step in steps)))
        self.moved.update((step.path, step) for step in steps)

    def _skip(self, item: str, why: str) -> None:
        self.skipped.append(Skipped(item, why))

    def _refused(self, answer: Answer, item: str) -> None:
        if answer.status == 405:
            raise SourceError(
                "The registry does not allow deleting; switch it on (storage: delete: enabled: true, or "
                "REGISTRY_STORAGE_DELETE_ENABLED=true) and start it again."
            )
        raise SourceError(f"The registry did not delete {item}: it answered with status {answer.status}.")


def _parents_first(going: set[Digest], graph: RepositoryGraph) -> Iterator[Digest]:
    """Yield indexes before what is in them, and subjects before what refers to them."""
    done: set[Digest] = set()
    pending = sorted(going)
    while pending:
        ready = [d for d in pending if not any(p in going and p not in done for p in graph.parents.get(d, ()))]
        for digest in ready or pending[:1]:
            done.add(digest)
            yield digest
        pending = [digest for digest in pending if digest not in done]


async def _points_at(client: Client, name: str, tag: str) -> Digest | None:
    """Return what a tag points at now; ``None`` when it is gone."""
    path = f"/v2/{name}/manifests/{quoted(tag)}"
    answer = await client.send("HEAD", path, scope=f"repository:{name}:pull", headers={"Accept": ACCEPT})
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise SourceError(f"{name}:{tag} cannot be looked at any more ({answer.status}).")
    return answer.headers.get("docker-content-digest", "")


async def _push_blob(client: Client, name: str, body: bytes, scope: str) -> None:
    answer = await client.send("POST", f"/v2/{name}/blobs/uploads/", scope=scope, retry=False)
    location = answer.headers.get("location", "")
    if answer.status != 202 or not location:
        raise SourceError(f"The registry does not take uploads to {name} ({answer.status}), which untagging needs.")
    url = client.own(location)
    join = "&" if "?" in url else "?"
    headers = {"Content-Type": "application/octet-stream"}
    answer = await client.send(
        "PUT", f"{url}{join}digest={digest_of(body)}", scope=scope, headers=headers, body=body, retry=False
    )
    if answer.status not in (201, 202, 204):
        raise SourceError(f"The registry did not take an upload to {name} ({answer.status}), which untagging needs.")


async def _push_manifest(client: Client, name: str, reference: str, kind: str, body: bytes) -> Answer:
    return await client.send(
        "PUT",
        f"/v2/{name}/manifests/{quoted(reference)}",
        scope=f"repository:{name}:pull,push",
        headers={"Content-Type": kind},
        body=body,
        retry=False,
    )


def _saved_path(journal: Journal, name: str, digest: Digest) -> str:
    return f"{journal.folder}/files/{name}/_{digest.replace(':', '-')}"


def _load(journal: Journal, name: str, digest: Digest) -> tuple[str, bytes]:
    body, _ = journal.store.read(_saved_path(journal, name, digest), MAX_MANIFEST_BYTES + 1024)
    kind, _, content = body.partition(b"\n")
    return kind.decode(), content


def restore_registry(source: RegistryV2, run: str, report: Report) -> Restored:
    """Push everything again that a run deleted, children and referrers first, tags last."""
    store = state_of(source)
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
        skipped: list[Skipped] = []
        steps = [step for step in reversed(record.moved.values()) if step.kind in ("manifest", "tag")]
        # Manifests first, the last deleted first: children were deleted after their index.
        steps.sort(key=lambda step: step.kind == "tag")
        done = 0

        async def work(client: Client) -> None:
            nonlocal done
            for number, step in enumerate(steps, 1):
                why = await _push_again(client, journal, step)
                if why:
                    skipped.append(Skipped(step.item, why))
                else:
                    done += 1
                report(Progress("pushing again", number, len(steps)))

        try:
            source.run(work)
        except SourceError as error:
            return Restored(run, "failed", done, tuple(skipped), f"{error} Restore again to go on.")
        state: Any = "partial" if skipped else "done"
        journal.add(Line("restored", int(time.time()), state=state, done=done, skipped=tuple(skipped)))
        return Restored(run, state, done, tuple(skipped))


async def _push_again(client: Client, journal: Journal, step: Step) -> str:
    """Push a manifest by its digest, or to its tag; return why not."""
    tagged = step.kind == "tag"
    name, _, reference = step.item.partition("@") if not tagged else step.item.rpartition(":")
    digest = step.expect if tagged else reference
    if tagged:
        now = await _points_at(client, name, reference)
        if now == digest:
            return ""
        if now is not None:
            return "it was pushed again since; that tag stays"
    try:
        kind, body = _load(journal, name, digest)
    except (OSError, Unreadable):
        return "its bytes are not kept any more"
    answer = await _push_manifest(client, name, reference, kind, body)
    if answer.status in (200, 201, 202):
        return ""
    if answer.status in (400, 404):
        return "its blobs are gone: the registry has collected its garbage since"
    return f"the registry did not take it ({answer.status})"
