"""What a policy would do to a registry now. Nothing here writes: a preview shares no write path with a run."""

import time
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from prune.model.errors import PruneError, Refused
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.policy.decision import Decision, Evaluation
from prune.policy.evaluate import decide
from prune.policy.faults import PolicyError
from prune.policy.lint import Suspicion, lint
from prune.policy.read import parse_policy
from prune.policy.schema import Policy as Rules
from registryui.models import PolicyVersion, Registry
from registryui.services import inventories, policies
from registryui.services.errors import NotNow
from registryui.services.inventories import Known


class Compared(NamedTuple):
    """What goes with the text and stays with the active version, and the other way round."""

    number: int
    more: tuple[Decision, ...]
    fewer: tuple[Decision, ...]


class Preview(NamedTuple):
    """``freed`` are bytes, ``None`` where they were not asked for or the plan could not be made: ``why`` says why."""

    registry: Registry
    scanned: datetime
    evaluation: Evaluation
    going: tuple[Decision, ...]
    tags: int
    manifests: int
    freed: int | None
    why: str
    suspicions: tuple[Suspicion, ...]
    compared: Compared | None


class _Judged:
    """A policy and what it is judged on, as one key: the same question has the same answer."""

    def __init__(self, known: Known, rules: Rules, now: int) -> None:
        self.known, self.rules, self.now = known, rules, now
        self.key = (known.key, rules.digest(), now)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Judged) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


def preview(
    registry: Registry, text: str, against: PolicyVersion | None = None, *, with_bytes: bool = True
) -> Preview:
    """Return what ``text`` would do to ``registry``, and how that differs from the version ``against``. To know the
    bytes takes a whole plan, several times as long as all the rest.

    Raises ``PolicyError`` with all faults of the text, ``NotNow`` when there is nothing to look at.
    """
    rules = parse_policy(text)
    known = inventories.of_registry(registry)
    if known is None:
        raise NotNow("%(registry)s was not scanned yet; scan it first.", registry=registry)
    # The same for a minute, so that paging through the answer need not ask again; never before what is known.
    now = inventories.moment(known, int(time.time()) // 60 * 60)
    try:
        evaluation = _evaluated(_Judged(known, policies.obeyed(rules, registry), now))
    except Refused as error:
        raise NotNow(str(error)) from None
    going = tuple(evaluation.going())
    tags = sum(decision.tag is not None for decision in going)
    freed, why = _freed(_Going(known, going, registry.grace_hours * 3600)) if with_bytes else (None, "")
    return Preview(
        registry=registry,
        scanned=known.taken_at,
        evaluation=evaluation,
        going=going,
        tags=tags,
        manifests=len(going) - tags,
        freed=freed,
        why=why,
        suspicions=lint(rules),
        compared=_compare(known, registry, going, against, now),
    )


@lru_cache(maxsize=8)
def _evaluated(judged: _Judged) -> Evaluation:
    return decide(judged.known.inventory, judged.rules, judged.now)


class _Going:
    """What goes, as a key: another text of the same effect frees the same bytes."""

    def __init__(self, known: Known, going: tuple[Decision, ...], grace: int) -> None:
        self.known, self.refs, self.grace = known, tuple(decision.ref for decision in going), grace
        self.key = (known.key, self.refs, grace)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Going) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=8)
def _freed(going: _Going) -> tuple[int | None, str]:
    if not going.refs:
        return 0, ""
    request = Request(tuple(sorted(going.refs)), False, going.grace)
    try:
        plan = make_plan(going.known.inventory.snapshot, request, now=int(going.known.taken_at.timestamp()))
    except PruneError as error:
        return None, str(error)
    return plan.freed_bytes, ""


def _compare(
    known: Known, registry: Registry, going: tuple[Decision, ...], against: PolicyVersion | None, now: int
) -> Compared | None:
    if against is None:
        return None
    try:
        before = _evaluated(_Judged(known, policies.effective(against, registry), now)).going()
    except (Refused, PolicyError):
        before = []
    old, new = {one.ref for one in before}, {one.ref for one in going}
    return Compared(
        against.number,
        tuple(one for one in going if one.ref not in old),
        tuple(one for one in before if one.ref not in new),
    )
