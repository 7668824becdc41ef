"""The one way from a snapshot and a request to a plan."""

import msgspec

from prune.model.plan import Plan, Refusal, Request
from prune.model.snapshot import Snapshot, SourceKind
from prune.plan import engine, v1, v2
from prune.plan.surroundings import Surroundings

_NEVER_SWEPT: dict[SourceKind, str] = {
    "registry-v2": "a registry's API does not show what nothing references; its own garbage collection takes that",
    "registry-v1": "a V1 registry's API deletes no image, referenced or not; only its storage can be swept",
}


def make_plan(snapshot: Snapshot, request: Request, *, now: int, around: Surroundings | None = None) -> Plan:
    """Return the plan for ``request``. ``now`` (seconds, UTC) is what the grace window is counted from.

    With ``around`` the snapshot holds only the repositories that ``request`` names, put together from their parts
    (`prune.plan.surroundings`), and it is no sweep.

    Raises ``UsageError`` for a malformed reference. What cannot be done is in the plan's ``refused``, never an
    error: an incomplete scan gives a smaller plan.
    """
    plan = _planned(snapshot, request, now, around)
    if request.sweep and snapshot.kind in _NEVER_SWEPT:
        refusal = Refusal("--sweep", _NEVER_SWEPT[snapshot.kind])
        plan = msgspec.structs.replace(plan, refused=tuple(sorted({*plan.refused, refusal})))
    return plan


def _planned(snapshot: Snapshot, request: Request, now: int, around: Surroundings | None) -> Plan:
    match snapshot.kind:
        case "storage-v1" | "registry-v1":
            return v1.make_plan(snapshot, request, now=now)
        case "storage-v2" | "oci-layout" | "registry-v2":
            return v2.make_plan(snapshot, request, now=now, around=around)
        case "docker-engine":
            return engine.make_plan(snapshot, request, now=now)
