"""What policies judge: the last scan of a registry, with the times that the dashboard has noticed."""

import time
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from prune.model.in_use import InUseReport
from prune.model.snapshot import Snapshot
from prune.policy.facts import Facts, Times
from prune.policy.inventory import Inventory
from registryui.models import InUsePlace, ManifestSighting, Registry, RegistrySnapshot, TagSighting
from registryui.services import heard, snapshots
from registryui.services.heard import Heard

_read_report = msgspec.json.Decoder(InUseReport).decode

#: Seconds by which the clocks of two machines may differ without anybody being wrong.
SKEW = 60


class Known(NamedTuple):
    """``key`` is another one whenever anything that policies judge by is; ``newest`` is the time of the latest of it
    (seconds, UTC): nothing can be judged at a time before that."""

    inventory: Inventory
    scan_id: int
    taken_at: datetime
    newest: int
    key: tuple[object, ...]


def of_registry(registry: Registry, told: Heard | None = None) -> Known | None:
    """Return what is known of a registry; ``None`` before its first scan. ``told`` is what its notifications told,
    if that is not to be as of a minute ago."""
    stored = RegistrySnapshot.objects.filter(registry=registry).only("pk", "digest", "scan_id", "taken_at").first()
    if stored is None:
        return None
    reports = in_use(registry)
    told = heard.lately(registry) if told is None else told
    scanned_at = int(stored.taken_at.timestamp())
    inventory = _noticing(_Stored(stored.pk, stored.digest, registry.moved_at, told))
    since = told.since if _can_be_of(inventory.snapshot, told) else None
    facts = Facts(scanned_at=scanned_at, pulls_since=since, in_use=reports)
    return Known(
        inventory.renewed(facts),
        stored.scan_id,
        stored.taken_at,
        max([scanned_at, told.newest, *(report.at for report in reports)]),
        (
            (stored.pk, stored.digest, scanned_at),
            tuple((one.source, one.at, one.complete) for one in reports),
            (told.since, told.at),
        ),
    )


def moment(known: Known, now: int | None = None) -> int:
    """Return the time to judge ``known`` at: ``now``, by this machine's clock. Where another one is ahead by a
    little, it is a little later; where it is ahead by more, what it told is in the future, and not believed."""
    clock = int(time.time())
    return max(clock if now is None else now, min(known.newest, clock + SKEW))


def in_use(registry: Registry) -> tuple[InUseReport, ...]:
    """Return what each place said last; one that was never asked has said nothing, which is incomplete."""
    return tuple(
        _read_report(bytes(row.report))
        if row.report is not None
        else InUseReport(row.place, 0, complete=False, problem="it was not asked yet")
        for row in InUsePlace.objects.filter(registry=registry)
    )


class _Stored:
    """A snapshot and what was told besides, as a key."""

    def __init__(self, pk: int, digest: str, moved_at: datetime | None, told: Heard) -> None:
        self.pk, self.digest, self.moved_at, self.told = pk, digest, moved_at, told
        self.key = (pk, digest, moved_at, told.at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stored) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=3)
def _noticing(stored: _Stored) -> Inventory:
    """Add to an inventory what was told of pushes and pulls since."""
    inventory, told = _inventory(stored.pk, stored.digest, stored.moved_at), stored.told
    tags: dict[str, dict[str, Times]] = {}
    for name, pushes in told.tags.items():
        repository = inventory.snapshot.repositories.get(name)
        if repository is not None:
            tags[name] = {tag: times for (tag, digest), times in pushes.items() if repository.tags.get(tag) == digest}
    return inventory.renewed(Facts(tags=tags, manifests=_by_repository(inventory.snapshot, told)))


def _can_be_of(snapshot: Snapshot, told: Heard) -> bool:
    """Tell whether what was told can be of this registry, and not of another that has its token."""
    if snapshot.by_image:
        return False
    digests = {digest for found in told.manifests.values() for digest in found}
    return not digests or not digests.isdisjoint(snapshot.manifests)


def _by_repository(snapshot: Snapshot, told: Heard) -> dict[str, dict[str, Times]]:
    """Return what was told of manifests. A registry behind a proxy may call its repositories by other names than we
    do: what was pulled from one that we do not know counts for each that has the same manifest."""
    elsewhere: dict[str, dict[str, int]] = {}
    for name, found in told.manifests.items():
        if name not in snapshot.repositories:
            for digest, times in found.items():
                for agent, time in times.pulls.items():
                    known = elsewhere.setdefault(digest, {})
                    known[agent] = max(time, known.get(agent, time))
    if not elsewhere:
        return told.manifests
    manifests = dict(told.manifests)
    for name, repository in snapshot.repositories.items():
        for digest in elsewhere.keys() & {*repository.revisions, *repository.tags.values()}:
            here = manifests[name] = dict(manifests.get(name, {}))
            times = here.get(digest, Times())
            pulls = dict(times.pulls)
            for agent, time in elsewhere[digest].items():
                pulls[agent] = max(time, pulls.get(agent, time))
            here[digest] = msgspec.structs.replace(times, pulls=pulls)
    return manifests


def _since(moment: datetime, moved_at: datetime | None) -> int:
    return int((moment if moved_at is None else max(moment, moved_at)).timestamp())


@lru_cache(maxsize=3)
def _inventory(pk: int, digest: str, moved_at: datetime | None) -> Inventory:
    """Sightings change only when the snapshot does, so its digest stands for them as well. What was seen at another
    address, before ``moved_at``, says nothing about how long something has been here."""
    stored = RegistrySnapshot.objects.only("registry_id").get(pk=pk)
    snapshot = snapshots.whole(pk, digest)
    tags: dict[str, dict[str, Times]] = {}
    rows = TagSighting.objects.filter(repository__registry=stored.registry_id, ended_at=None)
    for name, tag, seen_digest, first in rows.values_list(
        "repository__name", "tag", "digest", "first_seen"
    ).iterator():
        seen = snapshot.repositories.get(name)
        if seen is not None and seen.tags.get(tag) == seen_digest:
            tags.setdefault(name, {})[tag] = Times(first_seen=_since(first, moved_at))
    manifests: dict[str, dict[str, Times]] = {}
    served = ManifestSighting.objects.filter(repository__registry=stored.registry_id, ended_at=None)
    columns = served.values_list("repository__name", "digest", "first_seen", "untagged_since")
    for name, one, first, bare in columns.iterator():
        manifests.setdefault(name, {})[one] = Times(
            first_seen=_since(first, moved_at), untagged_at=_since(bare, moved_at) if bare is not None else None
        )
    inventory = Inventory(snapshot, Facts(tags=tags, manifests=manifests))
    for shelf in inventory.shelves:
        # Every rule looks at these, so the first one who types shall not have to wait for them.
        _ = shelf.pushed, shelf.first_seen
    return inventory
