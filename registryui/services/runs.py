"""Runs: carrying a plan out, undoing it, emptying the trash. The work itself happens in the worker."""

import hashlib
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop, ngettext_lazy

from prune.model.errors import PruneError, Stale
from prune.model.plan import read_plan
from prune.plan.drift import Skipped
from prune.plan.verification import DEPTHS, Depth, Loss
from prune.reclaim.apply import apply
from prune.reclaim.outcome import TrashRun
from prune.reclaim.restore import restore as put_back
from prune.reclaim.trash import accept_losses, empty_trash, left_behind, left_over, list_runs
from registryui.models import Proposal, Registry, Run, StandingApproval
from registryui.services import approvals, audit, control, notices, scans
from registryui.services.access import open_registry
from registryui.services.errors import NotNow
from registryui.services.leases import Lease, held, patience

log = logging.getLogger(__name__)

#: In these a cleanup can be started, or started again.
STARTABLE = (Proposal.State.APPROVED, Proposal.State.FAILED)

#: What a verification found missing, as far as it goes on the record.
MOST_ON_RECORD = 100

#: Skipped items beyond this many are counted, not stored by name.
MOST_SKIPPED = 5000


def start(actor: User, proposal: Proposal, stopped_reason: str) -> Run:
    """Begin the cleanup of an approved proposal. ``stopped_reason`` says why nobody can push or pull now."""
    statement = "" if proposal.registry.sees_to_control else stopped_reason.strip()
    statement = statement or standing_word(proposal.registry)
    if not statement and proposal.registry.needs_control:
        raise NotNow("Say why nobody can push or pull while this runs: it goes on the record.")
    with transaction.atomic():
        rows = Proposal.objects.select_for_update(of=("self",)).select_related("registry", "plan")
        locked = rows.get(pk=proposal.pk)
        short = approvals.missing(locked) if locked.state in STARTABLE else 0
        if not short:
            return begin(actor, locked, statement)
        # More are asked for by now, an account was closed, a standing approval revoked: back to the people.
        locked.state = Proposal.State.PROPOSED
        locked.save(update_fields=["state", "updated_at"])
        notices.waiting(locked)
    needs = ngettext_lazy(
        "It needs %(number)d more approval by now, and can be approved again.",
        "It needs %(number)d more approvals by now, and can be approved again.",
        short,
    )
    raise NotNow(needs, number=short)


def standing_word(registry: Registry) -> str:
    """Return what stands for every run of a registry: what is done to keep pushes out, or why nobody can push."""
    return control.words(registry) if registry.sees_to_control else registry.control_statement


def begin(actor: User, proposal: Proposal, statement: str, standing: StandingApproval | None = None) -> Run:
    """Queue the run of a proposal whose row the caller holds, with its approvals counted under that lock; under a
    ``standing`` approval ``actor`` is who asked for that."""
    if proposal.state not in STARTABLE:
        raise NotNow("Only an approved proposal can be carried out.")
    run = _queue(
        actor,
        Run(
            registry=proposal.registry,
            proposal=proposal,
            plan=proposal.plan,
            kind=Run.Kind.APPLY,
            standing=standing,
            stopped_reason=statement,
            started_by=actor,
        ),
        statement,
    )
    proposal.state = Proposal.State.RUNNING
    proposal.save()
    return run


def restore(actor: User, run: Run) -> Run:
    """Queue the undoing of a cleanup."""
    return _follow(actor, run, Run.Kind.RESTORE, gettext_noop("It cannot be undone: its trash is no longer there."))


def empty(actor: User, run: Run) -> Run:
    """Queue giving the bytes of a cleanup back for good."""
    return _follow(actor, run, Run.Kind.EMPTY, gettext_noop("Its trash is no longer there."))


