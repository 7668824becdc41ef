"""What becomes of each item, and why."""

from typing import Literal

import msgspec

from prune.model.digest import Digest
from prune.model.plan import canonical


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The fate of one tag, or of one untagged manifest (``tag`` is ``None``).

    ``rules`` are the ids of all rules that spoke, ``because`` is a sentence. ``asked`` tells that a delete rule
    spoke, ``held`` that a protect or keep rule did; ``flags`` say what was not known, and made it stay.
    """

    repository: str
    tag: str | None
    digest: str
    goes: bool
    rules: tuple[str, ...]
    because: str
    asked: bool = False
    held: bool = False
    flags: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """Return ``repository:tag`` or ``repository@digest``."""
        return f"{self.repository}:{self.tag}" if self.tag is not None else f"{self.repository}@{self.digest}"


GuardName = Literal["min_tags_left", "max_fraction", "max_count", "max_scan_age"]


class Trip(msgspec.Struct, frozen=True, order=True):
    """A guard that tripped, and a sentence that says where and by how much."""

    guard: GuardName
    message: str


class SkippedRepository(msgspec.Struct, frozen=True, order=True):
    """A repository in scope of which nothing is decided, because it could not be read, and why."""

    repository: str
    reason: str


class Evaluation(msgspec.Struct, frozen=True):
    """What a policy says about a snapshot ``at`` a time (seconds, UTC). ``policy`` is the policy's digest.

    ``decisions`` are sorted by repository, then tags by name, then untagged manifests by digest. When any guard
    ``tripped``, none of it may be carried out. ``notes`` are sentences about all of it.
    """

    policy: Digest
    source: str
    at: int
    decisions: tuple[Decision, ...]
    tripped: tuple[Trip, ...]
    skipped: tuple[SkippedRepository, ...]
    notes: tuple[str, ...]

    def going(self) -> list[Decision]:
        """Return the decisions that let something go."""
        return [decision for decision in self.decisions if decision.goes]

    def to_json(self) -> bytes:
        """Return all of it as canonical JSON: the same input gives the same bytes."""
        return canonical(self)
