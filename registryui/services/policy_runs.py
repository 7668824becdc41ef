"""Policies at work: what is due, what it comes to, and what happens when a guard trips.

A run ends in a proposal like any other. Only a standing approval lets it go on without a person.
"""

import logging
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from prune.model.errors import PruneError, Stale
from prune.plan.words import counted
from prune.policy.compare import no_longer
from prune.policy.decision import Evaluation
from prune.policy.evaluate import decide
from prune.policy.planning import plan_of
from prune.policy.read import parse_policy
from prune.policy.schedule import missed
from prune.policy.schema import Policy as Rules
from registryui.models import Policy, PolicyRun, Proposal, Registry, Scan
from registryui.models.lease import UNFINISHED
from registryui.services import (
    audit,
    heard,
    in_use,
    inventories,
    listening,
    notices,
    policies,
    proposals,
    scans,
    standing,
)
from registryui.services.errors import NotNow
from registryui.services.inventories import Known
from registryui.services.leases import held, patience
from registryui.services.plans import MOST_REFERENCES, Made

log = logging.getLogger(__name__)

State = PolicyRun.State

#: Seconds for which a scan of another worker is waited for.
PATIENCE = 1800.0


def look(now: datetime | None = None) -> int:
    """Put what is due into the queue; return how much. What was missed is made up for by one run."""
    now = now or timezone.now()
    found = 0
    for policy in policies.active():
        try:
            rules = parse_policy(policy.active.text) if policy.active is not None else None
        except PruneError as error:
            log.warning("%s cannot be read any more: %s", policy.active, error)
            continue
        if rules is None or rules.schedule is None or policy.since is None:
            continue
        for registry in policies.registries_of(policy):
            ran = PolicyRun.objects.filter(policy=policy, registry=registry).exclude(due_at=None).order_by("-due_at")
            last = max(
                filter(None, [policy.since, registry.created_at, ran.values_list("due_at", flat=True).first()])
            )
            due = missed(rules.schedule, int(last.timestamp()), int(now.timestamp()))
            if due is not None:
                found += _queue(policy, registry, due_at=datetime.fromtimestamp(due, UTC)) is not None
    return found


def ask(actor: User, policy: Policy, registry: Registry) -> PolicyRun:
    """Let the active version look at a registry now."""
    if policy.active is None:
        raise NotNow("No version of this policy is active; activate one first.")
    if not policy.applies_to(registry.slug):
        raise NotNow("This policy is not for %(registry)s.", registry=registry)
    if PolicyRun.objects.filter(policy=policy, registry=registry, state__in=UNFINISHED).exists():
        raise NotNow("It is looking at this registry already.")
    run = _queue(policy, registry, asked_by=actor)
    if run is None:
        raise NotNow("It is looking at this registry already.")
    return run


def _queue(policy: Policy, registry: Registry, **fields: Any) -> PolicyRun | None:
    from registryui.tasks import run_policy

    if policy.active is None:
        return None
    try:
        with transaction.atomic():
            run = PolicyRun.objects.create(
                policy=policy, version=policy.active, registry=registry, lease_until=patience(), **fields
            )
            transaction.on_commit(partial(run_policy.enqueue, run.pk))
    except IntegrityError:  # another worker saw it as well
        return None
    return run


def perform(pk: int) -> None:
    """Do a run, unless somebody else does."""
    with held(PolicyRun, pk) as lease:
        if lease is None:
            return
        run = _rows().get(pk=pk)
        try:
            _perform(run)
        except (PruneError, NotNow) as error:
            _end(run, State.FAILED, str(error))
        except OSError as error:
            _end(run, State.FAILED, f"The registry could not be reached: {error.strerror or error}.")


def _rows() -> Any:
    return PolicyRun.objects.select_related(
        "policy", "policy__activated_by", "version", "version__policy", "registry"
    )


def _perform(run: PolicyRun) -> None:
    if run.policy.active_id != run.version_id:
        _end(run, State.DISMISSED, "The version was not the active one any more.")
        return
    registry = run.registry
    _scan(registry)
    in_use.ask(registry)
    rules = policies.effective(run.version, registry)
    known, evaluation = _evaluated(registry, rules, confirmed=True)
    if evaluation.tripped:
        trips = [{"guard": trip.guard, "message": trip.message} for trip in evaluation.tripped]
        said = f"{counted(len(evaluation.going()), 'tag or manifest', 'tags and manifests')} would have gone."
        with transaction.atomic():
            _end(run, State.TRIPPED, said, trips=trips)
            notices.tripped(run)
        return
    if not evaluation.going():
        _end(run, State.NOTHING, "Nothing has to go.")
        return
    _propose(run, rules, _made(known, registry, rules, evaluation))


