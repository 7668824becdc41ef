"""What a garbage collection of a registry looks like to a run."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from prune.model.digest import Digest
from prune.model.errors import PruneError
from prune.reclaim.control.base import Former

type Look = Callable[[str, int], None]
"""Takes what is being done and how many of it are done. Called at least every few seconds; what it raises ends the
collection."""


class CollectionFailed(PruneError):
    """The garbage collection did not come to its end, or said what cannot be understood."""


class Eligible(msgspec.Struct, frozen=True):
    """What a garbage collection removes, or would: blobs, links ``(repository, digest)`` to layers, and manifests
    (as it names them; none, unless it is told to remove what has no tag)."""

    blobs: frozenset[Digest]
    layer_links: frozenset[tuple[str, Digest]] = frozenset()
    manifests: tuple[str, ...] = ()


class Collector(Protocol):
    """A registry's garbage collection, while the registry is held. ``former`` is how its control found it."""

    words: str

    def dry_run(self, former: Former, look: Look) -> Eligible:
        """Return what it would remove, removing nothing. Raises ``CollectionFailed``."""
        ...

    def collect(self, former: Former, look: Look) -> Eligible:
        """Remove it, for good, and return what it says that it removed. Raises ``CollectionFailed``."""
        ...
