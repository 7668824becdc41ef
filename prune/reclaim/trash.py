"""What the store remembers of past cleanups, and giving their bytes back for good."""

import re
import time
from collections.abc import Collection, Iterable, Sequence

from prune.model.digest import HEX_LENGTH
from prune.model.errors import Refused
from prune.plan.drift import Skipped
from prune.plan.verification import Loss
from prune.plan.words import counted
from prune.reclaim.journal import LOCK, Journal, Line, Record, read_record, run_names
from prune.reclaim.outcome import Emptied, TrashRun
from prune.reclaim.steps import in_storage
from prune.sources.base import Source
from prune.sources.stores.base import Store

#: Whether a file in a trash is a copy of images that an engine deleted.
is_saved_copy = re.compile(r"images(?:-\d+)?\.tar").fullmatch


def list_runs(source: Source) -> list[TrashRun]:
    """Return every run that this store remembers, the newest first."""
    store = _store(source)
    found = []
    for name in run_names(store):
        record = read_record(Journal(store, name))
        if record.begin is not None:
            # In storage looking tells what was moved; what was asked of others may be done without an answer.
            intended = not in_storage(source) and bool(record.intents)
            found.append(_described(name, record.begin, record, touched=intended or bool(record.moved)))
    return sorted(found, key=lambda run: (-run.started, run.run))


def empty_trash(source: Source, *, older_than: int | None, now: int, runs: Collection[str] | None = None) -> Emptied:
    """Remove what finished runs took away, for good. ``older_than`` is in seconds since their end, ``None`` for
    any age; ``runs`` limits it to these. Runs that are not finished, or being restored, are left alone, and so are
    those in storage after which what was to stay was not looked at, or not found whole, and those of which not all
    could be put back.

    Raises ``Refused`` when a run of ``runs`` is unknown or may not be emptied.
    """
    store = _store(source)
    emptied, kept = [], []
    freed = 0
    with store.lock(LOCK):
        names = run_names(store)
        for name in runs or ():
            if name not in names:
                raise Refused(f"This store knows no run {name}.")
        for name in names if runs is None else sorted(set(runs)):
            journal = Journal(store, name)
            record = read_record(journal)
            last = record.restored or record.end
            if last is None or record.restoring:
                if runs is not None:
                    raise Refused(f"Run {name} is not finished; apply its plan again, or restore it, first.")
                continue
            why = "" if record.emptied is not None else _why_needed(source, record)
            if why:
                if runs is not None:
                    again = "restore it, or apply its plan again to have it verified, first"
                    if record.restored is not None:
                        again = (
                            "put right what was in its way and restore it again, or accept that it stays away, first"
                        )
                    raise Refused(f"After run {name} {why}; {again}.")
                kept.append(name)
                continue
            if record.emptied is None and (older_than is None or last.at <= now - older_than):
                freed += discard(journal)
                emptied.append(name)
    remark = store.remark()
    return Emptied(tuple(emptied), freed, tuple(kept), f"Note: {remark}." if remark else "")


def accept_losses(source: Source, run: str, seen: Sequence[Loss], reason: str, *, now: int) -> None:
    """Write down that somebody knows what the verification of a run did not find, or what of it could not be put
    back, and lets its trash go all the same: for what a person deleted or pushed again meanwhile, say. ``seen`` is
    what they were shown; a later verification, or a later restore, asks anew.

    Raises ``Refused`` when there is nothing to accept, or something else than they saw.
    """
    store = _store(source)
    if not reason.strip():
        raise Refused("Say why this may be accepted: it goes on the record.")
    with store.lock(LOCK):
        journal = Journal(store, run)
        record = read_record(journal)
        verified, restored = record.verified, record.restored
        done = restored is not None and restored.state == "done"
        if record.begin is None or done or record.restoring or record.emptying:
            raise Refused(f"Run {run} has no trash that waits for this.")
        if restored is not None:
            if tuple(seen) != left_behind(restored.skipped):
                raise Refused(f"Run {run} was restored again since you looked, and something else stays away now.")
        elif verified is None or verified.state != "bad":
            raise Refused(f"The verification of run {run} found nothing that could be accepted.")
        elif tuple(seen) != verified.missing:
            raise Refused(f"Run {run} was verified again since you looked, and something else is missing now.")
        journal.add(Line("accepted", now, reason=reason.strip()))


