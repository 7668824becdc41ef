"""A run that is over: what came of it, and whether everything that was to stay is there."""

import time

import msgspec

from prune.model.digest import Digest
from prune.model.errors import Refused
from prune.plan.verification import Depth
from prune.reclaim.journal import Journal, Line, Record
from prune.reclaim.outcome import Outcome
from prune.reclaim.steps import StorageSource
from prune.reclaim.verification import verify_again
from prune.sources.base import Report


def finished(source: StorageSource, journal: Journal, record: Record, depth: Depth, report: Report) -> Outcome:
    """Return what came of a run that is over; one that was not found good is verified again."""
    end, begin = record.end, record.begin
    if end is None or begin is None:
        raise Refused(f"The journal of run {journal.run} has no beginning or no end.")
    verified = record.verified
    if not _is_emptied(record) and (verified is None or verified.state != "good"):
        verified = verify_again(source, journal, record, depth=depth, report=report)
        journal.add(Line("verified", int(time.time()), verified=verified))
    return judged(msgspec.structs.replace(came_to(journal, record, begin.plan_digest, end), verified=verified))


def came_to(journal: Journal, record: Record, plan_digest: Digest, end: Line) -> Outcome:
    """Return what the journal says of a run that came to its ``end``."""
    return Outcome(
        run=journal.run,
        plan_digest=plan_digest,
        state="partial" if end.state == "partial" else "done",
        done=end.done,
        skipped=end.skipped,
        freed_bytes=end.bytes,
        trash=None if _is_emptied(record) or record.collected else journal.folder,
        message="This plan was carried out before.",
    )


def _is_emptied(record: Record) -> bool:
    return record.emptied is not None or record.emptying


def judged(outcome: Outcome) -> Outcome:
    """Return a finished run as failed when what stays is not found to be whole."""
    verified = outcome.verified
    if verified is None or verified.state == "good":
        return outcome
    message = (
        f"The run is over, and its verification {'failed' if verified.state == 'bad' else 'could not be done'}: "
    )
    message += verified.message
    if outcome.trash is not None:
        message += (
            f" Nothing was emptied: `prune restore` with run {outcome.run} brings everything back that it took;"
        )
    else:
        message += " What the run took is gone for good;"
    message += " applying the plan again verifies again."
    return msgspec.structs.replace(outcome, state="failed", message=f"{outcome.message} {message}".strip())
