"""A store in a bucket: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage, through `obstore`.

A bucket has no folders, no rename and no locks: `listing` makes folders of names, `moving` makes moves of copies and
batched deletes, `lease` makes a lock of an object that its holder keeps renewing.
"""

from prune.sources.stores.objects.store import ObjectStore

__all__ = ["ObjectStore"]
