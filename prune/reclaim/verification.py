"""Looking at the registry again after a run, before anything is given back for good."""

from collections.abc import Collection

from prune.model.digest import Digest
from prune.model.errors import PruneError
from prune.model.plan import Deletions
from prune.model.snapshot import Snapshot
from prune.plan.verification import Comparison, Depth, Loss, Verified, compare, losses_of, still_lost
from prune.plan.words import counted
from prune.reclaim.journal import Journal, Record
from prune.reclaim.steps import Step, StorageSource
from prune.sources.base import Report
from prune.sources.content import check_content, sample
from prune.sources.storage_v1 import StorageV1

#: More losses than this are counted and not listed: a disk that is gone loses everything.
MOST_LISTED = 1000


def taken_by(steps: Collection[Step], items: Deletions) -> set[str]:
    """Return what a run took away, as `prune.plan.verification.compare` wants it. In an OCI layout tags and manifests
    go all at once, with the list that names them: then it is all of ``items``."""
    taken = {step.item for step in steps if step.kind in ("repository", "tag", "manifest", "image")}
    if any(step.kind == "layout-index" for step in steps):
        taken |= {f"{tag.repository}:{tag.tag}" for tag in items.tags}
        taken |= {f"{one.repository}@{one.digest}" for one in items.manifests}
        taken |= set(items.repositories)
    return taken


def verify(
    source: StorageSource,
    before: Snapshot,
    taken: Collection[str],
    *,
    depth: Depth,
    seed: str,
    report: Report,
    known_broken: Collection[Digest] | None = None,
) -> Verified:
    """Return whether everything is there that was there ``before`` and was not ``taken`` (see `compare`).

    Never raises for what it meets: what cannot be looked at is ``unknown``. ``seed`` says which blobs a sample
    holds. Content is compared with digests only where blobs are named by them, not in V1 storage.
    """
    try:
        after = source.scan(report, known=before, configs=False)
        blocked = after.store_blocked
        if blocked is not None:
            # Behind it there may be anything: nothing is known to be lost.
            unread = [Loss(blocked.where, blocked.what)]
            return Verified("unknown", depth, missing=tuple(unread), message=_sentence("unknown", unread))
        found = compare(before, taken, after, known_broken=known_broken)
        wrong, blobs, size, unread = _hashed(source, before, found, depth, seed, report)
    except (PruneError, OSError) as error:
        return Verified("unknown", depth, message=f"What is left could not be looked at: {_why(error)}.")
    return _verdict(found, depth, sorted({*found.losses, *wrong}), [*found.unread, *unread], blobs, size)


def verify_again(
    source: StorageSource,
    journal: Journal,
    record: Record,
    *,
    depth: Depth,
    report: Report,
) -> Verified:
    """Verify a finished run once more, which was not verified to its end or not found good.

    The scan that it rested on is gone: what an earlier verification missed must have come back, and everything
    that manifests need must be there, but for what was missing before the run.
    """
    lost = record.verified.missing if record.verified and record.verified.state == "bad" else ()
    try:
        now = source.scan(report, configs=False)
        missing = record.begin.missing if record.begin else None
        found = compare(now, taken_by(record.moved.values(), Deletions()), now, known_broken=missing)
        left = still_lost(lost, now)
        again = {loss.item for loss in lost} & (now.blobs or {}).keys()
        if not isinstance(source, StorageV1) and again:
            content = check_content(source, {d: now.blobs[d].size for d in again if now.blobs}, report)
            left += losses_of(now, content.wrong)
        wrong, blobs, size, unread = _hashed(source, now, found, depth, journal.run, report)
    except (PruneError, OSError) as error:
        return Verified("unknown", depth, message=f"What is left could not be looked at: {_why(error)}.")
    return _verdict(found, depth, sorted({*found.losses, *wrong, *left}), unread, blobs, size)


def _verdict(
    found: Comparison,
    depth: Depth,
    losses: list[Loss],
    unread: list[Loss],
    blobs: int,
    size: int,
) -> Verified:
    state = "bad" if losses else "unknown" if unread else "good"
    return Verified(
        state=state,  # type: ignore[arg-type]  # one of the three
        depth=depth,
        tags=found.tags,
        manifests=found.manifests,
        blobs=len(found.needed),
        bytes=sum(found.needed.values()),
        hashed=blobs,
        hashed_bytes=size,
        broken_before=len(found.broken),
        missing=tuple(losses or unread)[:MOST_LISTED],
        message=_sentence(state, losses or unread),
    )


def _hashed(
    source: StorageSource, before: Snapshot, found: Comparison, depth: Depth, seed: str, report: Report
) -> tuple[list[Loss], int, int, list[Loss]]:
    """Read what ``depth`` asks for; return losses, blobs and bytes read, and what could not be read."""
    if depth == "sizes" or isinstance(source, StorageV1):
        return [], 0, 0, []
    chosen = found.needed if depth == "full" else sample(found.needed, seed)
    content = check_content(source, chosen, report)
    wrong = {digest: what for digest, what in content.wrong.items() if digest not in content.unread}
    unread = {digest: content.wrong[digest] for digest in content.unread}
    return losses_of(before, wrong), content.blobs, content.bytes, losses_of(before, unread)


def _why(error: Exception) -> str:
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return text.rstrip(".")


def _sentence(state: str, losses: list[Loss]) -> str:
    if not losses:
        return ""
    first = f"{losses[0].item} ({losses[0].what})"
    if state == "bad":
        return f"{counted(len(losses), 'thing')} that should have stayed {_is(losses)} damaged, first {first}."
    return f"{counted(len(losses), 'thing')} could not be read any more, first {first}."


def _is(losses: list[Loss]) -> str:
    return "is" if len(losses) == 1 else "are"
