"""What policies know of pushes and pulls from notifications."""

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.utils import timezone

from prune.policy.facts import Times
from prune.policy.rules import ignoring
from registryui.models import Listening, Pull, Push, Registry
from registryui.services import events

#: Seconds for which a preview does not ask again.
PATIENCE = 60


class Heard(NamedTuple):
    """``at`` is when it was asked for; ``since`` from when on every pull is known, ``None`` when nothing is;
    ``newest`` the time of the latest push or pull (seconds, UTC). ``tags`` are by repository, tag and the digest that
    was pushed by it."""

    at: datetime
    since: int | None
    newest: int
    tags: dict[str, dict[tuple[str, str], Times]]
    manifests: dict[str, dict[str, Times]]


def of_registry(registry: Registry, now: datetime | None = None) -> Heard:
    """Return what a registry has told until now."""
    now = now or timezone.now()
    row = Listening.objects.filter(registry=registry).first()
    since = events.since(row, now) if row is not None else None
    ignored = ignoring(tuple(row.ignored_agents.split("\n")) if row is not None and row.ignored_agents else ())
    pulls: dict[tuple[str, str], dict[str, int]] = {}
    newest, latest = 0, int(now.timestamp())

    def seconds(at: datetime) -> int:
        """What seems to lie ahead, for a clock was wrong, was now: at no time may it make other images look old."""
        return min(int(at.timestamp()), latest)

    told = Pull.objects.filter(registry=registry).values_list("repository", "digest", "agent", "at")
    for repository, digest, agent, at in told.iterator():
        if not ignored(agent):
            time = seconds(at)
            pulls.setdefault((repository, digest), {})[agent] = time
            newest = max(newest, time)
    pushes: dict[tuple[str, str], int] = {}
    tags: dict[str, dict[tuple[str, str], Times]] = {}
    pushed = Push.objects.filter(registry=registry).values_list("repository", "digest", "tag", "at")
    for repository, digest, tag, at in pushed.iterator():
        time = seconds(at)
        newest = max(newest, time)
        pushes[repository, digest] = max(time, pushes.get((repository, digest), time))
        if tag:
            tags.setdefault(repository, {})[tag, digest] = Times(pushed=time)
    manifests: dict[str, dict[str, Times]] = {}
    for repository, digest in {**pulls, **pushes}:
        key = repository, digest
        manifests.setdefault(repository, {})[digest] = Times(pushed=pushes.get(key), pulls=pulls.get(key, {}))
    return Heard(now, int(since.timestamp()) if since is not None else None, newest, tags, manifests)


def lately(registry: Registry) -> Heard:
    """Return what a registry has told until at most a minute ago."""
    return _lately(registry.pk, int(timezone.now().timestamp()) // PATIENCE)


@lru_cache(maxsize=8)
def _lately(pk: int, minute: int) -> Heard:
    return of_registry(Registry(pk=pk))
