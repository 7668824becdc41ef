"""Asking engines and clusters what they run, on a schedule. What could not be asked is taken as in use."""

import logging
import ssl
import time
from datetime import timedelta
from functools import partial

import msgspec
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from prune.model.duration import parse_duration
from prune.model.errors import PruneError, SourceError
from prune.model.in_use import InUseReport
from prune.policy.schema import Guards
from prune.sources.in_use.base import InUseSource
from prune.sources.in_use.open import open_in_use
from registryui.models import InUsePlace, Registry
from registryui.secrets import decrypt, encrypt
from registryui.services import audit
from registryui.services.access import ca_file_of
from registryui.services.errors import NotNow

log = logging.getLogger(__name__)

#: Seconds for which an engine or cluster is waited for, each time something is asked of it.
PATIENCE = 20.0

#: Seconds after which nobody relies on what a place said, unless a policy says otherwise.
STALE = parse_duration(Guards().max_in_use_age or "1h")


def keep_places(registry: Registry) -> None:
    """Let there be one row for each place that a registry names, and no other."""
    places = registry.in_use_places.split()
    InUsePlace.objects.filter(registry=registry).exclude(place__in=places).delete()
    rows = [InUsePlace(registry=registry, place=place[:300]) for place in places]
    InUsePlace.objects.bulk_create(rows, ignore_conflicts=True)


def places_of(registry: Registry) -> list[InUsePlace]:
    """Return who is asked what runs from a registry; each says with ``stale`` whether that was too long ago for the
    policies that do not say otherwise."""
    limit = timezone.now() - timedelta(seconds=STALE)
    rows = list(InUsePlace.objects.filter(registry=registry).defer("report"))
    for row in rows:
        row.stale = row.at is not None and row.at < limit
    return rows


def ask(registry: Registry) -> None:
    """Ask every place of a registry now."""
    for place in InUsePlace.objects.filter(registry=registry):
        ask_place(place)


def ask_place(place: InUsePlace) -> InUseReport:
    """Ask one place, and keep what it says; that it could not be asked is kept as well."""
    now = int(time.time())
    try:
        report = _open(place).read(now)
    except PruneError as error:
        report = InUseReport(place.place, now, complete=False, problem=str(error))
    moment = timezone.now()
    InUsePlace.objects.filter(pk=place.pk).update(
        asked_at=moment,
        at=moment,
        complete=report.complete,
        problem=report.problem,
        images=len({*report.digests, *report.references}),
        report=msgspec.json.encode(report),
    )
    if not report.complete:
        log.warning("What %s has in use is not known: %s", place.place, report.problem)
    return report


def _open(place: InUsePlace) -> InUseSource:
    """Open a place. What the worker's environment has for clusters goes to no address that somebody has entered."""
    try:
        token = decrypt(place.token) if place.takes_token else None
    except ValueError as error:
        raise SourceError(str(error)) from None
    return open_in_use(place.place, timeout=PATIENCE, token=token, ca_file=ca_file_of(place.ca_certificate))


def let_in(actor: User, place: InUsePlace, token: str, certificate: str) -> None:
    """Keep the token of a cluster, encrypted, and the certificate of its CA; an empty token keeps the one that is
    there. Raises ``NotNow`` when the certificate is none."""
    if not place.takes_token:
        raise NotNow(gettext_noop("Only a cluster at an address takes a token."))
    if certificate.strip():
        try:
            ssl.create_default_context(cadata=certificate)
        except (ssl.SSLError, ValueError):
            raise NotNow(gettext_noop("This is no certificate in PEM.")) from None
    with transaction.atomic():
        if token.strip():
            place.token = encrypt(token.strip())
        place.ca_certificate, place.asked_at = certificate.strip(), None
        place.save(update_fields=["token", "ca_certificate", "asked_at"])
        registry = place.registry
        audit.record(
            actor, audit.Action.REGISTRY_CHANGED, registry, registry=registry.slug, changed={place.place: "token"}
        )


def look() -> int:
    """Put places into the queue that were not asked for a while; return how many."""
    from registryui.tasks import ask_in_use

    now = timezone.now()
    due = Q(asked_at=None) | Q(asked_at__lt=now - timedelta(seconds=settings.IN_USE_SECONDS))
    found = 0
    for pk in InUsePlace.objects.filter(due).values_list("pk", flat=True):
        with transaction.atomic():
            # One UPDATE with its condition: of two workers that look at once, one asks.
            mine = InUsePlace.objects.filter(due, pk=pk).update(asked_at=now)
            if mine:
                transaction.on_commit(partial(ask_in_use.enqueue, pk))
            found += mine
    return found
