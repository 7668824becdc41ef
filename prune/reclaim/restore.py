"""Putting a run's trash back where it was. Never overwrites anything that came since."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

from prune.model.errors import Refused, Unreadable
from prune.plan.drift import Skipped
from prune.reclaim.apply import storage_of
from prune.reclaim.journal import LOCK, Journal, Line, Record, read_record
from prune.reclaim.layout_index import bring_back
from prune.reclaim.outcome import Restored
from prune.reclaim.steps import MAX_INDEX_BYTES, Step, StorageSource, batches, content_of, folder_of, is_in_index
from prune.sources.base import Progress, Report, Source, silent
from prune.sources.content import check_content
from prune.sources.storage_v1 import StorageV1
from prune.sources.stores.base import Store

_RUN = re.compile(r"[0-9a-f]{12}-[0-9]{1,9}")


def restore(source: Source, run: str, *, report: Report = silent) -> Restored:
    """Put everything back that the run took, blobs before links before tags, or go on with doing so.

    What was pushed again since is left alone and listed. Raises ``Refused`` when the store knows no such run, or
    its trash was emptied.
    """
    if not _RUN.fullmatch(run):
        raise Refused(f"{run!r} is no run; `prune apply` printed its name.")
    if not source.capabilities.needs_control:
        return _ask_back(source, run, report)
    storage = storage_of(source)
    store = storage.store
    with store.lock(LOCK):
        journal = Journal(store, run)
        record = read_record(journal)
        if record.begin is None:
            raise Refused(f"This store knows no run {run}.")
        if record.emptying or record.emptied is not None:
            raise Refused(f"The trash of run {run} was emptied; it cannot be brought back.")
        if record.collected:
            raise Refused(
                f"The registry's own garbage collection removed the blobs of run {run}; it cannot be brought back."
            )
        if record.restored is not None and record.restored.state == "done":
            return Restored(run, "done", record.restored.done, (), "This run was restored before.")
        return put_back(store, journal, record, report, partial(_check, storage, journal, report))


def _ask_back(source: Source, run: str, report: Report) -> Restored:
    """Let a registry or an engine have back what it deleted. What speaks to one is loaded only where there is one."""
    match source.kind:
        case "registry-v2":
            from prune.reclaim.registry import restore_registry
            from prune.sources.registry_v2.source import RegistryV2

            if isinstance(source, RegistryV2):
                return restore_registry(source, run, report)
        case "registry-v1":
            from prune.reclaim.registry_v1 import restore_registry_v1
            from prune.sources.registry_v1.source import RegistryV1

            if isinstance(source, RegistryV1):
                return restore_registry_v1(source, run, report)
        case "docker-engine":
            from prune.reclaim.engine import restore_engine
            from prune.sources.docker_engine.source import DockerEngine

            if isinstance(source, DockerEngine):
                return restore_engine(source, run, report)
    raise Refused(f"What was deleted in {source.kind} cannot be brought back.")


def put_back(
    store: Store,
    journal: Journal,
    record: Record,
    report: Report,
    check: Callable[[list[Step]], list[Skipped]] | None = None,
) -> Restored:
    """Put back what a run has taken, or go on with doing so; the caller has the store's lock. ``check`` looks at all
    of it when it is back, and returns what is not what it was."""
    steps = list(reversed(record.moved.values()))
    # The index of an OCI layout comes after the blobs, and its entries are judged when it is there.
    steps.sort(key=lambda step: 2 if is_in_index(step) else int(step.kind == "layout-index"))
    done, skipped = 0, list[Skipped]()
    now = int(time.time())
    try:
        if not record.restoring:
            # Also what an interrupted run had moved without writing it down: from here on the record counts.
            journal.add(Line("moved", now, paths=tuple(record.moved)), Line("restore", now))
        looked_at = 0
        for batch in batches(steps):
            if batch[0].kind == "index":
                _make_way(store, journal, batch, record)
            back = []
            with store.together(journal.both_ends(batch)) as together:
                for step in batch:
                    back_already = step.path in record.back and not _is_spoilt(together, journal, step)
                    odd = [] if back_already else list(_return(together, journal, step))
                    skipped += odd
                    if is_in_index(step):
                        odd = [one for one in skipped if one.item == step.item]
                    if not odd:
                        back.append(step.path)
                        done += step.counts
            store.settle(back, [*map(journal.trash, back)])
            journal.add(Line("back", now, paths=tuple(back)))
            looked_at += len(batch)
            report(Progress("putting back", looked_at, len(steps)))
        told = {one.item for one in skipped}
        spoilt = [one for one in check(steps) if one.item not in told] if check is not None else []
        done -= sum(step.counts for step in steps if step.item in {one.item for one in spoilt})
        skipped += spoilt
        state = "partial" if skipped else "done"
        journal.add(Line("restored", int(time.time()), state=state, done=done, skipped=tuple(skipped)))
    except OSError as error:
        message = f"{error.strerror or error}. Nothing is lost: put that right and restore again."
        return Restored(journal.run, "failed", done, tuple(skipped), message)
    return Restored(journal.run, "partial" if skipped else "done", done, tuple(skipped))


def _check(source: StorageSource, journal: Journal, report: Report, steps: list[Step]) -> list[Skipped]:
    """Read every blob that is back and compare it with its digest; one that is spoilt goes into the trash again: in
    its place it would keep a registry from taking the right one. Images of V1 have no digest."""
    if isinstance(source, StorageV1):
        return []
    store = source.store
    by_digest = {step.item: step for step in steps if step.kind in ("blob", "layout-blob")}
    with store.together([folder_of(step) for step in by_digest.values()]) as listed:
        sizes = {digest: _size(listed, content_of(step, step.path)) for digest, step in by_digest.items()}
    found = check_content(source, {digest: size for digest, size in sizes.items() if size is not None}, report)
    again = "; push an image that has it again"
    skipped = [Skipped(digest, f"it is not in its place{again}") for digest, size in sizes.items() if size is None]
    for digest, what in sorted(found.wrong.items()):
        path = by_digest[digest].path
        trash = journal.trash(path)
        # Reading all of it may have taken hours: somebody may have put this one right since.
        size = _size(store, content_of(by_digest[digest], path))
        if size is not None and not check_content(source, {digest: size}, silent).wrong:
            continue
        if digest not in found.unread and store.kind(path) is not None and store.kind(trash) is None:
            store.move(path, trash)
            store.settle([trash], [path])
        skipped.append(Skipped(digest, f"it {what}{again}"))
    return skipped


def _is_spoilt(store: Store, journal: Journal, step: Step) -> bool:
    """Tell whether a blob that was back went into the trash again. Somebody may have put it right since."""
    return step.kind in ("blob", "layout-blob") and store.kind(journal.trash(step.path)) is not None


def _make_way(store: Store, journal: Journal, steps: list[Step], record: Record) -> None:
    """Move lists of ours out of the way of the old ones."""
    for step in steps:
        trashed = step.path not in record.back and store.kind(journal.trash(step.path)) is not None
        if trashed and _is_ours(store, step):
            store.move(step.path, journal.undone(step.path))


def _return(store: Store, journal: Journal, step: Step) -> Iterator[Skipped]:
    """Put one thing back; yield what of it has to stay in the trash, and why."""
    trash = journal.trash(step.path)
    if is_in_index(step):
        return
    if step.kind == "layout-index":
        yield from bring_back(store, step, trash, journal.fresh(step.path))
        return
    if store.kind(trash) is None:
        if store.kind(step.path) is None:
            yield Skipped(step.item, "it is neither in the trash nor in its place")
        return
    try:
        yield from _merge(store, trash, step.path, step)
    except Refused as error:
        yield Skipped(step.item, str(error))


def _merge(store: Store, trash: str, path: str, step: Step) -> Iterator[Skipped]:
    """Move ``trash`` to ``path``; where something is already, go down into it as far as both are folders."""
    try:
        store.move(trash, path)
        return
    except FileExistsError:
        here = store.kind(path)
    if here != store.kind(trash):
        yield Skipped(step.item, f"{path} is something else now")
    elif step.kind in ("blob", "layout-blob", "image"):
        # Named by its content: what was pushed again is the same thing.
        if _size(store, content_of(step, path)) != _size(store, content_of(step, trash)):
            yield Skipped(step.item, "something of another size is in its place now")
    elif here == "file":
        if not _equal(store, trash, path):
            yield Skipped(step.item, f"{path} was changed since")
    elif path.rpartition("/")[0].endswith("_manifests/tags"):
        if not _equal(store, f"{trash}/current/link", f"{path}/current/link"):
            name = step.item if step.kind == "tag" else f"{step.item}:{path.rpartition('/')[2]}"
            yield Skipped(name, "it was pushed again since; that tag stays")
    else:
        for entry in store.entries(trash):
            yield from _merge(store, f"{trash}/{entry.name}", f"{path}/{entry.name}", step)


def _is_ours(store: Store, step: Step) -> bool:
    """Tell whether the list in its place is still the one that the run put there."""
    try:
        body, _ = store.read(step.path, MAX_INDEX_BYTES)
    except (FileNotFoundError, Unreadable):
        return False
    return hashlib.sha256(body).hexdigest() == step.content


def _equal(store: Store, one: str, other: str) -> bool:
    try:
        return store.read(one, MAX_INDEX_BYTES)[0] == store.read(other, MAX_INDEX_BYTES)[0]
    except (FileNotFoundError, NotADirectoryError, Unreadable):
        return False


def _size(store: Store, path: str) -> int | None:
    try:
        return store.stat(path).size
    except (FileNotFoundError, NotADirectoryError, Unreadable):
        return None
