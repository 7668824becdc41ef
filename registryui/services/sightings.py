"""What was where, from when to when: the difference between what is remembered and what a scan saw.

Not listed means gone only where the listing was complete: a repository that could not be read whole keeps what it
had.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.db.models import Model

from prune.graph.images import image_graph
from prune.model.snapshot import Repository as Seen
from prune.model.snapshot import Snapshot
from prune.plan.usage import Usage, usage
from registryui.models import Manifest, ManifestSighting, Registry, Repository, TagSighting
from registryui.services import builds_on, contents, facts

BATCH = 1000
#: Digests asked for at once; databases allow so many parameters.
ASKED = 5000


def keep(registry: Registry, snapshot: Snapshot, now: datetime) -> None:
    """Store what changed since the last scan."""
    _keep_manifests(snapshot)
    graph = image_graph(snapshot)
    facts.keep(registry, snapshot, graph, now)
    rows = _keep_repositories(registry, snapshot, now)
    builds_on.keep(registry, graph, rows)
    _keep_tags(registry, snapshot, rows, now)
    _keep_revisions(registry, snapshot, rows, now)
    facts.connect(registry)
    facts.analyse()


def _keep_manifests(snapshot: Snapshot) -> None:
    """Add what is new by digest; what is known is never written again."""
    seen = set(snapshot.images) if snapshot.by_image else set(snapshot.manifests)
    known = {digest for part in _parts(sorted(seen)) for digest in _known(snapshot, part)}
    for part in _parts(sorted(seen - known), BATCH):
        Manifest.objects.bulk_create(
            [_manifest(snapshot, digest) for digest in part],
            update_conflicts=True,
            unique_fields=["digest"],
            update_fields=["content"],
        )


def _known(snapshot: Snapshot, digests: list[str]) -> Iterable[str]:
    rows = Manifest.objects.filter(digest__in=digests, content__isnull=False)
    if not snapshot.by_image:
        return rows.values_list("digest", flat=True)
    # What an image of a Docker Engine is based on can change when other images come and go.
    stored = rows.values_list("digest", "content")
    return [digest for digest, content in stored if bytes(content or b"") == contents.packed(snapshot, digest)]


def _parts(items: list[str], size: int = ASKED) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _manifest(snapshot: Snapshot, digest: str) -> Manifest:
    image = snapshot.images.get(digest)
    if image is not None:
        size = sum(snapshot.images[one].size for one in image.ancestry or (digest,) if one in snapshot.images)
        return Manifest(
            digest=digest,
            kind="v1",
            size=size,
            created=image.created[:64],
            content=contents.packed(snapshot, digest),
        )
    manifest = snapshot.manifests[digest]
    config = snapshot.configs.get(manifest.config.digest) if manifest.config else None
    return Manifest(
        digest=digest,
        kind=manifest.kind,
        media_type=manifest.media_type[:120],
        size=manifest.total_size(),
        platform=str(config.platform)[:80] if config else "",
        created=config.created[:64] if config else "",
        content=contents.packed(snapshot, digest),
    )


def _keep_repositories(registry: Registry, snapshot: Snapshot, now: datetime) -> dict[str, Repository]:
    rows = {row.name: row for row in Repository.objects.filter(registry=registry)}
    uses = usage(snapshot)
    added, changed = [], []
    for name, seen in snapshot.repositories.items():
        figures = _figures(seen, uses[name])
        row = rows.get(name)
        if row is None:
            namespace = name.rpartition("/")[0][:255]
            row = Repository(registry=registry, name=name[:255], namespace=namespace, first_seen=now, **figures)
            rows[name] = row
            added.append(row)
        elif row.ended_at is not None or any(getattr(row, key) != value for key, value in figures.items()):
            for key, value in figures.items():
                setattr(row, key, value)
            row.ended_at = None
            changed.append(row)
    if snapshot.store_blocked is None:
        for name, row in rows.items():
            if name not in snapshot.repositories and row.ended_at is None:
                row.ended_at = now
                row.tags = row.untagged = row.bytes_total = row.bytes_exclusive = 0
                changed.append(row)
    Repository.objects.bulk_create(added, batch_size=BATCH)
    fields = ["tags", "untagged", "bytes_total", "bytes_exclusive", "last_push", "complete", "ended_at"]
    Repository.objects.bulk_update(changed, fields, batch_size=200)
    return rows


def _figures(seen: Seen, use: Usage) -> dict[str, object]:
    return {
        "tags": len(seen.tags),
        "untagged": len(seen.revisions.keys() - set(seen.tags.values())),
        "bytes_total": use.total,
        "bytes_exclusive": use.exclusive,
        "last_push": _moment(max(seen.tag_times.values(), default=None)),
        "complete": seen.complete,
    }


def _moment(time: int | None) -> datetime | None:
    return datetime.fromtimestamp(time, UTC) if time is not None and 0 <= time < 1 << 36 else None


def _keep_tags(registry: Registry, snapshot: Snapshot, rows: dict[str, Repository], now: datetime) -> None:
    open_rows = TagSighting.objects.filter(repository__registry=registry, ended_at=None)
    known = {
        (name, tag): (pk, digest)
        for pk, name, tag, digest in open_rows.values_list("pk", "repository__name", "tag", "digest")
    }
    added, ended = [], []
    for name, seen in snapshot.repositories.items():
        for tag, digest in seen.tags.items():
            before = known.pop((name, tag), None)
            if before is not None and before[1] == digest:
                continue
            if before is not None:
                ended.append(before[0])
            pushed = _moment(seen.tag_times.get(tag))
            added.append(
                TagSighting(repository=rows[name], tag=tag[:255], digest=digest, pushed_at=pushed, first_seen=now)
            )
    ended += [pk for (name, _), (pk, _) in known.items() if _listed(snapshot, name)]
    _end(TagSighting, ended, now)
    TagSighting.objects.bulk_create(added, batch_size=BATCH)


def _keep_revisions(registry: Registry, snapshot: Snapshot, rows: dict[str, Repository], now: datetime) -> None:
    open_rows = ManifestSighting.objects.filter(repository__registry=registry, ended_at=None)
    known = {
        (name, digest): (pk, untagged)
        for pk, name, digest, untagged in open_rows.values_list("pk", "repository__name", "digest", "untagged_since")
    }
    added, ended, tagged, untagged = [], [], [], []
    for name, seen in snapshot.repositories.items():
        with_tag = set(seen.tags.values())
        for digest in seen.revisions:
            before = known.pop((name, digest), None)
            bare = digest not in with_tag
            if before is None:
                since = now if bare else None
                added.append(
                    ManifestSighting(repository=rows[name], digest=digest, first_seen=now, untagged_since=since)
                )
            elif bare and before[1] is None:
                untagged.append(before[0])
            elif not bare and before[1] is not None:
                tagged.append(before[0])
    ended += [pk for (name, _), (pk, _) in known.items() if _listed(snapshot, name)]
    _end(ManifestSighting, ended, now)
    for pks, since in ((tagged, None), (untagged, now)):
        for start in range(0, len(pks), BATCH):
            ManifestSighting.objects.filter(pk__in=pks[start : start + BATCH]).update(untagged_since=since)
    ManifestSighting.objects.bulk_create(added, batch_size=BATCH)


def _listed(snapshot: Snapshot, name: str) -> bool:
    """Tell whether what is not in the snapshot of a repository is really not there."""
    seen = snapshot.repositories.get(name)
    return snapshot.store_blocked is None if seen is None else seen.complete


def _end(model: type[Model], pks: list[int], now: datetime) -> None:
    for start in range(0, len(pks), BATCH):
        model._default_manager.filter(pk__in=pks[start : start + BATCH]).update(ended_at=now)