def accept(actor: User, run: Run, reason: str, seen: str) -> None:
    """Put on the record that somebody knows what the verification of a cleanup did not find, or what an undo could
    not put back, so that its trash can be emptied. ``seen`` is the mark of what they were shown, see
    ``Run.losses_mark``."""
    if not run.losses_open:
        raise NotNow("There is nothing here that could be accepted.")
    if seen != run.losses_mark:
        raise NotNow("It was verified again since you looked. Here is what is missing now.")
    verified = run.verified or {}
    if run.kind == Run.Kind.RESTORE:
        losses = [Loss(skipped["item"], skipped["reason"]) for skipped in run.skipped]
    else:
        losses = [Loss(missing["item"], missing["what"]) for missing in verified["missing"]]
    try:
        source = open_registry(run.registry)
        if run.kind == Run.Kind.RESTORE and run.skipped_count > len(run.skipped):
            losses = list(left_over(source, run.engine_run))
            if _digest(losses) != run.skipped_digest:
                raise NotNow("It was verified again since you looked. Here is what is missing now.")
        accept_losses(source, run.engine_run, losses, reason, now=int(time.time()))
    except (PruneError, OSError) as error:
        raise NotNow(str(error)) from None
    with transaction.atomic():
        at = timezone.now().isoformat(timespec="seconds")
        run.verified = verified | {"accepted": {"by": actor.get_username(), "at": at, "reason": reason.strip()}}
        run.save(update_fields=["verified"])
        _record(actor, audit.Action.LOSSES_ACCEPTED, run, reason.strip(), losses=len(losses))


def _follow(actor: User, run: Run, kind: Run.Kind, gone: str) -> Run:
    if run.kind != Run.Kind.APPLY or run.trash != Run.Trash.HELD:
        raise NotNow(gone)
    with transaction.atomic():
        follower = Run(
            registry=run.registry, proposal=run.proposal, plan=run.plan, parent=run, kind=kind, started_by=actor
        )
        return _queue(actor, follower, "")


def _queue(actor: User, run: Run, reason: str) -> Run:
    from registryui.tasks import carry_out

    run.lease_until = patience()
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        raise NotNow("Another run of this registry is not finished yet; wait until it is.") from None
    by = actor if run.standing is None else None
    _record(by, audit.Action.RUN_QUEUED, run, reason, **({"standing": run.standing_id} if run.standing_id else {}))
    transaction.on_commit(lambda: carry_out.enqueue(run.pk))
    return run


def call_off(actor: User, run: Run) -> None:
    """Take a run out of the queue that no worker has begun. Raises ``NotNow`` once something may have moved."""
    with transaction.atomic():
        waiting = Run.objects.filter(pk=run.pk, state=Run.State.QUEUED, started_at=None)
        message = gettext_noop("It was called off before it began.")
        if not waiting.update(state=Run.State.FAILED, finished_at=timezone.now(), message=message):
            raise NotNow("It has begun, and goes on to its end; a cleanup can be undone afterwards.")
        if run.proposal is not None and run.kind == Run.Kind.APPLY:
            same = Proposal.objects.filter(pk=run.proposal.pk, state=Proposal.State.RUNNING)
            same.update(state=Proposal.State.APPROVED, updated_at=timezone.now())
        _record(actor, audit.Action.RUN_CALLED_OFF, run, "")


def perform(run_id: int) -> None:
    """Do a queued run, or go on with one whose worker died, unless somebody else does."""
    with held(Run, run_id) as lease:
        if lease is None:
            return
        rows = Run.objects.select_related("registry", "proposal__policy__policy", "plan", "parent", "started_by")
        run = rows.get(pk=run_id)
        try:
            match run.kind:
                case Run.Kind.APPLY:
                    _recheck(run)
                    _apply(run, lease)
                case Run.Kind.RESTORE:
                    _restore(run, lease)
                case Run.Kind.EMPTY:
                    _empty(run)
        except (PruneError, NotNow) as error:
            run.state, run.message = Run.State.FAILED, str(error)
            if isinstance(error, Stale) and run.proposal is not None:
                run.proposal.state = Proposal.State.STALE
        except OSError as error:
            why = f"The registry could not be reached: {error.strerror or error}."
            run.state, run.message = Run.State.FAILED, why
        if run.kind == Run.Kind.APPLY and run.state == Run.State.FAILED and run.trash != Run.Trash.HELD:
            _hold_half(run)
        _finish(run)
    scan = scans.request(None, run.registry)
    scans.perform(scan.pk)


