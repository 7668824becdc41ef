"""Keeping what lists show of images: the difference between what is stored and what a scan saw, in batches."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import connection
from django.db.models import OuterRef, Subquery

from prune.graph.images import ImageGraph
from prune.model.snapshot import Snapshot
from prune.plan.catalogue import Catalogue, Entry, SharedLayer, catalogue
from registryui.models import Image, Label, Manifest, ManifestSighting, Registry, Repository, TagSighting
from registryui.models import SharedLayer as SharedRow

BATCH = 1000

#: What of an image a later scan may see differently.
CHANGING = (
    "kind", "platform", "size", "own", "created_at", "base", "dependents", "subject", "inside", "same_as",
    "purpose", "attached",
)  # fmt: skip

#: More labels than any build tool writes, and no more than a search can bear.
MOST_LABELS = 40


def keep(registry: Registry, snapshot: Snapshot, graph: ImageGraph, now: datetime) -> None:
    """Store what changed since the last scan. Call it before the sightings that point at images are connected."""
    seen = catalogue(snapshot, graph)
    _keep_images(registry, snapshot, seen, now)
    _keep_layers(registry, seen.shared)


#: Rows that SQLite looks at of each index; enough to tell which of two is the better one.
SAMPLE = 1000


def analyse() -> None:
    """Let the database count what its tables hold now: without that it guesses which index answers a question, and
    of a registry of a hundred thousand tags it guesses wrong."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA analysis_limit={SAMPLE}")
        for model in (Repository, Image, TagSighting, ManifestSighting, Label, SharedRow, Manifest):
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


def connect(registry: Registry) -> None:
    """Point the sightings that a scan has added at their images."""
    image = Subquery(Image.objects.filter(registry=registry, digest=OuterRef("digest")).values("pk")[:1])
    new = {"repository__in": registry.repositories.all(), "ended_at": None, "image": None}
    TagSighting.objects.filter(**new).update(image=image)
    ManifestSighting.objects.filter(**new).update(image=image)


def _keep_images(registry: Registry, snapshot: Snapshot, seen: Catalogue, now: datetime) -> None:
    stored = {
        row[0]: row[1:]
        for row in Image.objects.filter(registry=registry).values_list("digest", *CHANGING, "ended_at").iterator()
    }
    added, changed = [], []
    for digest, entry in seen.entries.items():
        facts = _facts(entry, now)
        before = stored.pop(digest, None)
        if before is None:
            added.append(Image(registry=registry, digest=digest, first_seen=now, **facts))
        elif before != (*facts.values(), None):
            changed.append(Image(registry=registry, digest=digest, first_seen=now, ended_at=None, **facts))
    Image.objects.bulk_create(added, batch_size=BATCH)
    Image.objects.bulk_create(
        changed,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["registry", "digest"],
        update_fields=[*CHANGING, "ended_at"],
    )
    if snapshot.store_blocked is None:
        gone = [digest for digest, row in stored.items() if row[-1] is None]
        for part in _parts(gone):
            Image.objects.filter(registry=registry, digest__in=part).update(ended_at=now)
    _keep_labels(registry, snapshot, [image.digest for image in added])


def _facts(entry: Entry, now: datetime) -> dict[str, object]:
    """Return the columns of ``CHANGING``, in that order."""
    return {
        "kind": entry.kind,
        "platform": entry.platform[:200],
        "size": entry.size,
        "own": entry.own,
        "created_at": possible(entry.created, now),
        "base": entry.base,
        "dependents": entry.dependents,
        "subject": entry.subject[:140],
        "inside": entry.inside,
        "same_as": entry.same_as,
        "purpose": entry.purpose,
        "attached": ",".join(entry.attached),
    }


def possible(created: str, now: datetime) -> datetime | None:
    """Return the time that a config names, unless it is none, lies in the future, or is a reproducible build's."""
    text = created.strip()
    if len(text) < 19:
        return None
    whole, _, _ = text[:30].partition(".")
    try:
        moment = datetime.fromisoformat(whole.removesuffix("Z")[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if datetime(1990, 1, 1, tzinfo=UTC) < moment <= now else None


def _keep_labels(registry: Registry, snapshot: Snapshot, digests: list[str]) -> None:
    """Store the labels of new images; a config never changes."""
    labels = {}
    for digest in digests:
        manifest = snapshot.manifests.get(digest)
        config = snapshot.configs.get(manifest.config.digest) if manifest and manifest.config else None
        if config is not None and config.labels:
            labels[digest] = config.labels
    for part in _parts(list(labels)):
        pks = dict(Image.objects.filter(registry=registry, digest__in=part).values_list("digest", "pk"))
        rows = [
            Label(image_id=pks[digest], name=name[:120], value=value[:200])
            for digest in part
            for name, value in list(labels[digest].items())[:MOST_LABELS]
        ]
        Label.objects.bulk_create(rows, batch_size=BATCH)


def _keep_layers(registry: Registry, shared: dict[str, SharedLayer]) -> None:
    rows = SharedRow.objects.filter(registry=registry)
    stored = {
        digest: (size, images, tuple(examples))
        for digest, size, images, examples in rows.values_list("digest", "size", "images", "examples").iterator()
    }
    changed = []
    for digest, layer in shared.items():
        if stored.pop(digest, None) != (layer.size, layer.images, layer.examples):
            row = SharedRow(registry=registry, digest=digest, size=layer.size, images=layer.images)
            row.examples = list(layer.examples)
            changed.append(row)
    SharedRow.objects.bulk_create(
        changed,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["registry", "digest"],
        update_fields=["size", "images", "examples"],
    )
    for part in _parts(list(stored)):
        rows.filter(digest__in=part).delete()


def _parts(items: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
