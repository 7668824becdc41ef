"""The storage of distribution's registry (V2), read straight from where it lies.

Layout: distribution, `registry/storage/paths.go`. Nothing here writes.
"""

from prune.sources.storage_v2.source import StorageV2

__all__ = ["StorageV2"]
