"""What every source of images looks like to the rest of the engine."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec

from prune.model.snapshot import Snapshot, SourceKind


class Capabilities(msgspec.Struct, frozen=True):
    """What a source can know and do. The planner and the pages ask this, never the kind of the source."""

    lists_untagged: bool
    lists_blobs: bool
    deletes_tags: bool
    deletes_manifests: bool
    sweeps: bool
    has_trash: bool
    knows_push_times: bool
    needs_control: bool
    """Deleting needs pushes and pulls under control (the storage is written behind the registry's back)."""


class Progress(msgspec.Struct, frozen=True):
    """How far a scan or a run is: ``done`` of ``total`` (``None`` while unknown) and what is being done."""

    what: str
    done: int
    total: int | None = None


type Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""


class Source(Protocol):
    """A registry that can be read. ``name`` is the normalised SOURCE string."""

    name: str
    kind: SourceKind
    capabilities: Capabilities

    def scan(self, report: Report = silent, *, known: Snapshot | None = None, configs: bool = True) -> Snapshot:
        """Read everything. Oddities become problems of the snapshot; raises ``SourceError`` only when there is
        no registry to read at all. ``known`` is an earlier snapshot of the same source: content that it holds
        by digest need not be read again. Without ``configs`` the configs of images are left out: what is based on
        what needs them, what may be deleted does not."""
        ...

    def read_blob(self, digest: str, limit: int) -> bytes:
        """Return the bytes of one blob or manifest, at most ``limit``; raise ``Unreadable`` when it is missing,
        larger, or not what its digest says."""
        ...


@runtime_checkable
class ByRepository(Protocol):
    """A source in which a blob can be read with its repository only."""

    def read_blob_of(self, repository: str, digest: str, limit: int) -> bytes:
        """Return the bytes of a blob that ``repository`` serves; raises as ``read_blob`` does, and ``SourceError``
        when the registry does not answer."""
        ...


@runtime_checkable
class ByImage(Protocol):
    """A source whose images have their config beside their layer."""

    def read_config(self, image: str, limit: int) -> bytes:
        """Return the JSON of an image; raises as ``read_blob`` does."""
        ...
