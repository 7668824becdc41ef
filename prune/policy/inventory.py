"""What a policy decides about: each tag, and each manifest that nothing else in its repository needs.

What follows something else is not decided by itself: children follow their index, referrers and the tags that belong
to a digest (fallback, cosign) follow their subject.
"""

import copy
from collections.abc import Iterator, Mapping
from functools import cached_property

import msgspec

from prune.graph.reach import RepositoryGraph
from prune.model.digest import COMPANION_PREFIXES, Digest
from prune.model.manifest import IMAGE_CONFIG_TYPES
from prune.model.snapshot import Repository, Snapshot
from prune.policy.facts import Facts, Times
from prune.policy.times import parse_created

_NO_TIMES = Times()


class Item(msgspec.Struct, frozen=True, gc=False):
    """A tag and what it points at (an image id in V1), or, without a tag, an untagged manifest."""

    repository: str
    tag: str | None
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}" if self.tag is not None else f"{self.repository}@{self.digest}"


class Inventory:
    """All that policies are about, of one snapshot. Making it costs more than deciding: keep it for the next one."""

    def __init__(self, snapshot: Snapshot, facts: Facts) -> None:
        self.snapshot = snapshot
        self.facts = facts
        self._created: dict[Digest, int | None] = {}

    @cached_property
    def shelves(self) -> tuple["Shelf", ...]:
        """Return one shelf for each repository that was read completely, by name."""
        if self.snapshot.store_blocked is not None:
            return ()
        return tuple(
            Shelf(self, repository)
            for _, repository in sorted(self.snapshot.repositories.items())
            if repository.complete
        )

    def renewed(self, facts: Facts) -> "Inventory":
        """Return the same items with the age of the scan, since when pulls are reported, and what is in use as
        ``facts`` say it. Pushes and pulls in ``facts`` are added to what was known. What was worked out already is
        shared."""
        fresh = Inventory(
            self.snapshot,
            msgspec.structs.replace(
                self.facts, scanned_at=facts.scanned_at, pulls_since=facts.pulls_since, in_use=facts.in_use
            ),
        )
        fresh._created = self._created
        fresh.__dict__["shelves"] = tuple(
            shelf.noticing(facts.tags.get(shelf.name, {}), facts.manifests.get(shelf.name, {}))
            for shelf in self.shelves
        )
        return fresh

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Yield each repository of which nothing may go, and why."""
        blocked = self.snapshot.store_blocked
        for name, repository in sorted(self.snapshot.repositories.items()):
            if blocked is not None:
                yield name, f"nothing in this registry may be deleted: {blocked.where} {blocked.what}"
            elif not repository.complete:
                found = [p for p in self.snapshot.problems if p.repository == name and p.blocks != "nothing"]
                why = f"{found[0].where} {found[0].what}" if found else "see the problems of the scan"
                yield name, f"it could not be read completely, so nothing of it may go: {why}"

    def leaves(self, digest: Digest) -> list[Digest]:
        """Return the images below ``digest``: itself, or those of an index, in any depth."""
        manifests = self.snapshot.manifests
        found: list[Digest] = []
        pending, seen = [digest], {digest}
        while pending:
            one = pending.pop()
            manifest = manifests.get(one)
            if manifest is None or not manifest.children:
                found.append(one)
                continue
            for child in manifest.children:
                if child.digest not in seen:
                    seen.add(child.digest)
                    pending.append(child.digest)
        return found

    def created(self, digest: Digest) -> int | None:
        """Return when the newest image below ``digest`` was made, ``None`` unless all of them tell."""
        if digest not in self._created:
            times = [self._created_one(leaf) for leaf in self.leaves(digest)]
            self._created[digest] = max((t for t in times if t is not None), default=None) if all(times) else None
        return self._created[digest]

    def _created_one(self, digest: Digest) -> int | None:
        image = self.snapshot.images.get(digest)
        if image is not None:
            return parse_created(image.created)
        manifest = self.snapshot.manifests.get(digest)
        config = self.snapshot.configs.get(manifest.config.digest) if manifest and manifest.config else None
        return parse_created(config.created) if config else None

    def labels(self, digest: Digest) -> list[Mapping[str, str] | None]:
        """Return the labels and annotations of each image below ``digest``, ``None`` where they are not known."""
        above = self.snapshot.manifests.get(digest)
        inherited = above.annotations if above is not None else {}
        return [self._labels_one(leaf, inherited) for leaf in self.leaves(digest)]

    def _labels_one(self, digest: Digest, inherited: Mapping[str, str]) -> Mapping[str, str] | None:
        manifest = self.snapshot.manifests.get(digest)
        if manifest is None:
            return None
        own: Mapping[str, str] = {}
        if manifest.config is not None:
            config = self.snapshot.configs.get(manifest.config.digest)
            if config is not None:
                own = config.labels
            elif manifest.config.media_type in IMAGE_CONFIG_TYPES or not manifest.config.media_type:
                return None
        elif manifest.kind == "schema1":
            return None
        return {**inherited, **manifest.annotations, **own}


class Shelf:
    """The items of one repository, tags by name and then untagged manifests, and columns of times beside them."""

    def __init__(self, inventory: Inventory, repository: Repository) -> None:
        self.inventory = inventory
        self.repository = repository
        self.name = repository.name
        snapshot = inventory.snapshot
        self.graph: RepositoryGraph | None = None
        self.following: dict[str, Digest] = {}
        """Tags that live and die with a digest of this repository."""
        untagged: list[Digest] = []
        if not snapshot.by_image:
            self.graph = graph = RepositoryGraph(repository, snapshot.manifests)
            if any(tag.startswith(COMPANION_PREFIXES) for tag in repository.tags):
                for digest in graph.present:
                    self.following.update(dict.fromkeys(graph.companions(digest), digest))
            referring = {one for referrers in graph.referrers.values() for one in referrers}
            untagged = sorted(graph.present - graph.tags_of.keys() - graph.parents.keys() - referring)
        self.items = [
            Item(self.name, tag, digest)
            for tag, digest in sorted(repository.tags.items())
            if tag not in self.following
        ]
        self.tags = len(self.items)
        """How many of the items are tags; they come first."""
        self.items += [Item(self.name, None, digest) for digest in untagged]
        self._tag_times: Mapping[str, Times] = inventory.facts.tags.get(self.name, {})
        self._manifest_times: Mapping[str, Times] = inventory.facts.manifests.get(self.name, {})

    def noticing(self, tags: Mapping[str, Times], manifests: Mapping[str, Times]) -> "Shelf":
        """Return the same shelf with pushes and pulls that were noticed besides."""
        if not tags and not manifests:
            return self
        fresh = copy.copy(self)
        fresh._tag_times = _noticing(self._tag_times, tags)
        fresh._manifest_times = _noticing(self._manifest_times, manifests)
        for column in ("pushed", "pulls"):
            fresh.__dict__.pop(column, None)
        return fresh

    @cached_property
    def members(self) -> dict[Digest, tuple[Digest, ...]]:
        """Return, for the digest of each item, all that would go with it: children, referrers, attachments."""
        graph = self.graph
        digests = {item.digest for item in self.items}
        if graph is None or not (graph.children or graph.referrers or self.following):
            return {digest: (digest,) for digest in digests}
        return {digest: tuple(graph.touched((digest,))) for digest in digests}

    @cached_property
    def pushed(self) -> list[int | None]:
        """Return when each item was last pushed, moved or named: one tag more on a digest refreshes all of its tags.
        ``None`` where the time of any of them is not known, or zero."""
        repository = self.repository
        noticed = bool(self._tag_times or self._manifest_times)
        own: list[int | None] = []
        newest: dict[Digest, int] = {}
        for item in self.items:
            digest = item.digest
            link = repository.revisions.get(digest)
            time = link if item.tag is None else repository.tag_times.get(item.tag)
            if noticed:
                time = _later(time, self._noticed(item).pushed)
                link = _later(link, self._manifest_times.get(digest, _NO_TIMES).pushed)
            own.append(time)
            for one in (time, link):
                if one is not None and one > newest.get(digest, -1):
                    newest[digest] = one
        unknown = {item.digest for item, time in zip(self.items, own, strict=True) if not time}
        return [None if item.digest in unknown else newest.get(item.digest) for item in self.items]

    @cached_property
    def first_seen(self) -> list[int | None]:
        """Return when a scan first found each item as it is; one tag more on a digest counts for all of its tags.
        ``None`` where that of any of them is not known."""
        newest: dict[Digest, int] = {}
        unknown: set[Digest] = set()
        for item in self.items:
            if time := self._noticed(item).first_seen:
                newest[item.digest] = max(time, newest.get(item.digest, time))
            else:
                unknown.add(item.digest)
        return [None if item.digest in unknown else newest[item.digest] for item in self.items]

    @cached_property
    def untagged_at(self) -> list[int | None]:
        """Return when each untagged manifest lost its last tag."""
        return [None if item.tag is not None else self._noticed(item).untagged_at for item in self.items]

    @cached_property
    def created(self) -> list[int | None]:
        """Return when the image of each item says that it was made."""
        return [self.inventory.created(item.digest) for item in self.items]

    @cached_property
    def pulls(self) -> list[dict[str, int]]:
        """Return the last pull of each item by each user agent: by any tag of its digest, and of any part of it."""
        if not self._tag_times and not self._manifest_times:
            return [{}] * len(self.items)
        of_digest: dict[Digest, dict[str, int]] = {}
        for item in self.items[: self.tags]:
            _merge(of_digest.setdefault(item.digest, {}), self._noticed(item).pulls)
        for digest, members in self.members.items():
            for member in members:
                noticed = self._manifest_times.get(member)
                if noticed is not None and noticed.pulls:
                    _merge(of_digest.setdefault(digest, {}), noticed.pulls)
        return [of_digest.get(item.digest, {}) for item in self.items]

    def _noticed(self, item: Item) -> Times:
        if item.tag is not None:
            return self._tag_times.get(item.tag, _NO_TIMES)
        return self._manifest_times.get(item.digest, _NO_TIMES)


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _noticing(known: Mapping[str, Times], noticed: Mapping[str, Times]) -> dict[str, Times]:
    found = dict(known)
    for key, times in noticed.items():
        before = found.get(key, _NO_TIMES)
        pulls = dict(before.pulls)
        _merge(pulls, times.pulls)
        found[key] = msgspec.structs.replace(before, pushed=_later(before.pushed, times.pushed), pulls=pulls)
    return found


def _merge(into: dict[str, int], pulls: Mapping[str, int]) -> None:
    for agent, time in pulls.items():
        into[agent] = max(time, into.get(agent, time))
