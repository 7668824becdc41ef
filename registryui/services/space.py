"""Where the bytes are: kept with every scan, read by the pages."""

from datetime import datetime, timedelta

import msgspec
from django.utils import timezone

from prune.model.snapshot import Snapshot
from prune.plan.space import space
from registryui.models import Registry, Repository, Scan, SpacePicture

#: What is fresh becomes garbage with time alone: so an unchanged registry is looked at again after this.
STALE_AFTER = timedelta(hours=1)


def keep(scan: Scan, snapshot: Snapshot, now: datetime, *, changed: bool) -> None:
    """Store the figures of a scan. One that found nothing new takes those of the last."""
    registry = scan.registry
    picture = SpacePicture.objects.filter(registry=registry).first()
    if picture is None or changed or picture.made_at < now - STALE_AFTER:
        picture = _make(registry, snapshot, now, picture or SpacePicture(registry=registry))
    Scan.objects.filter(pk=scan.pk).update(bytes_total=picture.total, bytes_reclaimable=picture.reclaimable)


def _make(registry: Registry, snapshot: Snapshot, now: datetime, picture: SpacePicture) -> SpacePicture:
    found = space(
        snapshot,
        now=int(now.timestamp()),
        grace=3600 * registry.grace_hours,
        sweeps=snapshot.kind not in ("registry-v2", "registry-v1"),
    )
    picture.made_at = now
    picture.total, picture.shared, picture.unreferenced = found.total, found.shared, found.unreferenced
    picture.reclaimable, picture.garbage_items = found.reclaimable, found.garbage_items
    picture.garbage = msgspec.to_builtins(found.garbage)
    picture.save()
    reclaimable = {one.name[:255]: one.reclaimable for one in found.repositories}
    changed = []
    for row in Repository.objects.filter(registry=registry).only("pk", "name", "bytes_reclaimable"):
        size = reclaimable.get(row.name, 0)
        if row.bytes_reclaimable != size:
            row.bytes_reclaimable = size
            changed.append(row)
    Repository.objects.bulk_update(changed, ["bytes_reclaimable"], batch_size=200)
    return picture


class Point(msgspec.Struct, frozen=True):
    """One scan: when, the bytes that were stored, and those that could be had back (``None`` where unknown)."""

    at: datetime
    total: int
    reclaimable: int | None


def trend(registry: Registry, most: int = 200) -> list[Point]:
    """Return the scans of a registry, oldest first, thinned out to ``most``; the newest is always among them."""
    rows = Scan.objects.filter(registry=registry, bytes_total__isnull=False, finished_at__isnull=False)
    values = list(rows.order_by("-finished_at").values_list("finished_at", "bytes_total", "bytes_reclaimable")[:5000])
    step = max(1, -(-len(values) // most))
    points = []
    for at, total, reclaimable in values[::step]:
        if at is not None and total is not None:
            points.append(Point(timezone.localtime(at), total, reclaimable))
    return points[::-1]
