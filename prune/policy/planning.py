"""From decisions to a plan, through the same machinery as a plan that a person makes by hand."""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import UNSET, UnsetType

from prune.model.errors import Refused, Stale, UsageError
from prune.model.plan import DEFAULT_GRACE, Kept, Plan, Refusal, Request
from prune.model.reference import Reference
from prune.model.snapshot import Snapshot
from prune.plan.make import make_plan
from prune.policy.decision import Decision, Evaluation
from prune.policy.schema import Policy


def plan_of(
    snapshot: Snapshot,
    policy: Policy,
    evaluation: Evaluation,
    *,
    now: int,
    override: Collection[str] = (),
    delete: Iterable[str] = (),
    sweep: bool = False,
    grace: int = DEFAULT_GRACE,
    uploads_older_than: int | UnsetType = UNSET,
    empty_repositories: bool | UnsetType = UNSET,
) -> Plan:
    """Return the plan for what ``evaluation`` lets go. Its request names every tag and digest, and holds the digest
    of the policy; what a delete rule matched and another rule keeps is among what stays.

    ``override`` are guards that a person set aside for this plan. ``delete`` and the rest are as in a request
    by hand, and may not take what the policy protects or keeps.

    Raises ``Stale`` when the evaluation is of another policy or registry, ``Refused`` when a guard tripped, or when
    something that a rule keeps would go.
    """
    if evaluation.policy != policy.digest() or evaluation.source != snapshot.source:
        raise Stale("The policy or the registry is not the one that was evaluated; evaluate it again.")
    stopped = [trip for trip in evaluation.tripped if trip.guard not in override]
    if stopped:
        said = " ".join(f"{trip.message} ({trip.guard})" for trip in stopped)
        raise Refused(f"A guard of the policy tripped, so nothing goes: {said}")
    refused = [Refusal(one.repository, one.reason) for one in evaluation.skipped]
    refs = set(delete)
    for decision in evaluation.going():
        try:
            Reference.parse(decision.ref)
        except UsageError as error:
            refused.append(Refusal(decision.ref, str(error)))
        else:
            refs.add(decision.ref)
    request = Request(tuple(sorted(refs)), sweep, grace, evaluation.policy, uploads_older_than, empty_repositories)
    plan = make_plan(snapshot, request, now=now)
    _check(plan, evaluation)
    kept = [
        Kept(one.repository, (one.because,), tag=one.tag, digest=None if one.tag is not None else one.digest)
        for one in evaluation.decisions
        if one.asked and not one.goes
    ]
    return msgspec.structs.replace(
        plan,
        keep=tuple(sorted((*plan.keep, *kept), key=_order)),
        refused=tuple(sorted({*plan.refused, *refused})),
    )


def _order(kept: Kept) -> tuple[str, str, str, str, tuple[str, ...]]:
    return kept.repository or "", kept.tag or "", kept.digest or "", kept.id or "", kept.reasons


def _check(plan: Plan, evaluation: Evaluation) -> None:
    """Raise ``Refused`` when anything would go, for whatever reason, that a rule keeps."""
    tags: dict[tuple[str, str], Decision] = {}
    manifests: dict[tuple[str, str], Decision] = {}
    for decision in evaluation.decisions:
        if not decision.held:
            continue
        if decision.tag is not None:
            tags[decision.repository, decision.tag] = decision
        else:
            manifests[decision.repository, decision.digest] = decision
    taken = [tags.get((item.repository, item.tag)) for item in plan.delete.tags]
    taken += [manifests.get((item.repository, item.digest)) for item in plan.delete.manifests]
    for one in taken:
        if one is not None:
            raise Refused(f"{one.ref} would go, and the policy keeps it: {one.because}")
