"""Two evaluations side by side: an edited policy against the active one, or a plan against the present."""

import msgspec

from prune.model.plan import Plan
from prune.policy.decision import Decision, Evaluation


class Difference(msgspec.Struct, frozen=True):
    """What changes from one evaluation to another: ``more`` go, ``fewer`` go, each with its decision afterwards.

    What is in only one of them counts as well; what it is afterwards is then the decision that there is.
    """

    more: tuple[Decision, ...]
    fewer: tuple[Decision, ...]


def compare(before: Evaluation, after: Evaluation) -> Difference:
    """Return what goes by ``after`` and does not by ``before``, and the other way round. Both are sorted as
    decisions are."""
    went = {decision.ref: decision for decision in before.going()}
    now = {decision.ref: decision for decision in after.decisions}
    going = {decision.ref for decision in after.going()}
    return Difference(
        more=tuple(decision for decision in after.going() if decision.ref not in went),
        fewer=tuple(now.get(ref, decision) for ref, decision in went.items() if ref not in going),
    )


def no_longer(plan: Plan, evaluation: Evaluation) -> tuple[Decision, ...]:
    """Return the decisions by which something of ``plan`` must not go by now: what it names and no rule lets go any
    more, and whatever it takes besides that a rule keeps. Somebody runs it, pulled it, pushed it, or deleted what it
    was kept in addition to. ``evaluation`` is by the policy of the plan, of a scan right before it is carried out.

    Something that is not there any more is not among them: the check for drift finds that.
    """
    named = set(plan.request.delete)
    taken: set[tuple[str, str | None, str]] = {(item.repository, item.tag, item.digest) for item in plan.delete.tags}
    taken |= {(item.repository, None, item.digest) for item in plan.delete.manifests}
    return tuple(
        decision
        for decision in evaluation.decisions
        if (decision.ref in named and not decision.goes)
        or (decision.held and (decision.repository, decision.tag, decision.digest) in taken)
    )
