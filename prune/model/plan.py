"""A plan: an immutable value that says what goes, what was asked for and stays and why, and the bytes freed.

Its JSON is canonical (sorted keys, no white space) and its digest is the sha256 of that JSON without the digest
itself: the same input gives the same bytes, and an approval can be bound to them.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any

import msgspec

from prune.model.digest import Digest
from prune.model.errors import Refused
from prune.model.snapshot import SourceKind

#: The default grace window in seconds: nothing younger is taken as garbage.
DEFAULT_GRACE = 24 * 3600


class TagItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A tag that goes, and what it pointed at (an image id in V1)."""

    repository: str
    tag: str
    digest: str


class ManifestItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A manifest that leaves one repository."""

    repository: str
    digest: Digest


class BlobItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A blob that leaves the store, with its size in bytes."""

    digest: Digest
    size: int


class ImageItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A V1 image that leaves the store; ``size`` is its layer file in bytes."""

    id: str
    size: int


class LayerLinkItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A repository's link to a blob that it no longer needs."""

    repository: str
    digest: Digest


def links_by_repository(links: Iterable[LayerLinkItem]) -> dict[str, set[Digest]]:
    """Return the digests of ``links`` by the repository that holds them."""
    found: dict[str, set[Digest]] = {}
    for link in links:
        found.setdefault(link.repository, set()).add(link.digest)
    return found


class UploadItem(msgspec.Struct, frozen=True, order=True, gc=False):
    """A left-over upload; ``size`` is its data in bytes."""

    repository: str
    id: str
    size: int


class Deletions(msgspec.Struct, frozen=True):
    """Everything that goes. Each list is sorted and holds nothing twice."""

    tags: tuple[TagItem, ...] = ()
    manifests: tuple[ManifestItem, ...] = ()
    blobs: tuple[BlobItem, ...] = ()
    images: tuple[ImageItem, ...] = ()
    repositories: tuple[str, ...] = ()
    layer_links: tuple[LayerLinkItem, ...] = ()
    uploads: tuple[UploadItem, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field) for field in self.__struct_fields__)


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that was asked for, or touched by the request, and stays. One of tag, digest and id is set."""

    repository: str | None
    reasons: tuple[str, ...]
    tag: str | None = None
    digest: Digest | None = None
    id: str | None = None


class Refusal(msgspec.Struct, frozen=True, order=True):
    """A reference that was asked for and cannot be carried out, with the reason in words."""

    ref: str
    reason: str


class ScanSummary(msgspec.Struct, frozen=True):
    """The counts of the scan that a plan rests on, as in ``scan --json`` without the time it took."""

    source: str
    kind: SourceKind
    complete: bool
    problems: tuple[dict[str, str], ...]
    repositories: int
    tags: int
    manifests: int
    untagged_manifests: int | None
    blobs: int | None
    bytes: int | None
    unreferenced_blobs: int | None
    unreferenced_bytes: int | None
    images: int


class Request(msgspec.Struct, frozen=True):
    """What a person asked for: references as text, whether to sweep, the grace window in seconds, how old uploads
    must be besides, and whether repositories in which nothing is left go too (a plan without these two has no such
    keys, so that older plans keep their digests)."""

    delete: tuple[str, ...] = ()
    sweep: bool = False
    grace: Annotated[int, msgspec.Meta(ge=0)] = DEFAULT_GRACE
    policy: str | None = None
    uploads_older_than: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET
    empty_repositories: bool | msgspec.UnsetType = msgspec.UNSET

    @property
    def uploads_grace(self) -> int:
        """Return how many seconds an upload must have been left alone: never fewer than the grace window."""
        older = self.uploads_older_than
        return self.grace if isinstance(older, msgspec.UnsetType) else max(self.grace, older)

    @property
    def sweeps_repositories(self) -> bool:
        """Tell whether repositories in which nothing is left go."""
        return self.sweep and self.empty_repositories is True


class Plan(msgspec.Struct, frozen=True, dict=True):
    """See the module. ``freed_bytes`` is exactly how much smaller the store's data or layer files will be."""

    source: str
    kind: SourceKind
    request: Request
    scan: ScanSummary
    delete: Deletions
    keep: tuple[Kept, ...]
    refused: tuple[Refusal, ...]
    freed_bytes: int

    def digest(self) -> Digest:
        """Return the sha256 of the canonical JSON."""
        return self._digest

    @cached_property
    def _digest(self) -> Digest:
        return "sha256:" + hashlib.sha256(canonical(self)).hexdigest()

    def to_json(self) -> bytes:
        """Return the plan with its ``plan_digest``, ready to be written to a file."""
        fields = {field: getattr(self, field) for field in Plan.__struct_fields__}
        return canonical(_PlanFile(**fields, plan_digest=self.digest()))

    def is_empty(self) -> bool:
        """Tell whether nothing at all would be deleted."""
        return not self.delete


class _PlanFile(Plan, frozen=True, kw_only=True):
    plan_digest: Digest


def canonical(value: Any) -> bytes:
    """Return ``value`` as JSON with sorted keys and no white space."""
    return msgspec.json.encode(value, order="sorted")


def read_plan(body: bytes) -> Plan:
    """Read a plan file back; raise ``Refused`` unless it is whole and its digest is its own."""
    try:
        read = msgspec.json.decode(body, type=_PlanFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"This is not a plan file ({error}). Make a new one with `prune plan --out`.") from None
    plan = Plan(*(getattr(read, field) for field in Plan.__struct_fields__))
    if plan.digest() != read.plan_digest or body.strip() != plan.to_json():
        raise Refused("The plan file was changed after it was made: its digest is not its own. Make a new plan.")
    return plan
