"""Carrying a plan out in a Docker Engine, and undoing it.

An image is taken away by its names, never by its id and never by force: so the engine itself refuses what a
container uses or another image is based on, and a name that somebody gives an image at the last moment keeps it.
Before that the images are saved, as `docker save` does, for there is no other way back.
"""

import os
import time
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from prune.model.digest import short
from prune.model.errors import Refused, SourceError, Stale
from prune.model.plan import Deletions, ImageItem, Plan
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped
from prune.plan.engine import names_of, removal_order, still_holds
from prune.reclaim.finished import came_to
from prune.reclaim.journal import LOCK, Journal, Line, Record, read_record, run_of
from prune.reclaim.outcome import Outcome, Restored
from prune.reclaim.saved_images import ids_in, load_images, save_images
from prune.reclaim.steps import Step
from prune.sources.base import Progress, Report
from prune.sources.docker_engine.client import why
from prune.sources.docker_engine.source import GOING, DockerEngine, containers_by_image
from prune.sources.stores.disk import DiskStore

#: The file in a run's trash that holds the images; after an interruption there may be more.
SAVED = "images.tar"
_STRAYED = "its name was given to another image a moment ago"


def engine_state(source: DockerEngine) -> DiskStore:
    """Return the local folder where the runs of this engine are remembered."""
    place = source.url.partition("://")[2].strip("/").replace("/", "_").replace(":", "_")
    return DiskStore(f"{source.state}/docker_{place}")


def apply_engine(source: DockerEngine, plan: Plan, reason: str, *, trash: bool, report: Report) -> Outcome:
    """See `prune.reclaim.apply.apply`, which calls this."""
    store = engine_state(source)
    with store.lock(LOCK):
        journal, record = run_of(store, plan.digest())
        if record.end is not None:
            return came_to(journal, record, plan.digest(), record.end)
        return _Run(source, store, plan, journal, record, report).carry_out(reason, trash=trash)


