"""Everything one scan found out: the pure core's only input.

Times are whole seconds since 1970 in UTC; ``None`` means that the source does not know. Sizes are bytes.
"""

from typing import Literal

import msgspec

from prune.model.digest import Digest
from prune.model.manifest import ImageConfig, Manifest

SourceKind = Literal["storage-v2", "storage-v1", "registry-v2", "registry-v1", "oci-layout", "docker-engine"]


def is_by_image(kind: SourceKind) -> bool:
    """Tell whether a source of this kind holds images with ancestors (`Snapshot.images`) in place of manifests."""
    return kind in ("storage-v1", "registry-v1", "docker-engine")


#: How far a problem reaches: nothing but itself, all of one repository (and every blob), or the whole store.
Blocks = Literal["nothing", "repository", "store"]


#: Effects of what nobody understands and nothing moves.
LEFT_ALONE, KEPT = "it is left alone", "it is kept"


class Problem(msgspec.Struct, frozen=True, order=True, omit_defaults=True, gc=False):
    """An oddity: ``where`` it is, ``what`` it is, and its ``effect`` on deletion, each in words."""

    where: str
    what: str
    effect: str
    blocks: Blocks = "nothing"
    repository: str | None = None


class Blob(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A blob's size and the newest time the store shows for it."""

    size: int
    time: int | None = None


class Upload(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An upload that was begun and not finished. ``time`` is ``None`` when it cannot be told: then it is kept."""

    id: str
    size: int
    time: int | None = None


class Repository(msgspec.Struct, frozen=True, omit_defaults=True):
    """One repository. In V1 a tag's value is an image id, elsewhere the digest of a manifest.

    ``revisions`` holds the manifests this repository serves, with the time of their link; ``layer_links`` what
    else it may serve. ``complete`` is false when anything of it could not be read: then nothing of it may go.
    """

    name: str
    tags: dict[str, str] = {}
    tag_times: dict[str, int] = {}
    revisions: dict[Digest, int | None] = {}
    layer_links: dict[Digest, int | None] = {}
    uploads: tuple[Upload, ...] = ()
    complete: bool = True


class V1Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """A V1 image: one layer. ``ancestry`` is the image itself first and the root last, ``None`` if unreadable.

    An image of a Docker Engine is one too: ``size`` are the bytes above the image that it is based on, ``layers``
    the ChainIDs of all its layers, ``names`` its references by digest (``repository@digest``), ``held_by`` the
    containers that use it, and ``linked`` tells that the engine itself knows what it is based on.
    """

    id: str
    ancestry: tuple[str, ...] | None
    size: int
    time: int | None = None
    in_progress: bool = False
    created: str = ""
    layers: tuple[Digest, ...] = ()
    names: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    platform: str = ""
    linked: bool = False

    @property
    def parent(self) -> str | None:
        """Return the id of the image that this one is based on."""
        return self.ancestry[1] if self.ancestry and len(self.ancestry) > 1 else None


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a registry held at one moment, as far as it could be read.

    ``blobs`` is ``None`` where the source cannot list blobs (a registry's API). ``manifests`` and ``configs``
    are content by digest, for all repositories together.
    """

    source: str
    kind: SourceKind
    repositories: dict[str, Repository] = {}
    manifests: dict[Digest, Manifest] = {}
    configs: dict[Digest, ImageConfig] = {}
    blobs: dict[Digest, Blob] | None = None
    images: dict[str, V1Image] = {}
    problems: tuple[Problem, ...] = ()
    partial: bool = False
    """Only some repositories were asked for: others, unseen, may share their blobs."""

    @property
    def by_image(self) -> bool:
        """Tell whether tags point at images that are based on each other, as in V1, and not at manifests."""
        return is_by_image(self.kind)

    def left_alone(self) -> dict[str, Problem]:
        """Return, by repository, something in it that is not understood and stays where it is: such a repository is
        never moved as a whole."""
        stays = (problem for problem in self.problems if problem.effect in (LEFT_ALONE, KEPT))
        return {problem.repository: problem for problem in stays if problem.repository is not None}

    @property
    def complete(self) -> bool:
        """Tell whether everything that could keep something alive was read."""
        return not any(problem.blocks != "nothing" for problem in self.problems)

    @property
    def store_blocked(self) -> Problem | None:
        """Return the first problem that forbids any deletion at all, if there is one."""
        return next((problem for problem in self.problems if problem.blocks == "store"), None)
