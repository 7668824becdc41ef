"""The counts of a scan."""

from prune.graph.reach import held_blobs, linked_manifests
from prune.graph.v1 import engine_reached, with_ancestors
from prune.model.plan import ScanSummary
from prune.model.snapshot import Snapshot


def summarise(snapshot: Snapshot) -> ScanSummary:
    """Return the counts and bytes of ``snapshot``; what its source cannot know is ``None``, never 0.

    Manifests are counted once for each repository that serves them; *untagged* are those that no tag of their
    repository points at. Unreferenced are blobs that no manifest of any repository needs (V1: images that no
    tag reaches, with their layer files as bytes; Docker Engine: layers of images without a name or container).
    """
    repositories = snapshot.repositories.values()
    manifests = untagged = 0
    for repository in repositories:
        manifests += len(repository.revisions)
        untagged += len(repository.revisions.keys() - set(repository.tags.values()))
    blobs: int | None
    size: int | None
    unreferenced: int | None
    unreferenced_size: int | None
    if snapshot.kind == "storage-v1":
        reached = with_ancestors((i for r in repositories for i in r.tags.values()), snapshot.images)
        alone = snapshot.images.keys() - reached
        blobs, size = len(snapshot.images), sum(image.size for image in snapshot.images.values())
        unreferenced, unreferenced_size = len(alone), sum(snapshot.images[id_].size for id_ in alone)
    elif snapshot.kind == "docker-engine":
        layers = snapshot.blobs or {}
        held = {layer for id_ in engine_reached(snapshot) for layer in snapshot.images[id_].layers}
        blobs, size = len(layers), sum(blob.size for blob in layers.values())
        unreferenced = len(layers.keys() - held)
        unreferenced_size = sum(layers[digest].size for digest in layers.keys() - held)
    elif snapshot.blobs is None:
        blobs = size = unreferenced = unreferenced_size = None
    else:
        loose = snapshot.blobs.keys() - held_blobs(linked_manifests(snapshot), snapshot.manifests)
        blobs, size = len(snapshot.blobs), sum(blob.size for blob in snapshot.blobs.values())
        unreferenced, unreferenced_size = len(loose), sum(snapshot.blobs[digest].size for digest in loose)
    return ScanSummary(
        source=snapshot.source,
        kind=snapshot.kind,
        complete=snapshot.complete,
        problems=tuple({"where": p.where, "what": p.what, "effect": p.effect} for p in sorted(snapshot.problems)),
        repositories=len(snapshot.repositories),
        tags=sum(len(repository.tags) for repository in repositories),
        manifests=manifests,
        # Over the registry's API untagged manifests cannot be listed at all; V1 has none.
        untagged_manifests=None if snapshot.kind in ("registry-v2", "registry-v1") else untagged,
        blobs=blobs,
        bytes=size,
        unreferenced_blobs=unreferenced,
        unreferenced_bytes=unreferenced_size,
        images=len(snapshot.images),
    )