class _Run:
    def __init__(
        self, source: DockerEngine, store: DiskStore, plan: Plan, journal: Journal, record: Record, report: Report
    ) -> None:
        self.source = source
        self.store = store
        self.plan = plan
        self.journal = journal
        self.report = report
        self.moved: dict[str, Step] = dict(record.moved)
        self.intents = dict(record.intents)
        self.skipped: list[Skipped] = []

    def carry_out(self, reason: str, *, trash: bool) -> Outcome:
        snapshot = self.source.scan(self.report)
        drift = still_holds(self.plan, snapshot, now=int(time.time()))
        if not drift.items and not self.moved and not self.intents and self.plan.delete:
            raise Stale(f"Nothing of this plan holds any more; make a new one. {_instance(drift.skipped)}".strip())
        for gone in drift.skipped:
            # Asked for by this run, which was interrupted before it heard the answer.
            if gone.item in self.intents and gone.item not in self.moved and "gone already" in gone.reason:
                self._did(self.intents[gone.item])
        self.skipped = [skipped for skipped in drift.skipped if skipped.item not in self.moved]
        self.store.write(f"{self.journal.folder}/plan.json", self.plan.to_json())
        self.journal.add(Line("begin", int(time.time()), plan_digest=self.plan.digest(), reason=reason))
        message = ""
        try:
            if trash and drift.items.images:
                self._save(drift.items.images, snapshot)
            self.source.run(lambda api: self._remove(api, drift.items, snapshot))
        except SourceError as error:
            message = f"{error} What was done is remembered: apply the same plan again to go on."
        except OSError as error:
            message = f"{error.strerror or error}. Nothing is lost: put that right and apply again."
        counts = sum(step.counts for step in self.moved.values())
        skipped = tuple(sorted(set(self.skipped)))
        freed = sum(step.size for step in self.moved.values())
        state: Any = "failed" if message else "partial" if skipped else "done"
        if state != "failed":
            self.journal.add(Line("end", int(time.time()), state=state, done=counts, skipped=skipped, bytes=freed))
            if not trash:
                # There is nothing to bring back, and the record says so.
                self.journal.add(Line("emptying", int(time.time())), Line("emptied", int(time.time())))
        folder = self.journal.folder if trash else None
        return Outcome(self.journal.run, self.plan.digest(), state, counts, skipped, freed, folder, message)

    def _save(self, images: tuple[ImageItem, ...], snapshot: Snapshot) -> None:
        """Put a copy of what goes into the trash. One that an interrupted run made stays, for what went since is in
        it alone; what it does not hold, because it could not go then, gets a copy of its own."""
        copies = saved_copies(self.store, self.journal)
        held = {id_ for path in copies for id_ in ids_in(path)}
        missing = [image.id for image in images if image.id not in held]
        if missing:
            self.report(Progress("saving the images that go", 0, len(missing)))
            target = os.path.join(self.store.root, self.journal.trash(_copy_name(len(copies))))
            self.source.run(lambda api: save_images(api, missing, snapshot, target))

    # ---- deleting -----------------------------------------------------------------------------------------

    def _remove(self, api: APIClient, items: Deletions, snapshot: Snapshot) -> None:
        total = len(items.tags) + len(items.manifests) + len(items.images)
        done = 0
        names = {f"{tag.repository}:{tag.tag}": tag.digest for tag in items.tags}
        ids = {name: image.id for image in snapshot.images.values() for name in image.names}
        names |= {f"{one.repository}@{one.digest}": ids[f"{one.repository}@{one.digest}"] for one in items.manifests}
        for item in removal_order(snapshot, items.images):
            mine = [name for name in names_of(snapshot, item.id) if name in names]
            self._remove_image(api, item, mine)
            for name in mine:
                del names[name]
            done += 1 + len(mine)
            self.report(Progress("deleting images", done, total))
        for name, id_ in sorted(names.items(), key=lambda pair: "@" in pair[0]):
            if not self._points_at(api, name, id_):
                self._skip(name, "it is gone already, or points at another image now")
            else:
                self._remove_name(api, _step(name, id_))
            done += 1
            self.report(Progress("untagging", done, total))

    def _remove_image(self, api: APIClient, item: ImageItem, names: list[str]) -> None:
        """Take an image away by its last names, after a look at everything that could hold it."""
        kept = self._why_kept(api, item.id, names)
        if kept:
            for what in (*names, item.id):
                self._skip(what, kept)
            return
        image = Step("image", item.id, item.id, size=item.size)
        self._intend(image)
        if not names:
            # It gets a name to be taken away by: whoever names it in between keeps it.
            names = [f"{GOING}:{short(item.id)}"]
            api.tag(item.id, GOING, short(item.id), force=True)
        only = _only_tag(names)
        # Tags first: the engine takes the digests of the same repository along.
        for name in sorted(names, key=lambda name: "@" in name):
            planned = not name.startswith(f"{GOING}:")
            step = _step(name, item.id, counts=int(planned))
            if "@" in name and not self._points_at(api, name, item.id):
                self._did(step)
            elif not self._points_at(api, name, item.id):
                self._skip(name, _STRAYED)
                break
            elif not self._remove_name(api, step, by=item.id if planned and name == only else name, tell=planned):
                break
        if _found(api, item.id) is None:
            self._did(image)
        else:
            self._skip(item.id, "the engine kept it: something came to need it a moment ago")

    def _why_kept(self, api: APIClient, id_: str, names: list[str]) -> str:
        found = _found(api, id_)
        if found is None:
            return "it is gone already"
        users = containers_by_image(api.containers(all=True)).get(id_)
        if users:
            return f"the container {users[0]} uses it now"
        others = [*(found.get("RepoTags") or ()), *(found.get("RepoDigests") or ())]
        if any("@" not in name and name not in others for name in names):
            return _STRAYED
        news = [name for name in others if name not in names and not name.startswith(f"{GOING}:")]
        return f"it is also known as {news[0]} now" if news else ""

    def _points_at(self, api: APIClient, name: str, id_: str) -> bool:
        found = _found(api, name)
        return found is not None and found["Id"] == id_

    def _remove_name(self, api: APIClient, step: Step, *, by: str = "", tell: bool = True) -> bool:
        """Take one name away, or with ``by`` an image by its id; tell whether that went well."""
        if tell:
            self._intend(step)
        try:
            api.remove_image(by or step.item, force=False, noprune=True)
        except ImageNotFound:
            self._skip(step.item, "it is gone already")
            return False
        except APIError as error:
            if error.status_code != 409:
                raise
            if tell:
                self._skip(step.item, f"the engine refused: {why(error)}")
            return False
        if tell:
            self._did(step)
        return True

    # ---- the record ---------------------------------------------------------------------------------------

    def _intend(self, *steps: Step) -> None:
        self.journal.add(Line("intent", int(time.time()), steps=steps))

    def _did(self, *steps: Step) -> None:
        self.journal.add(Line("moved", int(time.time()), paths=tuple(step.path for step in steps)))
        self.moved.update((step.path, step) for step in steps)

    def _skip(self, item: str, reason: str) -> None:
        self.skipped.append(Skipped(item, reason))


