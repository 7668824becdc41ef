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

_KEEPS_NAMES: dict[SourceKind, str] = {
    "storage-v1": "in V1 storage a push that has only begun looks like a repository without tags, so they stay",
    "registry-v2": "a registry's API has no way to take a name out of the catalog",
    "registry-v1": "a V1 registry does not say whether a push to it is under way, so they stay",
    "oci-layout": "an OCI layout has no repositories but those that its images name",
    "docker-engine": "an engine has no repositories but those that its images name",
}


def make_plan(snapshot: Snapshot, request: Request, *, now: int, around: Surroundings | None = None) -> Plan:
    """Return the plan for ``request``. ``now`` (seconds, UTC) is what the grace window is counted from.

    With ``around`` the snapshot holds only the repositories that ``request`` names, put together from their parts
    (`prune.plan.surroundings`), and it is no sweep.

    Raises ``UsageError`` for a malformed reference. What cannot be done is in the plan's ``refused``, never an
    error: an incomplete scan gives a smaller plan.
    """
    plan = _planned(snapshot, request, now, around)
    refused = set(plan.refused)
    if request.sweep and snapshot.kind in _NEVER_SWEPT:
        refused.add(Refusal("--sweep", _NEVER_SWEPT[snapshot.kind]))
    if request.sweeps_repositories and snapshot.kind in _KEEPS_NAMES:
        refused.add(Refusal("--empty-repositories", _KEEPS_NAMES[snapshot.kind]))
    return plan if refused == set(plan.refused) else msgspec.structs.replace(plan, refused=tuple(sorted(refused)))


def _planned(snapshot: Snapshot, request: Request, now: int, around: Surroundings | None) -> Plan:
    match snapshot.kind:
        case "storage-v1" | "registry-v1":
            return v1.make_plan(snapshot, request, now=now)
        case "storage-v2" | "oci-layout" | "registry-v2":
            return v2.make_plan(snapshot, request, now=now, around=around)
        case "docker-engine":
            return engine.make_plan(snapshot, request, now=now)
