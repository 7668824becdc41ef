"""Letting a registry tell us of pushes and pulls, and seeing that it still does."""

import logging
import secrets
import time
from datetime import timedelta
from functools import partial

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from prune.model.errors import PruneError, UsageError
from prune.policy.patterns import compile_pattern
from prune.sources.registry_v2.notifications import OUR_AGENT
from prune.sources.registry_v2.source import RegistryV2
from prune.sources.registry_v2.writing import points_at
from registryui.models import Listening, Registry, TagSighting
from registryui.services import audit, events
from registryui.services.access import open_registry
from registryui.services.errors import NotNow

log = logging.getLogger(__name__)

#: How long a registry may say nothing before it is asked for something, to hear whether it tells us.
BEAT = timedelta(hours=1)
#: How long ago a registry that cannot be asked must have told of a pull that had only just happened.
LATELY = timedelta(hours=2)
#: Seconds that a registry has to tell of a request of ours, and after how many it is asked once more.
PATIENCE = 20.0
AGAIN = 3.0
#: Seconds between two looks at what has become old.
TIDY = 3600.0

_tidied = 0.0


def of(registry: Registry) -> Listening | None:
    """Return how a registry is listened to, ``None`` when it is not."""
    return Listening.objects.filter(registry=registry).first()


def begin(actor: User, registry: Registry) -> tuple[Listening, str]:
    """Make a token for a registry, in place of any that it had; return it as well: it can never be read again.

    What is known counts from the first event that comes with it.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        row, _ = Listening.objects.update_or_create(
            registry=registry,
            defaults={"token_hash": events.hash_of(token), "since": None, "because": "", "last_at": None},
        )
        audit.record(actor, audit.Action.EVENTS_TOKEN, registry, registry=registry.slug)
    return row, token


def stop(actor: User, registry: Registry) -> None:
    """Listen no longer. What was told stays known; who pulls from now on is not."""
    with transaction.atomic():
        if Listening.objects.filter(registry=registry).delete()[0]:
            audit.record(actor, audit.Action.EVENTS_STOPPED, registry, registry=registry.slug)


def anew(actor: User, registry: Registry) -> None:
    """Rely on nothing that was told until now: a person knows that something was missed."""
    with transaction.atomic():
        events.doubt(registry, gettext_noop("Somebody said so."))
        audit.record(actor, audit.Action.EVENTS_ANEW, registry, registry=registry.slug)


def started() -> None:
    """Take note that the dashboard was away until now: what registries told in time before proves nothing of what
    they had to keep meanwhile."""
    Listening.objects.exclude(prompt_at=None).update(prompt_at=None)


def change(actor: User, row: Listening) -> None:
    """Save what a form has changed."""
    fields = ("ignored_agents", "quiet_hours", "restart_is_gap")
    with transaction.atomic():
        old = Listening.objects.select_for_update().get(pk=row.pk)
        changed = {key: [getattr(old, key), getattr(row, key)] for key in fields}
        changed = {key: pair for key, pair in changed.items() if pair[0] != pair[1]}
        if changed:
            row.save(update_fields=fields)
            registry = row.registry
            audit.record(actor, audit.Action.EVENTS_CHANGED, registry, registry=registry.slug, changed=changed)


def checked_agents(text: str) -> str:
    """Return patterns for user agents, one a line; raise ``NotNow`` with what is wrong with one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    try:
        for line in lines:
            if compile_pattern(line).fullmatch(""):
                raise NotNow(gettext_noop("%(pattern)s matches everything or nothing; name scanners."), pattern=line)
    except UsageError as error:
        raise NotNow(str(error)) from None
    return "\n".join(lines)


def confirm(registry: Registry, patience: float = PATIENCE) -> bool:
    """Tell whether a registry tells us of pulls at this moment: ask its API for a manifest, and wait to hear of it.

    Whatever it told before has arrived by then, for it tells one thing after the other. The request carries a word of
    its own: an echo of an earlier one says nothing of all that may wait behind it. A registry that is read from its
    storage cannot be asked: it is believed when it told lately of a pull that had only just happened.
    """
    row = of(registry)
    if row is None or row.since is None:
        return False
    if registry.kind != "registry-v2":
        # The clock may have been wrong for a while, in either direction.
        return row.prompt_at is not None and abs(timezone.now() - row.prompt_at) < LATELY
    word = secrets.token_hex(16)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not _touch(registry, word):
            return False
        again = min(time.monotonic() + AGAIN, deadline)
        while time.monotonic() < again:
            row = of(registry)
            if row is None or row.since is None:
                return False
            if events.is_echoed(registry.pk, word):
                return True
            time.sleep(0.1)
    return False


def _touch(registry: Registry, word: str = "") -> bool:
    """Ask for a manifest that the last scan found; tell whether there was one. ``word`` goes along."""
    tags = TagSighting.objects.filter(repository__registry=registry, ended_at=None)
    found = tags.order_by("-pk").values_list("repository__name", "tag").first()
    try:
        source = open_registry(registry)
        if found is None or not isinstance(source, RegistryV2):
            return False
        if word:
            source.options = msgspec.structs.replace(source.options, agent=f"{OUR_AGENT}/{word}")
        return bool(source.run(lambda client: points_at(client, *found)))
    except PruneError as error:
        log.warning("%s could not be asked for a manifest: %s", registry, error)
        return False


def look() -> int:
    """Put registries into the queue that were not heard of for a while, and could be by asking; return how many."""
    global _tidied
    from registryui.tasks import touch

    if time.monotonic() > _tidied + TIDY or not _tidied:
        _tidied = time.monotonic()
        events.tidy()
    now = timezone.now()
    due = Q(last_at__lt=now - BEAT) & (Q(asked_at=None) | Q(asked_at__lt=now - BEAT / 2))
    found = 0
    rows = Listening.objects.filter(due, registry__kind="registry-v2")
    for pk, registry in rows.values_list("pk", "registry"):
        with transaction.atomic():
            # One UPDATE with its condition: of two workers that look at once, one asks.
            mine = Listening.objects.filter(due, pk=pk).update(asked_at=now)
            if mine:
                transaction.on_commit(partial(touch.enqueue, registry))
            found += mine
    return found


def touch(pk: int) -> None:
    """Ask one registry for a manifest; it tells us of that by itself."""
    registry = Registry.objects.filter(pk=pk).first()
    if registry is not None:
        _touch(registry)
