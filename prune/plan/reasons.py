"""Why things stay, in words."""

from collections.abc import Collection, Iterable

from prune.graph.reach import RepositoryGraph, blobs_of
from prune.model.digest import Digest, short
from prune.model.snapshot import Snapshot
from prune.plan.words import counted, listed


def contained(graph: RepositoryGraph, parents: Iterable[Digest]) -> str:
    """Return ``index 1f2e… (tag 1.4) contains it`` for the given indexes."""
    said = []
    for parent in sorted(parents):
        tags = sorted(graph.tags_of.get(parent, ()))
        said.append(f"index {short(parent)}" + (f" ({listed(tags)})" if tags else ""))
    return f"{listed(said)} {'contains' if len(said) == 1 else 'contain'} it"


def manifest_stays(
    graph: RepositoryGraph, digest: Digest, gone_tags: Collection[str], survivors: Collection[Digest]
) -> tuple[str, ...]:
    """Return every reason why a manifest that was asked for, or touched, stays in its repository."""
    found = []
    tags = sorted(tag for tag in graph.tags_of.get(digest, ()) if tag not in gone_tags)
    if tags:
        found.append(f"{listed(tags)} {'points' if len(tags) == 1 else 'point'} to it")
    parents = [parent for parent in graph.parents.get(digest, ()) if parent in survivors]
    if parents:
        found.append(contained(graph, parents))
    for subject, referrers in graph.referrers.items():
        if digest in referrers and subject in survivors:
            found.append(f"it belongs to {short(subject)}, which stays")
    return tuple(found) or ("what it belongs to stays",)


class BlobHolders:
    """Who still needs a blob, found in one pass over everything that stays."""

    def __init__(self, snapshot: Snapshot, survivors: dict[str, set[Digest]], blobs: Collection[Digest]) -> None:
        self._holders: dict[Digest, list[str]] = {}
        self._count: dict[Digest, int] = {}
        wanted = set(blobs)
        direct: dict[Digest, set[Digest]] = {}
        for name in sorted(snapshot.repositories):
            repository = snapshot.repositories[name]
            staying = survivors.get(name)
            if staying is None:
                staying = {*repository.revisions, *repository.tags.values()}
            tags_of: dict[Digest, str] = {}
            for tag, digest in repository.tags.items():
                if digest not in tags_of or tag < tags_of[digest]:
                    tags_of[digest] = tag
            for manifest in sorted(staying):
                found = direct.get(manifest)
                if found is None:
                    found = direct[manifest] = blobs_of(manifest, snapshot.manifests) & wanted
                for blob in found:
                    self._count[blob] = self._count.get(blob, 0) + 1
                    holders = self._holders.setdefault(blob, [])
                    if len(holders) < 3:
                        named = tags_of.get(manifest)
                        holders.append(f"{name}:{named}" if named else f"{name}@{short(manifest)}")

    def why(self, blob: Digest) -> tuple[str, ...]:
        """Return one sentence: who needs the blob."""
        holders = self._holders.get(blob, [])
        if not holders:
            return ("a push that is not finished may need it (its link is younger than the grace window)",)
        more = self._count[blob] - len(holders)
        names = listed([*holders, counted(more, "other image")] if more else holders, most=4)
        return (f"{names} {'needs' if len(holders) + more == 1 else 'need'} it",)
