"""Carrying a plan out over a registry's API, and undoing it.

The API deletes manifests and, on some servers, tags; blobs are the registry's own garbage collection's to remove. The
bytes of every manifest are kept locally before it goes, so that it can be pushed again while its blobs are there.
"""

from prune.reclaim.registry.record import state_of
from prune.reclaim.registry.restore import restore_registry
from prune.reclaim.registry.run import apply_registry

__all__ = ["apply_registry", "restore_registry", "state_of"]
