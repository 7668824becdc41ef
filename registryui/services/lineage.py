"""What an image is based on and what is based on it, from rows: as many queries for a large registry as for a small
one, and no more rows than a drawing holds."""

from collections.abc import Collection
from typing import NamedTuple, cast

from django.db import connection
from django.db.models import Q

from prune.graph.fold import Fold
from prune.graph.images import ImageGraph, Node, image_graph
from prune.model.snapshot import SourceKind
from registryui.models import Image, Registry
from registryui.services import parts

#: Drawn of what is directly based on an image, of what is based on those, and of what belongs to it or is in it.
MOST_ABOVE, MOST_HIGHER, MOST_BESIDE = 40, 60, 30
#: Steps down to the root. V1 stopped at 127 layers, and so do the drivers of today.
DEEPEST = 200
#: Tags read to name what is drawn; a box shows six, and says how many more there are.
MOST_TAGS = 2000


class Neighbourhood(NamedTuple):
    """The images around one, and for those of which more is based than is drawn, how many more."""

    graph: ImageGraph
    folds: dict[str, Fold]
    owners: dict[str, str]
    """By key of a fold, the image whose neighbourhood shows what is in it."""


def around(registry: Registry, digest: str) -> Neighbourhood | None:
    """Return what the last scan saw around an image, index or artifact; ``None`` when it did not see that."""
    seen = Image.objects.filter(registry=registry, ended_at=None)
    image = seen.filter(digest=digest).first()
    if image is None:
        return None
    middle = image.same_as or digest
    ours = {digest, middle, image.subject, image.inside} - {""}
    beside = Q(inside__in=[digest, middle]) | Q(subject__in=[digest, middle])
    ours.update(seen.filter(beside).order_by("digest").values_list("digest", flat=True)[:MOST_BESIDE])
    below = bases(registry, ours)
    above = dict(
        seen.filter(base=middle, same_as="")
        .order_by("-dependents", "-created_at", "digest")
        .values_list("digest", "dependents")[:MOST_ABOVE]
    )
    bearing = [one for one, dependents in above.items() if dependents]
    higher = seen.filter(base__in=bearing, same_as="").order_by("-dependents", "digest")
    known = {*ours, *below, *above, *higher.values_list("digest", flat=True)[:MOST_HIGHER]}
    known.update(seen.filter(same_as__in=known).order_by("digest").values_list("digest", flat=True)[:MOST_TAGS])
    kind = cast(SourceKind, registry.kind)
    graph = image_graph(parts.of_digests(registry, known, kind, most_tags=MOST_TAGS))
    dependents = dict(seen.filter(digest__in=known, dependents__gt=0).values_list("digest", "dependents"))
    return _with_more(graph, dependents)


def _with_more(graph: ImageGraph, dependents: dict[str, int]) -> Neighbourhood:
    """Hang on every image a fold for what is based on it and not in the graph."""
    children = graph.children()
    nodes, folds, owners = dict(graph.nodes), {}, {}
    for node in graph.nodes.values():
        missing = max((dependents.get(id_, 0) for id_ in node.ids), default=0) - len(children.get(node.key, ()))
        if node.kind == "image" and missing > 0:
            key = f"more {node.key}"
            nodes[key] = Node(key=key, kind="image", ids=(node.ids[0],), parent=node.key)
            folds[key] = Fold(key, (), 0, node.key, "family", missing)
            owners[key] = node.ids[0]
    return Neighbourhood(ImageGraph(nodes, graph.repositories), folds, owners)


def bases(registry: Registry, digests: Collection[str]) -> list[str]:
    """Return all that ``digests`` are based on, down to the roots, the nearest first."""
    table = connection.ops.quote_name(Image._meta.db_table)
    marks = ", ".join(["%s"] * len(digests))
    # No text of a caller is in it: only the name of the table, and a mark for each value.
    statement = f"""
        WITH RECURSIVE below(digest, depth) AS (
            SELECT base, 1 FROM {table}
            WHERE registry_id = %s AND digest IN ({marks}) AND ended_at IS NULL AND base <> ''
            UNION
            SELECT image.base, below.depth + 1 FROM below JOIN {table} AS image ON image.digest = below.digest
            WHERE image.registry_id = %s AND image.ended_at IS NULL AND image.base <> '' AND below.depth < {DEEPEST}
        )
        SELECT digest, MIN(depth) FROM below GROUP BY digest ORDER BY 2, 1
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [registry.pk, *sorted(digests), registry.pk])
        return [row[0] for row in cursor.fetchall()]


def chain(registry: Registry, digest: str) -> list[Image]:
    """Return the images that one is based on, the nearest first."""
    order = bases(registry, [digest])
    rows = {row.digest: row for row in Image.objects.filter(registry=registry, digest__in=order, ended_at=None)}
    return [rows[one] for one in order if one in rows]
