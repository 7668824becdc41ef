"""What registries tell by their notifications: taking it in, and what policies may rely on of it.

A pull counts from when we were told of it, by our own clock: so neither the registry's clock nor a notification that
was late makes an image look older than it is. What may have been missed is a gap, and policies take every image as
pulled in it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from prune.sources.registry_v2.notifications import Event
from registryui.models import HeardEvent, Listening, Pull, Push, Registry

#: Where events of a registry without a token come from: nowhere.
NOBODY = hashlib.sha256(secrets.token_bytes()).hexdigest()

#: How long events that come again are known.
REMEMBERED = timedelta(hours=1)
#: How long pulls and pushes are kept; nothing is said of the time before.
KEPT = timedelta(days=1100)
#: Pulls of a manifest by more user agents than this are those of one that has no name.
MOST_AGENTS = 20
#: Processes of a registry that are remembered.
MOST_INSTANCES = 50
#: What is told no later than this was waiting for nobody: all that happened before has been told.
PROMPT = timedelta(minutes=10)
#: How exactly it is known when the last event came that tells nothing else.
ROUNDED = timedelta(seconds=1)


def hash_of(token: str) -> str:
    """Return what is stored of a token. Tokens are random and long: nothing slower is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def listening(slug: str, authorization: str) -> Listening | None:
    """Return who is meant by a request with this header, ``None`` unless it has the registry's token."""
    row = Listening.objects.filter(registry__slug=slug).first()
    scheme, _, token = authorization.partition(" ")
    right = hmac.compare_digest(hash_of(token.strip()), row.token_hash if row is not None else NOBODY)
    return row if right and scheme.lower() == "bearer" else None


def doubt(registry: Registry, because: str) -> None:
    """Take note that something may have been missed: nobody knows what was pulled before the next event."""
    Listening.objects.filter(registry=registry).exclude(since=None, because=because[:300]).update(
        since=None, because=because[:300]
    )


def keep(row: Listening, events: Iterable[Event]) -> int:
    """Take note of events, of each once; return how many were new pushes and pulls."""
    events = list(events)
    about = {_key(event): event for event in events if event.action and not event.ours}
    pulls = any(event.action == "pull" for event in events)
    echoes = {event.echo for event in events if event.action == "pull"} - {""}
    instances = {event.instance for event in events}
    if not about and not echoes and _is_nothing_new(row, instances, pulls=pulls):
        return 0
    with transaction.atomic():
        # Of two envelopes that come at once, the second must see what the first has changed.
        locked = Listening.objects.select_for_update().get(pk=row.pk)
        now = timezone.now()
        _listen(locked, instances, now, pulls=pulls)
        if any(_is_late(event, now) for event in events if event.action):
            # It was waiting, and others may be waiting behind it, whatever came in time before.
            locked.prompt_at = None
        elif pulls:
            locked.prompt_at = now
        if any(event.ours for event in events):
            locked.echo_at = now
        locked.save(update_fields=["since", "because", "last_at", "prompt_at", "echo_at", "instances"])
        known = HeardEvent.objects.filter(registry=locked.registry_id, event__in=about)
        for one in known.values_list("event", flat=True):
            del about[one]
        HeardEvent.objects.bulk_create(
            [HeardEvent(registry_id=locked.registry_id, event=one, at=now) for one in about]
        )
        HeardEvent.objects.bulk_create(
            [HeardEvent(registry_id=locked.registry_id, event=_echo(one), at=now) for one in echoes],
            ignore_conflicts=True,
        )
        _keep_pulls(locked.registry_id, [event for event in about.values() if event.action == "pull"], now)
        _keep_pushes(locked.registry_id, [event for event in about.values() if event.action == "push"], now)
    return len(about)


def is_echoed(registry: int, word: str) -> bool:
    """Tell whether a registry told of the request of ours that carried ``word``."""
    return HeardEvent.objects.filter(registry=registry, event=_echo(word)).exists()


