"""Who builds on whom in a registry: kept with every scan that finds a change."""

from django.db.models import QuerySet

from prune.graph.builds_on import builds_on
from prune.graph.images import ImageGraph
from registryui.models import BuildsOn, Registry, Repository

BATCH = 1000


def keep(registry: Registry, graph: ImageGraph, rows: dict[str, Repository]) -> None:
    """Store what changed since the last scan."""
    stored = {
        (repository, base): (pk, images, shared)
        for pk, repository, base, images, shared in BuildsOn.objects.filter(registry=registry).values_list(
            "pk", "repository_id", "base_id", "images", "shared"
        )
    }
    gone, added = [], []
    for pair in builds_on(graph):
        key = (rows[pair.repository].pk, rows[pair.base].pk)
        before = stored.pop(key, None)
        if before is not None and before[1:] == (pair.images, pair.shared):
            continue
        if before is not None:
            gone.append(before[0])
        added.append(
            BuildsOn(registry=registry, repository_id=key[0], base_id=key[1], images=pair.images, shared=pair.shared)
        )
    gone += [pk for pk, *_ in stored.values()]
    for start in range(0, len(gone), BATCH):
        BuildsOn.objects.filter(pk__in=gone[start : start + BATCH]).delete()
    BuildsOn.objects.bulk_create(added, batch_size=BATCH)


def of_registry(registry: Registry) -> QuerySet[BuildsOn]:
    """Return every pair."""
    return BuildsOn.objects.filter(registry=registry)