def _scan(registry: Registry) -> None:
    """Scan, so that what is decided rests on the registry as it is now."""
    scan = scans.request(None, registry)
    over = time.monotonic() + PATIENCE
    while scan.open:
        scans.perform(scan.pk)  # unless another worker does, or did until it died
        scan.refresh_from_db()
        if scan.open and time.monotonic() > over:
            raise NotNow("The registry is being scanned for so long that nothing was decided; try again.")
        if scan.open:
            time.sleep(1)
    if scan.state == Scan.State.FAILED:
        raise NotNow("The registry could not be scanned, so nothing was decided: %(why)s", why=scan.message)


def _evaluated(registry: Registry, rules: Rules, *, confirmed: bool = False) -> tuple[Known, Evaluation]:
    """Judge what is known at this moment; ``confirmed``: only after a look whether it is told of pulls right now."""
    told = heard.of_registry(registry)
    if confirmed and told.since is not None and rules.asks_for_pulls():
        if listening.confirm(registry):
            told = heard.of_registry(registry)
        else:
            log.warning("%s does not tell of pulls at the moment.", registry)
            told = told._replace(since=None)
    known = inventories.of_registry(registry, told)
    if known is None:
        raise NotNow("%(registry)s was not scanned yet; scan it first.", registry=registry)
    return known, decide(known.inventory, rules, inventories.moment(known))


def _made(
    known: Known, registry: Registry, rules: Rules, evaluation: Evaluation, override: Collection[str] = ()
) -> Made:
    snapshot = known.inventory.snapshot
    plan = plan_of(
        snapshot,
        rules,
        evaluation,
        now=int(known.taken_at.timestamp()),
        override=override,
        grace=registry.grace_hours * 3600,
    )
    if len(plan.request.delete) > MOST_REFERENCES:
        raise NotNow(
            "It would propose %(number)d things, more than the %(most)d that people can look at: narrow its scope, "
            "or let it begin with what is older.",
            number=len(plan.request.delete),
            most=MOST_REFERENCES,
        )
    return Made(plan, known.scan_id)


def _propose(run: PolicyRun, rules: Rules, made: Made) -> None:
    """Make or renew the proposal of this policy for this registry; there is one open at a time."""
    registry, version = run.registry, run.version
    if made.plan.is_empty():
        _end(run, State.NOTHING, "Nothing of what the rules let go can go.")
        return
    editor = run.asked_by or run.policy.activated_by
    if editor is None:
        raise NotNow("Nobody has activated this policy.")
    states = (*Proposal.OPEN, Proposal.State.RUNNING)
    waiting = Proposal.objects.filter(registry=registry, policy__policy=run.policy, state__in=states).first()
    if waiting is not None and waiting.state in (Proposal.State.APPROVED, Proposal.State.RUNNING):
        _end(run, State.NOTHING, f"Proposal #{waiting.pk} of this policy is {waiting.state} and not carried out yet.")
        return
    leave = standing.holding(version, registry)
    with transaction.atomic():
        proposal = proposals.of_policy(
            waiting, registry, version, made, editor=editor, reason=f"What {version} lets go."
        )
        message = "A person has to approve it."
        if leave is not None:
            message = proposals.approve_standing(proposal, leave)
        _end(run, State.PROPOSED, message, proposal=proposal, standing=leave)


def _end(run: PolicyRun, state: str, message: str, **fields: Any) -> None:
    with transaction.atomic():
        for key, value in fields.items():
            setattr(run, key, value)
        run.state, run.message, run.finished_at = state, message, timezone.now()
        run.save()
        audit.record(
            run.asked_by,
            audit.Action.POLICY_RAN,
            run,
            registry=run.registry.slug,
            reason=message,
            state=state,
            policy=run.policy.slug,
            version=run.version.number,
            due=run.due_at.isoformat() if run.due_at else "",
            guards=[trip["guard"] for trip in run.trips],
            proposal=run.proposal_id,
        )
    if state == State.FAILED:
        log.warning("%s failed: %s", run, message)


