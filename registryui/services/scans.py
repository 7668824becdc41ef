"""Scans: asking for one, doing it, and keeping what it found."""

import logging

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from prune.graph.images import ImageGraph
from prune.model.errors import PruneError
from prune.model.snapshot import Snapshot
from prune.plan.summary import summarise
from registryui.models import Registry, RegistrySnapshot, Scan
from registryui.models.lease import UNFINISHED
from registryui.services import audit, leases, sightings, snapshots, space
from registryui.services.access import open_registry
from registryui.services.errors import NotNow
from registryui.services.leases import Lease, LeaseLost, held, patience
from registryui.services.registries import see_abilities

log = logging.getLogger(__name__)

#: Problems beyond this many are counted, not stored: a broken disk can have one for every file.
MOST_PROBLEMS = 2000


def request(actor: User | None, registry: Registry) -> Scan:
    """Queue a scan, or return the one that is under way already."""
    from registryui.tasks import scan as task

    try:
        with transaction.atomic():
            scan = Scan.objects.create(
                registry=registry, requested_by=actor.get_username() if actor else "", lease_until=patience()
            )
            if actor is not None:
                audit.record(actor, audit.Action.SCAN_REQUESTED, registry, registry=registry.slug)
            transaction.on_commit(lambda: task.enqueue(scan.pk))
    except IntegrityError:
        open_one = Scan.objects.filter(registry=registry, state__in=UNFINISHED).first()
        if open_one is None:
            return request(actor, registry)
        return open_one
    return scan


def call_off(actor: User, registry: Registry) -> None:
    """Stop the scan that is under way. Raises ``NotNow`` when there is none."""
    scan = Scan.objects.filter(registry=registry, state__in=UNFINISHED).first()
    with transaction.atomic():
        if scan is None or not leases.call_off(Scan, scan.pk):
            raise NotNow("No scan is under way.")
        audit.record(actor, audit.Action.SCAN_CALLED_OFF, registry, registry=registry.slug)


def perform(scan_id: int) -> None:
    """Do a queued scan, unless somebody else does it."""
    with held(Scan, scan_id) as lease:
        if lease is None:
            return
        scan = Scan.objects.select_related("registry").get(pk=scan_id)
        try:
            _read(scan, lease)
        except PruneError as error:
            _fail(lease, scan, str(error))
        except OSError as error:
            _fail(lease, scan, f"The registry could not be read: {error.strerror or error}.")
        except LeaseLost:
            log.info("Scan %s of %s was called off, or taken over.", scan.pk, scan.registry.slug)


def _read(scan: Scan, lease: Lease) -> None:
    registry = scan.registry
    source = open_registry(registry)
    snapshot = source.scan(lease.report, known=latest_snapshot(registry))
    lease.check()
    keep(scan, snapshot, lease)
    see_abilities(registry, source)


def _fail(lease: Lease, scan: Scan, message: str) -> None:
    log.warning("Scan %s of %s failed: %s", scan.pk, scan.registry.slug, message)
    lease.mine().update(state=Scan.State.FAILED, message=message, finished_at=timezone.now())


def keep(scan: Scan, snapshot: Snapshot, lease: Lease | None = None) -> None:
    """Store what a scan found. One that found nothing new writes a handful of rows.

    Raises ``LeaseLost``, and stores nothing, when the scan is not ours any more under ``lease``: who takes over may
    have stored a newer one by now.
    """
    registry = scan.registry
    now = timezone.now()
    summary = summarise(snapshot)
    with transaction.atomic():
        changed = snapshots.keep(scan, snapshot, now)
        if changed:
            sightings.keep(registry, snapshot, now)
        counts = msgspec.to_builtins(summary)
        problems = [
            {"where": p.where, "what": p.what, "effect": p.effect, "blocks": p.blocks, "repository": p.repository}
            for p in snapshot.problems[:MOST_PROBLEMS]
        ]
        counts["problems"] = len(snapshot.problems)
        row = Scan.objects.filter(pk=scan.pk) if lease is None else lease.mine()
        # One UPDATE with its condition, and all that was written before hangs on it.
        if not row.update(
            state=Scan.State.COMPLETE if snapshot.complete else Scan.State.INCOMPLETE,
            finished_at=now,
            summary=counts,
            problems=problems,
        ):
            raise LeaseLost
        Registry.objects.filter(pk=registry.pk).update(last_scan=scan, kind=snapshot.kind)
    space.keep(scan, snapshot, now, changed=changed)


def latest_snapshot(registry: Registry) -> Snapshot | None:
    """Return what the last scan of ``registry`` found, all of it; ``None`` before the first."""
    found = latest(registry)
    return found[0] if found is not None else None


def latest(registry: Registry) -> tuple[Snapshot, RegistrySnapshot] | None:
    """Return what the last scan found, and the row of that very snapshot; ``None`` before the first."""
    for attempt in range(5):
        stored = RegistrySnapshot.objects.filter(registry=registry).defer("body", "head", "around").first()
        if stored is None:
            return None
        try:
            return snapshots.whole(stored.pk, stored.digest), stored
        except RegistrySnapshot.DoesNotExist:
            # A scan has replaced it in between; the next one is as good.
            if attempt == 4:
                raise
    return None


def latest_graph(registry: Registry) -> ImageGraph | None:
    """Return the image graph of what the last scan found; ``None`` before the first."""
    stored = RegistrySnapshot.objects.filter(registry=registry).only("pk", "digest").first()
    return snapshots.graph(stored.pk, stored.digest) if stored else None
