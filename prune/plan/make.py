"""The one way from a snapshot and a request to a plan."""

from prune.model.errors import Refused
from prune.model.plan import Plan, Request
from prune.model.snapshot import Snapshot
from prune.plan import engine, v1, v2


def make_plan(snapshot: Snapshot, request: Request, *, now: int) -> Plan:
    """Return the plan for ``request``. ``now`` (seconds, UTC) is what the grace window is counted from.

    Raises ``UsageError`` for a malformed reference. What cannot be done is in the plan's ``refused``, never an
    error: an incomplete scan gives a smaller plan.
    """
    match snapshot.kind:
        case "storage-v1":
            return v1.make_plan(snapshot, request, now=now)
        case "storage-v2" | "oci-layout" | "registry-v2":
            return v2.make_plan(snapshot, request, now=now)
        case "docker-engine":
            return engine.make_plan(snapshot, request, now=now)
        case kind:
            raise Refused(f"Plans for {kind} are not supported yet.")
