"""Proposals: from a selection to a plan, through review, to approval."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.functional import lazy
from django.utils.translation import override

from prune.model.plan import Deletions, Plan, read_plan
from registryui.models import (
    Approval,
    Comment,
    PlanRecord,
    PolicyVersion,
    Proposal,
    Registry,
    StandingApproval,
)
from registryui.services import approvals, audit, diagrams, notices, plans, review, runs, sweeping
from registryui.services.errors import Moved, NotNow
from registryui.services.plans import PLAIN, Made
from registryui.services.sweeping import Sweeping


def preview(
    registry: Registry, refs: Collection[str], *, sweep: bool, besides: Sweeping = PLAIN
) -> tuple[Plan, diagrams.Pair]:
    """Return the plan for ``refs`` on the newest scan and its drawings, without storing anything."""
    plan = plans.look(registry, refs, sweep=sweep, besides=besides).plan
    return plan, diagrams.of_plan(registry, plan)


def create(
    actor: User,
    registry: Registry,
    refs: Collection[str],
    *,
    title: str,
    reason: str,
    sweep: bool,
    besides: Sweeping = PLAIN,
    seen: str = "",
) -> Proposal:
    """Propose to delete ``refs``. Raises ``NotNow`` when nothing of it can go, with the reasons, and ``Moved`` when
    it comes to another plan than the one that the person has ``seen`` (its digest)."""
    made = plans.make(registry, refs, sweep=sweep, besides=besides)
    if seen and made.plan.digest() != seen:
        raise Moved("The selection or the registry has changed since you looked. Here is what it would do now.")
    with transaction.atomic():
        proposal = Proposal.objects.create(
            registry=registry,
            title=title.strip()[:200] or default_title(made.plan),
            reason=reason.strip(),
            proposer=actor,
            last_editor=actor,
        )
        _attach(proposal, made, actor)
        _record(actor, audit.Action.PROPOSED, proposal, reason=proposal.reason)
    return proposal


def of_policy(
    waiting: Proposal | None, registry: Registry, version: PolicyVersion, made: Made, *, editor: User, reason: str
) -> Proposal:
    """Propose what a policy lets go, or let the proposal of it that is ``waiting`` stand for that. It is the proposal
    of who wrote the version and of ``editor``, who let it run: neither may approve it. Call it in a transaction."""
    if waiting is None:
        title = f"{version}: {len(made.plan.request.delete):,} to delete"[:200]
        proposal = Proposal(registry=registry, title=title, proposer=version.created_by)
        action = audit.Action.PROPOSED
    else:
        proposal = (
            Proposal.objects.select_for_update(of=("self",)).select_related("registry", "plan").get(pk=waiting.pk)
        )
        if proposal.state not in Proposal.OPEN:
            raise NotNow(
                "Proposal #%(number)d was decided at this very moment; run the policy again.", number=proposal.pk
            )
        same = proposal.plan is not None and proposal.plan.digest == made.plan.digest()
        if same and proposal.policy_id == version.pk and proposal.state == Proposal.State.PROPOSED:
            return proposal
        proposal.title = f"{version}: {len(made.plan.request.delete):,} to delete"[:200]
        action = audit.Action.EDITED
    proposal.reason, proposal.last_editor, proposal.policy = reason, editor, version
    proposal.state = Proposal.State.PROPOSED
    proposal.save()
    _attach(proposal, made, editor)
    _record(None, action, proposal, reason=reason)
    return proposal


def approve_standing(proposal: Proposal, standing: StandingApproval) -> str:
    """Approve what a policy proposes by a standing approval, and begin the cleanup where that may be; return what
    became of it, as a sentence. Call it in a transaction, with an approval that counts."""
    proposal.state = Proposal.State.APPROVED
    proposal.save()
    signed = ", ".join(standing.signatures.values_list("user_name", flat=True))
    reason = f"standing approval, asked for by {standing.asked_by.get_username()}, signed by {signed}"
    _record(None, audit.Action.APPROVED, proposal, reason=reason)
    if not proposal.registry.run_on_approval:
        return "A standing approval approves it; an admin starts the cleanup."
    try:
        runs.begin(standing.asked_by, proposal, runs.standing_word(proposal.registry), standing)
    except NotNow as error:
        return f"A standing approval approves it, and an admin has to start it: {error}"
    return "A standing approval approves it, and its cleanup has begun."


def edit(
    actor: User,
    proposal: Proposal,
    refs: Collection[str],
    *,
    title: str,
    reason: str,
    sweep: bool,
    besides: Sweeping = PLAIN,
) -> Proposal:
    """Change what is asked for: a new plan, approvals gone, and the editor may not approve it either."""
    made = plans.make(proposal.registry, refs, sweep=sweep, besides=besides)
    with _locked(proposal, Proposal.OPEN) as locked:
        locked.title = title.strip()[:200] or default_title(made.plan)
        locked.reason = reason.strip()
        locked.last_editor = actor
        locked.policy = None  # what a person picks is that person's
        locked.state = Proposal.State.PROPOSED
        _attach(locked, made, actor)
        _record(actor, audit.Action.EDITED, locked, reason=locked.reason)
        return locked


def refresh(actor: User, proposal: Proposal) -> Proposal:
    """Plan the same request again on the newest scan. When nothing changed, approvals stand."""
    if proposal.policy_id is not None:
        from registryui.services.policy_runs import made_again

        made = made_again(proposal)
    else:
        asked = plan_of(proposal).request
        made = plans.make(proposal.registry, asked.delete, sweep=asked.sweep, besides=sweeping.of(asked))
    with _locked(proposal, Proposal.OPEN) as locked:
        if (
            locked.plan is not None
            and made.plan.digest() == locked.plan.digest
            and locked.state != Proposal.State.STALE
        ):
            return locked
        locked.last_editor = actor
        locked.state = Proposal.State.PROPOSED
        _attach(locked, made, actor)
        _record(actor, audit.Action.EDITED, locked, reason="planned again on the newest scan")
        return locked


def withdraw(actor: User, proposal: Proposal) -> None:
    """Take a proposal back: the proposer, or an admin."""
    if actor.pk != proposal.proposer_id and not actor.has_perm("registryui.add_run"):
        raise NotNow("Only the person who proposed it, or an admin, can withdraw it.")
    with _locked(proposal, Proposal.OPEN) as locked:
        locked.state = Proposal.State.WITHDRAWN
        locked.save()
        _record(actor, audit.Action.WITHDRAWN, locked)


def comment(actor: User, proposal: Proposal, text: str, item: str = "") -> None:
    """Say something to a proposal, or to one ``item`` of it."""
    if not text.strip():
        raise NotNow("Write something first.")
    Comment.objects.create(proposal=proposal, user=actor, text=text.strip()[:10_000], item=item[:600])


def approve(actor: User, proposal: Proposal, plan_digest: str, text: str = "") -> Proposal:
    """Approve the plan that the person saw. With enough approvals, and where the registry's operators allow it,
    the cleanup begins at once."""
    return _decide(actor, proposal, plan_digest, text, Approval.Decision.APPROVE)


def reject(actor: User, proposal: Proposal, plan_digest: str, text: str = "") -> Proposal:
    """Reject it."""
    return _decide(actor, proposal, plan_digest, text, Approval.Decision.REJECT)


def _decide(actor: User, proposal: Proposal, plan_digest: str, text: str, decision: Approval.Decision) -> Proposal:
    if actor.pk in (proposal.proposer_id, proposal.last_editor_id):
        raise NotNow("Nobody decides on what they proposed or last edited themselves; ask a colleague.")
    if proposal.policy_runs.filter(state="overridden", decided_by=actor).exists():
        # Also when somebody else has planned it again since.
        raise NotNow("Nobody decides on what they set a guard aside for themselves; ask a colleague.")
    try:
        with _locked(proposal, (Proposal.State.PROPOSED,)) as locked:
            if locked.plan is None or locked.plan.digest != plan_digest:
                raise Moved("The plan has changed since you looked at it. Here is the new one; nothing was approved.")
            Approval.objects.create(
                proposal=locked,
                plan=locked.plan,
                user=actor,
                user_name=actor.get_username(),
                decision=decision,
                comment=text.strip()[:10_000],
            )
            if decision == Approval.Decision.REJECT:
                locked.state = Proposal.State.REJECTED
            elif not approvals.missing(locked):
                locked.state = Proposal.State.APPROVED
            locked.save()
            action = audit.Action.REJECTED if decision == Approval.Decision.REJECT else audit.Action.APPROVED
            _record(actor, action, locked, reason=text.strip())
            registry = locked.registry
            if locked.state == Proposal.State.APPROVED and registry.run_on_approval:
                runs.begin(actor, locked, runs.standing_word(registry))
            return locked
    except IntegrityError as error:
        if "nobody approves" in str(error):
            raise NotNow("Nobody approves what they proposed or last edited themselves.") from None
        raise NotNow("You have decided on this plan already, or a cleanup of this registry is running.") from None


def plan_of(proposal: Proposal) -> Plan:
    """Return the newest plan of a proposal."""
    if proposal.plan is None:
        raise NotNow("This proposal has no plan.")
    return read_plan(bytes(proposal.plan.body))


def default_title(plan: Plan) -> str:
    """Return a title that says what would go."""
    refs = plan.request.delete
    if not refs:
        return "Sweep what nothing references"
    return f"Delete {refs[0]}" + (f" and {len(refs) - 1} more" if len(refs) > 1 else "")


def _attach(proposal: Proposal, made: Made, actor: User) -> None:
    plan = made.plan
    with override("en"):  # it is kept, for readers of every language
        drawn = diagrams.of_plan(proposal.registry, plan)
    items = sum(len(getattr(plan.delete, field)) for field in Deletions.__struct_fields__)
    proposal.plan = PlanRecord.objects.create(
        proposal=proposal,
        scan_id=made.scan_id,
        digest=plan.digest(),
        body=plan.to_json(),
        tags=len(plan.delete.tags),
        items=items,
        freed_bytes=plan.freed_bytes,
        before=drawn.before,
        after=drawn.after,
        drawing=diagrams.packed(drawn),
        undrawn=drawn.sentence,
        created_by=actor,
    )
    proposal.save()
    review.write_items(proposal.plan, proposal.registry, plan)
    notices.waiting(proposal)


def _record(actor: User | None, action: audit.Action, proposal: Proposal, reason: str = "") -> None:
    plan = proposal.plan
    audit.record(
        actor,
        action,
        proposal,
        registry=proposal.registry.slug,
        plan_digest=plan.digest if plan else "",
        reason=reason,
        **({"tags": plan.tags, "items": plan.items, "freed_bytes": plan.freed_bytes} if plan else {}),
    )


def _state_in_a_sentence(state: str) -> str:
    return str(Proposal.State(state).label).lower()


_lowered = lazy(_state_in_a_sentence, str)


class _locked:  # reads as a verb: `with _locked(proposal, …)`
    """A transaction that holds the row of a proposal; two people who decide at once come one after the other."""

    def __init__(self, proposal: Proposal, states: Collection[str]) -> None:
        self.proposal = proposal
        self.states = states
        self.atomic = transaction.atomic()

    def __enter__(self) -> Proposal:
        self.atomic.__enter__()
        try:
            locked = (
                Proposal.objects.select_for_update(of=("self",))
                .select_related("registry", "plan")
                .get(pk=self.proposal.pk)
            )
            if locked.state not in self.states:
                raise NotNow(
                    "This proposal is %(state)s; that cannot be done any more.", state=_lowered(locked.state)
                )
        except BaseException as error:
            self.atomic.__exit__(type(error), error, error.__traceback__)
            raise
        return locked

    def __exit__(self, *exception: object) -> None:
        self.atomic.__exit__(*exception)  # type: ignore[arg-type]  # passed through as it came