def _recheck(run: Run) -> None:
    """Judge once more what a policy let go, each time before something moves: also when a run is gone on with whose
    worker died, perhaps days ago. Raises ``Stale``; what a run has moved so far can then be brought back."""
    from registryui.services import policy_runs

    if run.proposal is None or run.proposal.policy is None or run.plan is None:
        return
    begun = _begun(run)
    if begun is not None and (not begun.touched or begun.state == "emptied"):
        begun = None  # what was restored once and emptied then is begun anew
    try:
        policy_runs.recheck(run.proposal, begun=begun is not None)
    except (PruneError, NotNow) as error:
        if begun is None:
            raise
        if begun.state in ("done", "partial"):
            return  # everything has moved: what is left is to look whether it is whole, and to write it down
        _note_trash(run, begun.run, _left_of(begun))
        if begun.final:
            raise Stale(f"{error} The cleanup stopped half-way, and cannot be undone.") from None
        raise Stale(f"{error} The cleanup stopped half-way; undo it to bring back what had gone by then.") from None


def _begun(run: Run) -> TrashRun | None:
    """Return how far the store has come with the plan of a run, ``None`` when it has not begun, or was undone."""
    if run.plan is None:
        return None
    known = list_runs(open_registry(run.registry))
    return next((one for one in known if one.plan_digest == run.plan.digest and one.state != "restored"), None)


def _hold_half(run: Run) -> None:
    """Let a run that stopped half-way be undone, where it can be: nobody may be willing, or allowed, to go on with
    it."""
    begun = _seen(run)
    if begun is not None and begun.touched and begun.state == "unfinished":
        _note_trash(run, begun.run, _left_of(begun))


def _seen(run: Run) -> TrashRun | None:
    """Return how far the store has come, ``None`` also when that cannot be seen now: the run has ended as it has."""
    try:
        return _begun(run)
    except (PruneError, OSError) as error:
        log.warning("How far %s came could not be seen: %s", run, error)
        return None


def _left_of(begun: TrashRun) -> Run.Trash:
    """Return what is left of a run's trash by the word of the store."""
    if begun.final:
        return Run.Trash.FINAL
    return Run.Trash.EMPTIED if begun.state == "emptied" else Run.Trash.HELD


def _note_trash(run: Run, engine_run: str, trash: Run.Trash) -> None:
    """Note where what a run took away lies, or what became of it. One that was begun before, or is verified
    again, is still one cleanup with one trash."""
    same = Run.objects.filter(registry=run.registry, kind=Run.Kind.APPLY, engine_run=engine_run)
    same.exclude(pk=run.pk).update(trash=Run.Trash.NONE)
    run.engine_run = engine_run
    run.trash = trash
    held = trash == Run.Trash.HELD
    run.trash_until = timezone.now() + timedelta(days=run.registry.trash_days) if held else None


