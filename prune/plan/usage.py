"""Where the bytes are: what each repository needs, and what only it needs."""

import msgspec

from prune.graph.reach import held_blobs
from prune.graph.v1 import with_ancestors
from prune.model.snapshot import Repository, Snapshot


class Usage(msgspec.Struct, frozen=True):
    """Bytes of one repository: ``total`` of everything it refers to, ``exclusive`` of what no other one does."""

    total: int
    exclusive: int


def usage(snapshot: Snapshot) -> dict[str, Usage]:
    """Return, by repository, the bytes it needs; what is not in the store counts nothing."""
    needs: dict[str, set[str]] = {}
    holders: dict[str, int] = {}
    for name, repository in snapshot.repositories.items():
        needed = needed_by(snapshot, repository)
        needs[name] = needed
        for one in needed:
            holders[one] = holders.get(one, 0) + 1
    sizes = stored_sizes(snapshot)
    return {
        name: Usage(
            total=sum(sizes.get(one, 0) for one in needed),
            exclusive=sum(sizes.get(one, 0) for one in needed if holders[one] == 1),
        )
        for name, needed in needs.items()
    }


def needed_by(snapshot: Snapshot, repository: Repository) -> set[str]:
    """Return everything that a repository needs, by digest or V1 id, whether or not it is there."""
    if snapshot.kind == "docker-engine":
        named = {*repository.tags.values(), *repository.revisions}
        return {layer for id_ in named if id_ in snapshot.images for layer in snapshot.images[id_].layers}
    if snapshot.by_image:
        return with_ancestors(repository.tags.values(), snapshot.images)
    return held_blobs({*repository.revisions, *repository.tags.values()}, snapshot.manifests)


def stored_sizes(snapshot: Snapshot) -> dict[str, int]:
    """Return the bytes of everything that the store holds, by digest or V1 id, as far as its source can know."""
    if snapshot.blobs is not None:
        return {digest: blob.size for digest, blob in snapshot.blobs.items()}
    if snapshot.images:
        return {id_: image.size for id_, image in snapshot.images.items()}
    # Over the registry's API the manifests say how large their blobs are.
    sizes: dict[str, int] = {}
    for manifest in snapshot.manifests.values():
        sizes[manifest.digest] = manifest.size
        for part in (manifest.config, *manifest.layers):
            if part is not None:
                sizes[part.digest] = part.size
    return sizes
