"""What every place that runs images looks like to the rest of the engine."""

from typing import Protocol

from prune.model.in_use import InUseReport, Uses

__all__ = ["InUseReport", "InUseSource", "Uses"]


class InUseSource(Protocol):
    """An engine or cluster that can say which images it has in use. ``name`` is for people, without credentials."""

    name: str

    def read(self, now: int) -> InUseReport:
        """Ask, and return the report with ``now`` (seconds, UTC) as its time. Never raises for an engine that is
        unreachable, refuses, breaks off or answers nonsense: the report is then incomplete and says why."""
        ...
