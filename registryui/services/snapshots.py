"""What the last scan of a registry found, as it is stored: one row for each repository, and one for all the rest.

A plan reads the rows that it is about, whatever the registry holds besides; a scan writes those that changed.
"""

import hashlib
import zlib
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
from django.db import transaction

from prune.graph.images import ImageGraph, image_graph
from prune.model.snapshot import Snapshot
from prune.plan.surroundings import Surroundings, head_of, part_of, rest_of, surroundings_of, together
from registryui.models import Registry, RegistrySnapshot, Scan, SnapshotPart

BATCH = 200


class Basis(NamedTuple):
    """Which stored snapshot something rests on, and which scan saw it last: the key of all that follows from it."""

    pk: int
    digest: str
    scan_id: int
    taken_at: datetime


class Part(NamedTuple):
    """Some repositories of a registry, and what a plan has to know of all others."""

    snapshot: Snapshot
    around: Surroundings
    basis: Basis


def basis_of(stored: RegistrySnapshot) -> Basis:
    """Return what rests on a stored snapshot rests on."""
    return Basis(stored.pk, stored.digest, stored.scan_id, stored.taken_at)


def basis(registry: Registry) -> Basis | None:
    """Return what plans rest on now; ``None`` before the first scan."""
    rows = RegistrySnapshot.objects.filter(registry=registry).only("pk", "digest", "scan_id", "taken_at")
    stored = rows.first()
    return basis_of(stored) if stored is not None else None


def keep(scan: Scan, snapshot: Snapshot, now: datetime) -> bool:
    """Store a snapshot as the newest of its registry; tell whether it differs from the one before. Call it in a
    transaction."""
    registry = scan.registry
    # A worker that was taken for dead may still come to its end: two that write parts at once would leave a mixture.
    # Not its key: events and approvals that refer to the registry need not wait until a large scan is written.
    Registry.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=registry.pk)
    body = msgspec.msgpack.encode(snapshot, order="deterministic")
    digest = hashlib.sha256(body).hexdigest()
    stored = RegistrySnapshot.objects.filter(registry=registry)
    if stored.values_list("digest", flat=True).first() == digest:
        stored.update(scan=scan, taken_at=now)
        return False
    defaults = {"scan": scan, "taken_at": now, "digest": digest}
    if snapshot.by_image:
        # Images that are based on each other are no repository's: there is one part, which is all.
        _keep_parts(registry, {})
        defaults |= {"body": zlib.compress(body, 1), "around": b"", "head": b""}
    else:
        parts = {name: part_of(snapshot, name) for name in snapshot.repositories}
        _keep_parts(registry, parts)
        defaults |= {
            "body": _packed(rest_of(snapshot, parts.values())),
            "around": _packed(surroundings_of(snapshot)),
            "head": _packed(head_of(snapshot)),
        }
    RegistrySnapshot.objects.update_or_create(registry=registry, defaults=defaults)
    return True


def _keep_parts(registry: Registry, parts: dict[str, Snapshot]) -> None:
    rows = SnapshotPart.objects.filter(registry=registry)
    stored = dict(rows.values_list("name", "digest"))
    batch: list[SnapshotPart] = []
    for name, part in parts.items():
        body = msgspec.msgpack.encode(part, order="deterministic")
        digest = hashlib.sha256(body).hexdigest()
        if stored.pop(name, None) != digest:
            batch.append(SnapshotPart(registry=registry, name=name, digest=digest, body=zlib.compress(body, 1)))
        if len(batch) == BATCH:
            _write(batch)
            batch = []
    _write(batch)
    gone = sorted(stored)
    for start in range(0, len(gone), BATCH):
        rows.filter(name__in=gone[start : start + BATCH]).delete()


def _write(batch: Iterable[SnapshotPart]) -> None:
    SnapshotPart.objects.bulk_create(
        batch, update_conflicts=True, unique_fields=["registry", "name"], update_fields=["digest", "body"]
    )


def some(registry: Registry, names: Collection[str]) -> Part | None:
    """Return these repositories, as far as they are there, of the newest snapshot; ``None`` when there is none, or it
    is not kept in parts."""
    for _ in range(5):
        with transaction.atomic():
            stored = RegistrySnapshot.objects.filter(registry=registry).defer("body", "around").first()
            if stored is None or not stored.head:
                return None
            rows = SnapshotPart.objects.filter(registry=registry, name__in=sorted(names))
            # Where a transaction sees what others finish meanwhile, a scan may have come in between.
            try:
                parts = [_part(pk, digest) for pk, digest in rows.values_list("pk", "digest")]
                around = _around(stored.pk, stored.digest)
            except (SnapshotPart.DoesNotExist, RegistrySnapshot.DoesNotExist):
                continue
            # Not only its digest: that may be the old one again after two scans.
            if RegistrySnapshot.objects.filter(pk=stored.pk, digest=stored.digest, scan=stored.scan_id).exists():
                return Part(together(_unpacked(stored.head), parts), around, basis_of(stored))
    return None


@lru_cache(maxsize=8)
def _part(pk: int, digest: str) -> Snapshot:
    return _unpacked(SnapshotPart.objects.values_list("body", flat=True).get(pk=pk, digest=digest))


@lru_cache(maxsize=8)
def _around(pk: int, digest: str) -> Surroundings:
    body = RegistrySnapshot.objects.values_list("around", flat=True).get(pk=pk, digest=digest)
    return msgspec.msgpack.decode(zlib.decompress(bytes(body)), type=Surroundings)


@lru_cache(maxsize=4)
def whole(pk: int, digest: str) -> Snapshot:
    """Put a stored snapshot together, once for each process; the digest in the key keeps it from growing old."""
    with transaction.atomic():
        stored = RegistrySnapshot.objects.get(pk=pk, digest=digest)
        rows = SnapshotPart.objects.filter(registry=stored.registry_id).values_list("body", flat=True)
        found = together(_unpacked(stored.body), map(_unpacked, rows.iterator(BATCH)))
        RegistrySnapshot.objects.only("pk").get(pk=pk, digest=digest)  # no scan came in between
    return found


@lru_cache(maxsize=4)
def graph(pk: int, digest: str) -> ImageGraph:
    """Return the image graph of a whole snapshot."""
    return image_graph(whole(pk, digest))


def _packed(value: Snapshot | Surroundings) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), 1)


def _unpacked(body: bytes | memoryview) -> Snapshot:
    return msgspec.msgpack.decode(zlib.decompress(bytes(body)), type=Snapshot)