def _echo(word: str) -> str:
    return f"echo {word}"[:100]


def _is_late(event: Event, now: datetime) -> bool:
    return abs(now.timestamp() - event.at) >= PROMPT.total_seconds()


def _key(event: Event) -> str:
    """Return by what an event is known again. Its id alone is not enough: who writes events may not make them unique,
    and a pull that is taken for another is one that nobody knows of."""
    whole = (event.id, event.action, event.repository, event.digest, event.tag, event.agent, event.instance)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def _is_nothing_new(row: Listening, instances: set[str], *, pulls: bool) -> bool:
    """Tell whether a moment ago the same was heard: a scan of ours is told of with thousands of events."""
    if not instances <= {*row.instances} - {""}:
        return False
    return not pulls or (
        row.since is not None
        and row.echo_at is not None
        and row.last_at is not None
        and min(row.echo_at, row.last_at) > timezone.now() - ROUNDED
    )


def _listen(row: Listening, instances: set[str], now: datetime, *, pulls: bool) -> None:
    """Note that something was heard, and whether something may have been missed before. Only pulls prove that pulls
    are told: a registry may be configured to tell of pushes alone."""
    new = sorted(instances - {*row.instances, ""})
    quiet = timedelta(hours=row.quiet_hours)
    if row.since is None or row.last_at is None:
        row.since = now if pulls else None
    elif abs(now - row.last_at) > quiet:
        row.since, row.because = now, f"No pull was told for more than {row.quiet_hours} hours before."
    elif row.restart_is_gap and new and row.instances:
        row.since, row.because = now, "The registry was restarted, or another process of it began to serve."
    elif row.restart_is_gap and "" in instances:
        row.since, row.because = now, "The registry does not say which process of it tells, so restarts are not seen."
    row.instances = [*row.instances, *new][-MOST_INSTANCES:]
    if pulls:
        row.last_at = now


def _keep_pulls(registry: int, events: list[Event], now: datetime) -> None:
    if not events:
        return
    agents: dict[tuple[str, str], set[str]] = {}
    known = Pull.objects.filter(registry=registry, digest__in={event.digest for event in events})
    for repository, digest, agent in known.values_list("repository", "digest", "agent"):
        agents.setdefault((repository, digest), set()).add(agent)
    rows = {}
    for event in events:
        of_image = agents.setdefault((event.repository, event.digest), set())
        agent = event.agent if event.agent in of_image or len(of_image) < MOST_AGENTS else ""
        of_image.add(agent)
        rows[event.repository, event.digest, agent] = Pull(
            registry_id=registry,
            repository=event.repository,
            digest=event.digest,
            agent=agent,
            tag=event.tag,
            at=now,
        )
    Pull.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["registry", "repository", "digest", "agent"],
        update_fields=["tag", "at"],
    )


def _keep_pushes(registry: int, events: list[Event], now: datetime) -> None:
    rows = {
        (event.repository, event.digest, event.tag): Push(
            registry_id=registry, repository=event.repository, digest=event.digest, tag=event.tag, at=now
        )
        for event in events
    }
    Push.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["registry", "repository", "digest", "tag"],
        update_fields=["at"],
    )


def tidy(now: datetime | None = None) -> None:
    """Forget what is too old to matter."""
    now = now or timezone.now()
    HeardEvent.objects.filter(at__lt=now - REMEMBERED).delete()
    for model in (Pull, Push):
        model._default_manager.filter(at__lt=now - KEPT).delete()


def since(row: Listening, now: datetime) -> datetime | None:
    """Return from when on every pull until ``now`` is known, ``None`` when nothing is."""
    # The clock may have been wrong for a while, in either direction.
    if row.since is None or row.last_at is None or abs(now - row.last_at) > timedelta(hours=row.quiet_hours):
        return None
    return max(row.since, now - KEPT)
