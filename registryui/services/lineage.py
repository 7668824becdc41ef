"""What an image is based on and what is based on it, from rows: as many queries for a large registry as for a small
one, and no more rows than a drawing holds."""

from collections.abc import Collection
from typing import Any, NamedTuple, cast

from django.db import connection
from django.db.models import QuerySet

from prune.graph.fold import Fold
from prune.graph.images import ImageGraph, Node, Tag, bases_first, image_graph, tag_order
from prune.model.snapshot import SourceKind
from registryui.models import Image, Registry, Repository, TagSighting
from registryui.services import contents, parts

#: Drawn of what is directly based on an image, of what is based on those, and of what belongs to it or is in it.
MOST_ABOVE, MOST_HIGHER, MOST_BESIDE = 40, 60, 30
#: How images come that as many others are based on; an index has them in this order.
NEWEST = ("-created_at", "digest")
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
    content = contents.of_digests([digest]).get(digest)
    if content is not None and content.manifest is not None:
        ours.update(child.digest for child in content.manifest.children[:MOST_BESIDE])
    # Said twice, so that the index is used that has no row without a subject, a base, or another manifest.
    about = seen.exclude(subject="").filter(subject__in=[digest, middle])
    ours.update(about.order_by("digest").values_list("digest", flat=True)[:MOST_BESIDE])
    below = bases(registry, ours)
    above = dict(
        above_of(registry, [middle])
        .filter(same_as="")
        .order_by("-dependents", *NEWEST)
        .values_list("digest", "dependents")[:MOST_ABOVE]
    )
    bearing = [one for one, dependents in above.items() if dependents]
    higher = above_of(registry, bearing).filter(same_as="").order_by("-dependents", "digest")
    known = {*ours, *below, *above, *higher.values_list("digest", flat=True)[:MOST_HIGHER]}
    alike = seen.exclude(same_as="").filter(same_as__in=known)
    known.update(alike.order_by("digest").values_list("digest", flat=True)[:MOST_TAGS])
    kind = cast(SourceKind, registry.kind)
    graph = image_graph(parts.of_digests(registry, known, kind, most_tags=MOST_TAGS))
    dependents = dict(seen.filter(digest__in=known, dependents__gt=0).values_list("digest", "dependents"))
    return _with_more(graph, dependents)


def above_of(registry: Registry, digests: Collection[str]) -> QuerySet[Image]:
    """Return what is directly based on one of ``digests``."""
    return Image.objects.filter(registry=registry, base__in=digests, ended_at=None).exclude(base="")


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
            WHERE registry_id = %s AND digest IN ({marks}) AND ended_at IS NULL
            UNION
            SELECT (SELECT base FROM {table} WHERE registry_id = %s AND digest = below.digest AND ended_at IS NULL),
                   depth + 1
            FROM below WHERE digest <> '' AND depth < {DEEPEST}
        )
        SELECT digest, MIN(depth) FROM below WHERE digest <> '' GROUP BY digest ORDER BY 2, 1
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [registry.pk, *sorted(digests), registry.pk])
        return [row[0] for row in cursor.fetchall()]


def chain(registry: Registry, digest: str) -> list[Image]:
    """Return the images that one is based on, the nearest first."""
    order = bases(registry, [digest])
    rows = {row.digest: row for row in Image.objects.filter(registry=registry, digest__in=order, ended_at=None)}
    return [rows[one] for one in order if one in rows]


#: What of an image a drawing shows; created_at is what a config says, where that can be true.
_COLUMNS = ("digest", "kind", "platform", "size", "created_at", "base", "same_as", "subject", "inside")


def of_large_repository(repository: Repository) -> ImageGraph:
    """Return the graph of a repository of more images than anybody draws, to be folded: from the rows of lists,
    without reading what manifests say. What an image adds is how much larger it is than its base."""
    tags: dict[str, list[Tag]] = {}
    sightings = TagSighting.objects.filter(repository=repository, ended_at=None)
    for tag, digest in sightings.values_list("tag", "digest"):
        tags.setdefault(digest, []).append((repository.name, tag))
    seen = Image.objects.filter(registry=repository.registry_id, ended_at=None)
    served = seen.filter(served__repository=repository, served__ended_at=None)
    rows = {row[0]: row for row in served.values_list(*_COLUMNS)}
    missing = sorted({row[5] for row in rows.values()} - rows.keys() - {""})[: parts.ASKED]
    below = [*missing, *bases(repository.registry, missing)] if missing else []
    rows |= {row[0]: row for row in seen.filter(digest__in=below).values_list(*_COLUMNS)}
    return ImageGraph(bases_first(_nodes(rows, tags)), (repository.name,))


def _nodes(rows: dict[str, tuple[Any, ...]], tags: dict[str, list[Tag]]) -> dict[str, Node]:
    alike: dict[str, list[str]] = {}
    members: dict[str, list[str]] = {}
    for digest, *_, same_as, _, inside in rows.values():
        if same_as in rows:
            alike.setdefault(same_as, []).append(digest)
        if inside in rows:
            members.setdefault(inside, []).append(same_as if same_as in rows else digest)
    nodes = {}
    for digest, kind, platform, size, created, base, same_as, subject, _ in rows.values():
        if same_as in rows:
            continue
        ids = (digest, *alike.get(digest, ()))
        held = [tag for id_ in ids for tag in tags.get(id_, ())]
        below = rows[base][3] if base in rows else 0
        nodes[digest] = Node(
            key=digest,
            kind="index" if kind == "index" else "referrer" if subject else "image",
            ids=ids,
            tags=tuple(sorted(held, key=tag_order)) if len(held) > 1 else tuple(held),
            parent=base or None,
            members=tuple(dict.fromkeys(members.get(digest, ()))),
            subject=subject if subject in rows else None,
            platform="" if kind == "index" else platform,
            own=max(0, size - below),
            total=size,
            created=created.isoformat() if created else "",
        )
    return nodes