def left_over(source: Source, run: str) -> tuple[Loss, ...]:
    """Return all that could not be put back when a run was restored last, as `accept_losses` wants it."""
    restored = read_record(Journal(_store(source), run)).restored
    return left_behind(restored.skipped) if restored is not None else ()


def left_behind(skipped: Iterable[Skipped]) -> tuple[Loss, ...]:
    """Return what of a run could not be put back, as `accept_losses` wants it."""
    return tuple(Loss(one.item, one.reason) for one in skipped)


def _why_needed(source: Source, record: Record) -> str:
    """Return why the trash of a run may still be needed, nothing when it may be emptied."""
    if record.accepted is not None:
        return ""
    if record.restored is not None:
        if record.restored.state == "done":
            return ""
        number = len(record.restored.skipped)
        return f"{counted(number, 'thing')} could not be put back, and may be nowhere but in its trash"
    if record.verified is None:
        # A run in storage that came to its end and was interrupted before anybody looked at what stays.
        return "nobody has looked yet whether everything that was to stay is there" if in_storage(source) else ""
    match record.verified.state:
        case "good":
            return ""
        case "unknown":
            return "it could not be found out whether everything that was to stay is there"
        case "bad":
            return "something that was to stay was not found whole"


def discard(journal: Journal) -> int:
    """Remove the trash of one run and return the bytes of its data and layer files. Plan and journal stay."""
    store = journal.store
    journal.add(Line("emptying", int(time.time())))
    layout_blobs = {journal.trash(f"blobs/{algorithm}") for algorithm in HEX_LENGTH}

    def counts(path: str) -> bool:
        parent, _, name = path.rpartition("/")
        return name in ("data", "layer") or parent in layout_blobs or is_saved_copy(name) is not None

    size = sum(store.remove(f"{journal.folder}/{part}", counts) for part in ("files", "new", "undone"))
    journal.add(Line("emptied", int(time.time()), bytes=size))
    return size


def _store(source: Source) -> Store:
    if in_storage(source):
        return source.store
    # What speaks to a registry or an engine is loaded only where there is one.
    if source.kind in ("registry-v1", "registry-v2"):
        from prune.reclaim.registry import state_of
        from prune.sources.registry_v1.source import RegistryV1
        from prune.sources.registry_v2.source import RegistryV2

        connection = source.connection if isinstance(source, RegistryV1) else source
        if isinstance(connection, RegistryV2):
            return state_of(connection)
    if source.kind == "docker-engine":
        from prune.reclaim.engine import engine_state
        from prune.sources.docker_engine.source import DockerEngine

        if isinstance(source, DockerEngine):
            return engine_state(source)
    raise Refused(f"A source of kind {source.kind} has no trash.")


def _described(name: str, begin: Line, record: Record, *, touched: bool) -> TrashRun:
    last = record.end
    state = "unfinished"
    if record.emptied is not None or record.emptying:
        state = "emptied"
    elif record.restored is not None:
        state = "restored"
    elif record.restoring:
        state = "restoring"
    elif last is not None:
        state = "partial" if last.state == "partial" else "done"
    return TrashRun(
        run=name,
        plan_digest=begin.plan_digest,
        state=state,  # type: ignore[arg-type]  # one of the literals above
        started=begin.at,
        finished=last.at if last else None,
        freed_bytes=sum(step.size for step in record.moved.values()),
        reason=begin.reason,
        touched=touched,
        final=bool(record.collected),
    )
