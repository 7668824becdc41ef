"""A registry in parts: each repository by itself, and the little that a plan for one has to know of all the others.

A plan that deletes from two repositories of two thousand rests on those two, on who else needs their blobs, and on
the links that no manifest explains. So it costs what it is about, and comes to the very same bytes as on the whole.
"""

from collections.abc import Iterable, Set

import msgspec

from prune.graph.reach import blobs_of, held_blobs
from prune.model.digest import Digest, short
from prune.model.plan import ScanSummary
from prune.model.snapshot import Repository, Snapshot
from prune.plan.summary import summarise

#: As many holders of a blob are named; of the others it says how many they are.
MOST_NAMED = 3


class Holding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many manifests of one repository need a blob, and the names of the first of them."""

    count: int
    named: tuple[str, ...]


class Surroundings(msgspec.Struct, frozen=True):
    """What plans have to know of the repositories that they are not about: of the whole registry the counts, for
    each blob that several repositories need which do, and by blob the links that nothing in their repository
    explains, with their times."""

    summary: ScanSummary
    holders: dict[Digest, dict[str, Holding]] = {}
    links: dict[Digest, dict[str, int | None]] = {}

    def elsewhere(self, blob: Digest, here: dict[str, Repository]) -> dict[str, Holding]:
        """Return who needs a blob besides the repositories that are ``here``."""
        return {name: holding for name, holding in self.holders.get(blob, {}).items() if name not in here}

    def links_elsewhere(self, blob: Digest, here: dict[str, Repository]) -> dict[str, int | None]:
        """Return the unexplained links to a blob besides those of the repositories that are ``here``."""
        return {name: time for name, time in self.links.get(blob, {}).items() if name not in here}


def served(repository: Repository) -> set[Digest]:
    """Return the manifests that a repository serves, by revision or by tag."""
    return {*repository.revisions, *repository.tags.values()}


def holdings(
    repository: Repository, staying: Iterable[Digest], snapshot: Snapshot, wanted: Set[Digest]
) -> dict[Digest, Holding]:
    """Return for each ``wanted`` blob that ``staying`` manifests of a repository need how many those are, and the
    names of the first."""
    tags_of: dict[Digest, str] = {}
    for tag, digest in repository.tags.items():
        if digest not in tags_of or tag < tags_of[digest]:
            tags_of[digest] = tag
    count: dict[Digest, int] = {}
    first: dict[Digest, list[Digest]] = {}
    for manifest in sorted(staying):
        for blob in blobs_of(manifest, snapshot.manifests) & wanted:
            number = count[blob] = count.get(blob, 0) + 1
            if number <= MOST_NAMED:
                first.setdefault(blob, []).append(manifest)

    def name(manifest: Digest) -> str:
        tag = tags_of.get(manifest)
        return f"{repository.name}:{tag}" if tag else f"{repository.name}@{short(manifest)}"

    return {blob: Holding(number, tuple(map(name, first[blob]))) for blob, number in count.items()}


def surroundings_of(snapshot: Snapshot) -> Surroundings:
    """Return what plans for any of the repositories have to know of the others."""
    owner: dict[Digest, str | None] = {}
    links: dict[Digest, dict[str, int | None]] = {}
    for name, repository in snapshot.repositories.items():
        needed = held_blobs(served(repository), snapshot.manifests)
        for blob in needed:
            owner[blob] = None if blob in owner else name
        for blob in repository.layer_links.keys() - needed:
            links.setdefault(blob, {})[name] = repository.layer_links[blob]
    shared = {blob for blob, name in owner.items() if name is None}
    holders: dict[Digest, dict[str, Holding]] = {}
    for name, repository in snapshot.repositories.items():
        for blob, holding in holdings(repository, served(repository), snapshot, shared).items():
            holders.setdefault(blob, {})[name] = holding
    return Surroundings(summarise(snapshot), holders, links)


def part_of(snapshot: Snapshot, name: str) -> Snapshot:
    """Return one repository with the content of all that it serves, as a snapshot of its own."""
    repository = snapshot.repositories[name]
    known = held_blobs(served(repository), snapshot.manifests)
    manifests = {digest: snapshot.manifests[digest] for digest in known if digest in snapshot.manifests}
    blobs = snapshot.blobs
    return Snapshot(
        source=snapshot.source,
        kind=snapshot.kind,
        repositories={name: repository},
        manifests=manifests,
        configs={digest: snapshot.configs[digest] for digest in known if digest in snapshot.configs},
        blobs=None if blobs is None else {d: blobs[d] for d in known | repository.layer_links.keys() if d in blobs},
    )


def head_of(snapshot: Snapshot) -> Snapshot:
    """Return what is left without any content: where it is from, and what could not be read."""
    return Snapshot(
        source=snapshot.source,
        kind=snapshot.kind,
        blobs=None if snapshot.blobs is None else {},
        problems=snapshot.problems,
        partial=snapshot.partial,
    )


def rest_of(snapshot: Snapshot, parts: Iterable[Snapshot]) -> Snapshot:
    """Return what is in none of the parts: what nothing refers to, and images that are no manifests."""
    inside: set[str] = set()
    for part in parts:
        inside.update(part.manifests, part.configs, part.blobs or ())
    blobs = snapshot.blobs
    return msgspec.structs.replace(
        snapshot,
        repositories={},
        manifests={key: value for key, value in snapshot.manifests.items() if key not in inside},
        configs={key: value for key, value in snapshot.configs.items() if key not in inside},
        blobs=None if blobs is None else {key: value for key, value in blobs.items() if key not in inside},
    )


def together(first: Snapshot, parts: Iterable[Snapshot]) -> Snapshot:
    """Return one snapshot of ``first`` and the parts: with `head_of` of those repositories alone, with `rest_of` the
    whole again."""
    repositories, manifests, configs = dict(first.repositories), dict(first.manifests), dict(first.configs)
    blobs = None if first.blobs is None else dict(first.blobs)
    for part in parts:
        repositories.update(part.repositories)
        manifests.update(part.manifests)
        configs.update(part.configs)
        if blobs is not None:
            blobs.update(part.blobs or {})
    return msgspec.structs.replace(
        first, repositories=dict(sorted(repositories.items())), manifests=manifests, configs=configs, blobs=blobs
    )