def _only_tag(names: list[str]) -> str:
    """Return the tag in ``names`` when it is the only one and all digests are of its repository; else nothing.

    Such an image can be taken away by its id: the engine refuses that as soon as it has a second tag, and should the
    tag have been given to another image a moment ago, that one keeps it.
    """
    tags = [name for name in names if "@" not in name]
    if len(tags) != 1:
        return ""
    repository = tags[0].rpartition(":")[0]
    return tags[0] if all(name.partition("@")[0] == repository for name in names if "@" in name) else ""


def _copy_name(number: int) -> str:
    return SAVED if number == 0 else f"{SAVED.removesuffix('.tar')}-{number + 1}.tar"


def saved_copies(store: DiskStore, journal: Journal) -> list[str]:
    """Return the files in which a run saved images, the first first."""
    found: list[str] = []
    while store.kind(path := journal.trash(_copy_name(len(found)))) is not None:
        found.append(os.path.join(store.root, path))
    return found


def _step(name: str, id_: str, counts: int = 1) -> Step:
    return Step("manifest" if "@" in name else "tag", name, name, expect=id_, counts=counts)


def _found(api: APIClient, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.inspect_image(name)
    except ImageNotFound:
        return None
    return found


def _instance(skipped: tuple[Skipped, ...]) -> str:
    return f"For instance {skipped[0].item}: {skipped[0].reason}." if skipped else ""


# ---- and back ---------------------------------------------------------------------------------------------


def restore_engine(source: DockerEngine, run: str, report: Report) -> Restored:
    """Load the images that a run took away and give them their tags again."""
    store = engine_state(source)
    with store.lock(LOCK):
        journal = Journal(store, run)
        record = read_record(journal)
        if record.begin is None:
            raise Refused(f"Nothing is known here of a run {run}.")
        if record.emptying or record.emptied is not None:
            raise Refused(f"Nothing of run {run} was kept, or its trash was emptied; it cannot be brought back.")
        if record.restored is not None and record.restored.state == "done":
            return Restored(run, "done", record.restored.done, (), "This run was restored before.")
        journal.add(Line("restore", int(time.time())))
        try:
            done, skipped = source.run(lambda api: _bring_back(api, store, journal, record, report))
        except SourceError as error:
            return Restored(run, "failed", 0, (), f"{error} Restore again to go on.")
        except OSError as error:
            return Restored(run, "failed", 0, (), f"{error.strerror or error}. Put that right and restore again.")
        state: Any = "partial" if skipped else "done"
        journal.add(Line("restored", int(time.time()), state=state, done=done, skipped=tuple(skipped)))
        digests = any(step.kind == "manifest" for step in record.moved.values())
        message = "References by digest come back with the next pull of these images." if digests else ""
        return Restored(run, state, done, tuple(skipped), message)


def _bring_back(
    api: APIClient, store: DiskStore, journal: Journal, record: Record, report: Report
) -> tuple[int, list[Skipped]]:
    images = [step for step in record.moved.values() if step.kind == "image"]
    tags = [step for step in record.moved.values() if step.kind == "tag"]
    if any(_found(api, step.item) is None for step in images):
        report(Progress("loading images", 0, len(images)))
        for path in saved_copies(store, journal) or [os.path.join(store.root, journal.trash(SAVED))]:
            load_images(api, path)
    done, skipped = 0, []
    for step in images:
        if _found(api, step.item) is None:
            skipped.append(Skipped(step.item, "the engine gave it another id than it had"))
        else:
            done += step.counts
    for number, step in enumerate(tags, 1):
        there = _found(api, step.item)
        if there is not None and there["Id"] != step.expect:
            skipped.append(Skipped(step.item, "it names another image now; that one stays"))
        elif there is None and _found(api, step.expect) is None:
            skipped.append(Skipped(step.item, "its image could not be brought back"))
        else:
            if there is None:
                repository, _, tag = step.item.rpartition(":")
                api.tag(step.expect, repository, tag)
            done += step.counts
        report(Progress("naming images", number, len(tags)))
    return done, skipped
