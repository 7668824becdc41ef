"""Why things stay, in words."""

from collections.abc import Collection, Iterable, Set

from prune.graph.reach import RepositoryGraph
from prune.model.digest import Digest, short
from prune.model.snapshot import Snapshot
from prune.plan.surroundings import MOST_NAMED, Holding, Surroundings, holdings, served
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

    def __init__(
        self,
        snapshot: Snapshot,
        survivors: dict[str, set[Digest]],
        blobs: Set[Digest],
        around: Surroundings | None = None,
    ) -> None:
        self._holdings: dict[Digest, dict[str, Holding]] = {}
        for name, repository in snapshot.repositories.items():
            staying = survivors.get(name)
            if staying is None:
                staying = served(repository)
            for blob, holding in holdings(repository, staying, snapshot, blobs).items():
                self._holdings.setdefault(blob, {})[name] = holding
        if around is not None:
            for blob in blobs:
                self._holdings.setdefault(blob, {}).update(around.elsewhere(blob, snapshot.repositories))

    def why(self, blob: Digest) -> tuple[str, ...]:
        """Return one sentence: who needs the blob."""
        found = [holding for _, holding in sorted(self._holdings.get(blob, {}).items())]
        if not found:
            return ("a push that is not finished may need it (its link is younger than the grace window)",)
        holders = [name for holding in found for name in holding.named][:MOST_NAMED]
        more = sum(holding.count for holding in found) - len(holders)
        names = listed([*holders, counted(more, "other image")] if more else holders, most=4)
        return (f"{names} {'needs' if len(holders) + more == 1 else 'need'} it",)