def override(actor: User, run: PolicyRun, reason: str) -> Proposal:
    """Set the guards aside that stopped a run, once: what goes is judged again, and somebody else approves it."""
    if not reason.strip():
        raise NotNow("Say why the guard may be set aside this once: it goes on the record.")
    if actor.pk in (run.version.created_by_id, run.policy.activated_by_id, run.asked_by_id):
        raise NotNow("Nobody sets a guard aside for a policy that they wrote, activated or ran; ask a colleague.")
    with transaction.atomic():
        locked = _tripped(run)
        _still_counts(locked)
        registry = locked.registry
        guards = {trip["guard"] for trip in locked.trips}
        rules = policies.effective(locked.version, registry)
        known, evaluation = _evaluated(registry, rules)
        if other := sorted({trip.guard for trip in evaluation.tripped} - guards):
            raise NotNow(
                "By now %(guards)s would trip as well; run the policy again and look anew.", guards=", ".join(other)
            )
        try:
            made = _made(known, registry, rules, evaluation, override=guards)
        except PruneError as error:
            raise NotNow(str(error)) from None
        if made.plan.is_empty():
            raise NotNow("By now nothing of it can go.")
        proposal = proposals.of_policy(None, registry, locked.version, made, editor=actor, reason=reason.strip())
        locked.decided_by, locked.decided_reason = actor, reason.strip()
        locked.proposal, locked.state = proposal, State.OVERRIDDEN
        locked.save()
        _decided(actor, audit.Action.GUARD_OVERRIDDEN, locked)
    return proposal


def dismiss(actor: User, run: PolicyRun, reason: str) -> None:
    """Leave it at what the guard did; the notice goes away."""
    with transaction.atomic():
        locked = _tripped(run)
        locked.decided_by, locked.decided_reason, locked.state = actor, reason.strip(), State.DISMISSED
        locked.save()
        _decided(actor, audit.Action.GUARD_DISMISSED, locked)


def _tripped(run: PolicyRun) -> PolicyRun:
    locked: PolicyRun = _rows().select_for_update(of=("self",)).get(pk=run.pk)
    if locked.state != State.TRIPPED:
        raise NotNow("Somebody has decided about it already.")
    return locked


def _still_counts(locked: PolicyRun) -> None:
    if PolicyRun.objects.filter(policy=locked.policy, registry=locked.registry, pk__gt=locked.pk).exists():
        raise NotNow("The policy has run again since; look at its newest run.")
    if locked.policy.active_id != locked.version_id:
        raise NotNow("Another version of the policy is active by now.")


def _decided(actor: User, action: audit.Action, run: PolicyRun) -> None:
    audit.record(
        actor,
        action,
        run,
        registry=run.registry.slug,
        plan_digest=run.proposal.plan.digest if run.proposal and run.proposal.plan else "",
        reason=run.decided_reason,
        guards=[trip["guard"] for trip in run.trips],
        proposal=run.proposal_id,
    )


def recheck(proposal: Proposal, *, begun: bool) -> None:
    """Judge once more, right before a cleanup begins, what a policy let go; raise ``Stale`` when it keeps some of it
    by now: it came into use, say, or was tagged anew. Of one that has ``begun`` something is moved already, and a
    scan would not see that: it is judged by the last one."""
    if proposal.policy is None or proposal.plan is None:
        return
    if not begun:
        _scan(proposal.registry)  # what a rule keeps it in addition to may have been deleted since
    in_use.ask(proposal.registry)
    rules = policies.effective(proposal.policy, proposal.registry)
    _, evaluation = _evaluated(proposal.registry, rules, confirmed=True)
    if evaluation.tripped and not begun:
        aside = _set_aside(proposal)
        if tripped := [trip for trip in evaluation.tripped if trip.guard not in aside]:
            raise Stale(f"A guard of the policy trips by now, so nothing goes: {tripped[0].message} Plan again.")
    if kept := no_longer(proposals.plan_of(proposal), evaluation):
        more = f", and {len(kept) - 1} more" if len(kept) > 1 else ""
        raise Stale(f"The policy keeps {kept[0].ref} by now{more}. {kept[0].because} Plan again.")


def _set_aside(proposal: Proposal) -> set[str]:
    """Return the guards that somebody set aside for a proposal."""
    overridden = PolicyRun.objects.filter(proposal=proposal, state=State.OVERRIDDEN).first()
    return {trip["guard"] for trip in overridden.trips} if overridden is not None else set()


def made_again(proposal: Proposal) -> Made:
    """Return the plan that the policy of a proposal comes to now, with the guards that were set aside for it."""
    if proposal.policy is None:
        raise NotNow("No policy made this proposal.")
    registry = proposal.registry
    rules = policies.effective(proposal.policy, registry)
    known, evaluation = _evaluated(registry, rules)
    try:
        made = _made(known, registry, rules, evaluation, override=_set_aside(proposal))
    except PruneError as error:
        raise NotNow(str(error)) from None
    if made.plan.is_empty():
        raise NotNow("By now the policy lets nothing go.")
    return made


def open_trips() -> list[PolicyRun]:
    """Return the runs that a guard stopped and nobody has decided about. The next run takes their place."""
    newer = PolicyRun.objects.filter(policy=OuterRef("policy"), registry=OuterRef("registry"), pk__gt=OuterRef("pk"))
    tripped = PolicyRun.objects.filter(~Exists(newer), state=State.TRIPPED)
    return list(tripped.select_related("policy", "registry").order_by("pk"))
