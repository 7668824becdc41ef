"""What a scrub found."""

from typing import Literal

import msgspec

from prune.model.snapshot import SourceKind
from prune.plan.faults import Fault
from prune.plan.verification import Depth


class Scrubbed(msgspec.Struct, frozen=True):
    """``good``: nothing is damaged. ``bad``: something is. ``unknown``: something could not be looked at.

    ``manifests`` (V1: images) and ``blobs`` (V1: layer files) were looked at, ``hashed`` of them and ``hashed_bytes``
    read and compared with their digests. Over an API blobs count once for each repository that serves them.
    """

    source: str
    kind: SourceKind
    state: Literal["good", "bad", "unknown"]
    depth: Depth
    faults: tuple[Fault, ...]
    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    hashed: int = 0
    hashed_bytes: int = 0