def _apply(run: Run, lease: Lease) -> None:
    if run.plan is None:
        raise NotNow("This run has no plan.")
    source = open_registry(run.registry)
    plan = read_plan(bytes(run.plan.body))
    registry = run.registry
    depth: Depth = "sizes"
    if registry.verify_depth in DEPTHS:
        depth = registry.verify_depth
    chosen = control.watched(registry, run, run.stopped_reason) if registry.needs_control else None
    outcome = apply(
        source,
        plan,
        stopped=run.stopped_reason,
        control=chosen,
        window=60 * registry.window_minutes,
        collector=control.collector_of(registry),
        depth=depth,
        report=lease.report,
    )
    run.engine_run = outcome.run
    run.state = outcome.state
    run.items = outcome.done
    run.freed_bytes = outcome.freed_bytes
    _note_skipped(run, outcome.skipped)
    run.message = outcome.message
    run.held_seconds = outcome.held_seconds
    if chosen is not None and chosen.cache_problem:
        run.message = f"{run.message} {chosen.cache_problem}".strip()
    if outcome.verified is not None:
        run.verified = msgspec.to_builtins(outcome.verified)
        run.verified["missing"] = run.verified["missing"][:MOST_SKIPPED]
    # A run that is over is one that can be undone, above all when its verification failed.
    if outcome.state != "failed" or outcome.verified is not None:
        if outcome.trash is not None:
            _note_trash(run, outcome.run, Run.Trash.HELD)
        elif (begun := _seen(run)) is not None:
            _note_trash(run, outcome.run, _left_of(begun))


def _restore(run: Run, lease: Lease) -> None:
    parent = _parent(run)
    restored = put_back(open_registry(run.registry), parent.engine_run, report=lease.report)
    run.engine_run = restored.run
    run.state = restored.state
    run.items = restored.done
    _note_skipped(run, restored.skipped)
    run.message = restored.message
    if restored.state == "done":
        parent.trash = Run.Trash.RESTORED
        parent.save(update_fields=["trash"])


def _note_skipped(run: Run, skipped: Sequence[Skipped]) -> None:
    run.skipped = [{"item": s.item, "reason": s.reason} for s in skipped[:MOST_SKIPPED]]
    run.skipped_number = len(skipped)
    run.skipped_digest = _digest(left_behind(skipped))


def _digest(losses: Iterable[Loss]) -> str:
    return hashlib.sha256(msgspec.json.encode([(loss.item, loss.what) for loss in losses])).hexdigest()


def _empty(run: Run) -> None:
    parent = _parent(run)
    emptied = empty_trash(
        open_registry(run.registry), older_than=None, now=int(time.time()), runs=[parent.engine_run]
    )
    run.engine_run = parent.engine_run
    run.state = Run.State.DONE
    run.freed_bytes = emptied.freed_bytes
    parent.trash = Run.Trash.EMPTIED
    parent.save(update_fields=["trash"])


def _parent(run: Run) -> Run:
    if run.parent is None:
        raise NotNow("This run follows no other.")
    return run.parent


def _finish(run: Run) -> None:
    run.finished_at = timezone.now()
    with transaction.atomic():
        run.save()
        proposal = run.proposal
        if proposal is not None and run.kind == Run.Kind.APPLY:
            if proposal.state != Proposal.State.STALE:
                proposal.state = run.state
            proposal.save(update_fields=["state", "updated_at"])
            if proposal.state == Proposal.State.STALE:
                _record(None, audit.Action.STALE, run, run.message)
        facts: dict[str, object] = {"state": run.state, "items": run.items, "freed": run.freed_bytes}
        if run.held_seconds is not None:
            facts["held_seconds"] = round(run.held_seconds, 3)
        if run.verified is not None:
            facts["verified"] = {key: value for key, value in run.verified.items() if key != "missing"}
            facts["verified_missing"] = run.verified["missing"][:MOST_ON_RECORD]
        _record(None, audit.Action.RUN_FINISHED, run, run.message, **facts)
        if run.state == Run.State.FAILED:
            notices.failed(run)
    if run.state == Run.State.FAILED:
        log.warning("%s failed: %s", run, run.message)


def _record(actor: User | None, action: audit.Action, run: Run, reason: str, **data: object) -> None:
    audit.record(
        actor,
        action,
        run,
        registry=run.registry.slug,
        plan_digest=run.plan.digest if run.plan else "",
        reason=reason,
        kind=run.kind,
        proposal=run.proposal_id,
        **data,
    )
