"""Where the bytes of a registry are, and which of them could be had back now."""

import msgspec

from prune.graph.reach import held_blobs
from prune.model.digest import Digest, short
from prune.model.plan import Plan, Request
from prune.model.snapshot import Snapshot
from prune.plan.make import make_plan
from prune.plan.usage import needed_by, stored_sizes

#: Of the garbage, the largest so many are listed.
MOST_GARBAGE = 200


class RepositorySpace(msgspec.Struct, frozen=True):
    """Bytes of one repository: ``exclusive`` is needed by it alone, ``shared`` by others too, and ``reclaimable`` is
    garbage that only it has to do with."""

    name: str
    exclusive: int
    shared: int
    reclaimable: int


class Garbage(msgspec.Struct, frozen=True):
    """Something that a sweep would take: a blob, an image of V1 or of an engine, or an upload. ``repositories`` are
    those that it belonged to, as far as that can be seen; ``why`` says in words why it is garbage."""

    item: str
    size: int
    repositories: tuple[str, ...]
    why: str


class Space(msgspec.Struct, frozen=True):
    """The bytes of a registry. ``total`` is what repositories have for themselves, plus what several ``shared``,
    plus what no repository needs (``unreferenced``), each byte once. What the source cannot know is ``None``.

    ``reclaimable`` is what a sweep would free now; ``garbage`` is the largest of it, ``garbage_items`` counts it all.
    """

    total: int
    shared: int
    unreferenced: int | None
    reclaimable: int | None
    repositories: tuple[RepositorySpace, ...]
    garbage: tuple[Garbage, ...] = ()
    garbage_items: int = 0


def space(snapshot: Snapshot, *, now: int, grace: int, sweeps: bool = True) -> Space:
    """Return where the bytes of ``snapshot`` are. ``grace`` (seconds before ``now``) keeps what is fresh out of the
    garbage; a source that never ``sweeps`` does not know any. Repositories are sorted by name, garbage by size."""
    sizes = stored_sizes(snapshot)
    holders: dict[str, int] = {}
    needs = {name: needed_by(snapshot, repository) for name, repository in snapshot.repositories.items()}
    for needed in needs.values():
        for one in needed:
            holders[one] = holders.get(one, 0) + 1
    found = _garbage(snapshot, make_plan(snapshot, Request(sweep=True, grace=grace), now=now)) if sweeps else []
    own: dict[str, int] = {}
    for garbage in found:
        if len(garbage.repositories) == 1:
            own[garbage.repositories[0]] = own.get(garbage.repositories[0], 0) + garbage.size
    repositories = []
    for name in sorted(needs):
        exclusive = sum(sizes.get(one, 0) for one in needs[name] if holders[one] == 1)
        total = sum(sizes.get(one, 0) for one in needs[name])
        repositories.append(RepositorySpace(name, exclusive, total - exclusive, own.get(name, 0)))
    lists_all = snapshot.blobs is not None or snapshot.by_image
    return Space(
        total=sum(sizes.values()) if lists_all else sum(sizes.get(one, 0) for one in holders),
        shared=sum(sizes.get(one, 0) for one, number in holders.items() if number > 1),
        unreferenced=sum(size for one, size in sizes.items() if one not in holders) if lists_all else None,
        reclaimable=sum(garbage.size for garbage in found) if sweeps else None,
        repositories=tuple(repositories),
        garbage=tuple(sorted(found, key=lambda garbage: (-garbage.size, garbage.item))[:MOST_GARBAGE]),
        garbage_items=len(found),
    )


def _garbage(snapshot: Snapshot, plan: Plan) -> list[Garbage]:
    """Return what a plan that sweeps takes, item by item; together it is what the plan frees."""
    homes: dict[Digest, set[str]] = {}
    why: dict[Digest, str] = {}
    for manifest in plan.delete.manifests:
        for blob in held_blobs((manifest.digest,), snapshot.manifests):
            homes.setdefault(blob, set()).add(manifest.repository)
            why.setdefault(blob, f"only {short(manifest.digest)} needs it, and no tag leads there")
        why[manifest.digest] = "a manifest to which no tag leads"
    for link in plan.delete.layer_links:
        homes.setdefault(link.digest, set()).add(link.repository)
    found = [
        Garbage(
            item=blob.digest,
            size=blob.size,
            repositories=tuple(sorted(homes.get(blob.digest, ()))),
            why=why.get(blob.digest, "no manifest needs it"),
        )
        for blob in plan.delete.blobs
    ]
    named = {image.id: image.names for image in snapshot.images.values()}
    for image in plan.delete.images:
        repositories = tuple(sorted({name.partition("@")[0] for name in named.get(image.id, ())}))
        found.append(Garbage(image.id, image.size, repositories, "no tag leads to this image"))
    for upload in plan.delete.uploads:
        item = f"{upload.repository} upload {upload.id}"
        found.append(Garbage(item, upload.size, (upload.repository,), "an upload that was begun and never finished"))
    return found
