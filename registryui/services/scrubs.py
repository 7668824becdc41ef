"""Scrubs: asking for one, doing it, and keeping what it found."""

import logging
import time
from collections import Counter
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from prune.model.errors import PruneError
from prune.plan.faults import DAMAGE
from prune.plan.verification import DEPTHS, Depth
from prune.scrub.report import Scrubbed
from prune.scrub.scrub import scrub
from registryui.models import Registry, Scrub
from registryui.models.lease import UNFINISHED
from registryui.services import audit, leases
from registryui.services.access import open_registry
from registryui.services.errors import NotNow
from registryui.services.leases import Lease, LeaseLost, held, patience

log = logging.getLogger(__name__)

#: Faults beyond this many are counted, not stored, and so are images beyond so many of one fault.
MOST_FAULTS, MOST_IMAGES = 2000, 20

#: In the order in which people want to see them.
_WEIGHT = {kind: number for number, kind in enumerate([*sorted(DAMAGE), "unreadable", "orphaned-upload"])}


def request(actor: User, registry: Registry, depth: str) -> Scrub:
    """Queue a scrub. Raises ``NotNow`` when the registry cannot be scrubbed, or is being scrubbed."""
    from registryui.tasks import scrub as task

    if not registry.can_be_scrubbed:
        raise NotNow("A registry of this kind looks after its own content; there is nothing to scrub.")
    if depth not in DEPTHS:
        raise NotNow("Say how closely to look: at everything, at a sample, or at names and sizes only.")
    try:
        with transaction.atomic():
            row = Scrub.objects.create(registry=registry, depth=depth, requested_by=actor, lease_until=patience())
            audit.record(actor, audit.Action.SCRUB_REQUESTED, registry, registry=registry.slug, depth=depth)
            transaction.on_commit(lambda: task.enqueue(row.pk))
    except IntegrityError:
        raise NotNow("This registry is being scrubbed already.") from None
    return row


def call_off(actor: User, registry: Registry) -> None:
    """Stop the scrub that is under way. Raises ``NotNow`` when there is none."""
    row = Scrub.objects.filter(registry=registry, state__in=UNFINISHED).first()
    with transaction.atomic():
        if row is None or not leases.call_off(Scrub, row.pk):
            raise NotNow("No scrub is under way.")
        audit.record(actor, audit.Action.SCRUB_CALLED_OFF, registry, registry=registry.slug)


def perform(scrub_id: int) -> None:
    """Do a queued scrub, unless somebody else does it. It writes nothing, so one that was interrupted begins anew."""
    with held(Scrub, scrub_id) as lease:
        if lease is None:
            return
        row = Scrub.objects.select_related("registry").get(pk=scrub_id)
        try:
            found = _look(row, lease)
            lease.check()
        except LeaseLost:
            log.info("%s was called off, or taken over.", row)
            return
        except PruneError as error:
            row.state, row.message = Scrub.State.FAILED, str(error)
        except OSError as error:
            row.state = Scrub.State.FAILED
            row.message = f"The registry could not be read: {error.strerror or error}."
        else:
            _keep(row, found)
        row.finished_at = timezone.now()
        with transaction.atomic():
            row.save(update_fields=["state", "verdict", "result", "faults", "message", "finished_at"])
            counts: dict[str, Any] = (row.result or {}).get("counts", {})
            audit.record(
                None,
                audit.Action.SCRUB_FINISHED,
                row.registry,
                registry=row.registry.slug,
                reason=row.message,
                state=row.state,
                verdict=row.verdict,
                faults=counts,
            )
    if row.verdict == Scrub.Verdict.BAD or row.state == Scrub.State.FAILED:
        log.warning("%s: %s", row, row.message or f"{row.faults} faults")


def _look(row: Scrub, lease: Lease) -> Scrubbed:
    depth: Depth = row.depth if row.depth in DEPTHS else "full"
    grace = 3600 * row.registry.grace_hours
    source = open_registry(row.registry)
    return scrub(source, now=int(time.time()), depth=depth, grace=grace, report=lease.report)


def _keep(row: Scrub, found: Scrubbed) -> None:
    faults = sorted(found.faults, key=lambda fault: (_WEIGHT[fault.kind], fault.item))
    row.state, row.verdict, row.faults = Scrub.State.DONE, found.state, len(faults)
    row.result = msgspec.to_builtins(msgspec.structs.replace(found, faults=()))
    row.result["counts"] = dict(Counter(fault.kind for fault in faults))
    row.result["faults"] = [
        {
            "kind": fault.kind,
            "item": fault.item,
            "what": fault.what,
            "images": list(fault.images[:MOST_IMAGES]),
            "more": max(0, len(fault.images) - MOST_IMAGES),
        }
        for fault in faults[:MOST_FAULTS]
    ]
