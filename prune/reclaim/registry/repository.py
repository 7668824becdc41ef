"""Taking away what of a plan holds in one repository, with a look right before each step."""

import time
from collections.abc import Callable, Collection, Iterator

import msgspec

from prune.graph.reach import RepositoryGraph
from prune.model.digest import Digest
from prune.model.errors import SourceError
from prune.model.manifest import Descriptor
from prune.model.plan import Deletions, Plan
from prune.model.snapshot import Snapshot
from prune.plan.drift import Drift, Skipped, check
from prune.reclaim.registry.record import RunRecord
from prune.reclaim.registry.untag import Moved, Untagging, bring_back
from prune.reclaim.steps import Step
from prune.sources.registry_v2 import writing
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.reading import Reader
from prune.sources.registry_v2.source import RegistryV2

#: Seconds after which a whole repository is looked at again. One that takes long to look at may be older, but not
#: by more than it takes: looking then takes half of the time.
FRESH = 60.0
#: Seconds for which a list of tags is good after it came: nine times as long as it took to come, but not longer than
#: this, or, where it took longer than this, than it took, and never longer than the last.
LISTED, LONGEST_LISTED = 5.0, 60.0
#: So many looks without anything done: the repository changes faster than we can follow.
MOST_LOOKS = 100


class _News(Exception):
    """Something came, went or moved since the last look. ``tags`` are those to look at; ``None`` means all."""

    def __init__(self, tags: Collection[str] | None) -> None:
        super().__init__(tags)
        self.tags = tags


def part_of(plan: Plan, name: str) -> Plan:
    """Return what a plan asks of one repository: tags and manifests, which is all that an API can delete."""
    delete = plan.delete
    part = Deletions(
        tags=tuple(tag for tag in delete.tags if tag.repository == name),
        manifests=tuple(one for one in delete.manifests if one.repository == name),
    )
    return msgspec.structs.replace(plan, delete=part)


class Cleaning:
    """One repository of a run, with its part of the plan; the scan ``snapshot`` began at ``looked``, monotonic."""

    def __init__(
        self,
        source: RegistryV2,
        client: Client,
        untagging: Untagging,
        record: RunRecord,
        name: str,
        plan: Plan,
        snapshot: Snapshot,
        looked: float,
        tick: Callable[[int], None],
    ) -> None:
        self.source = source
        self.client = client
        self.untagging = untagging
        self.record = record
        self.plan = plan
        self.name = name
        self.snapshot = snapshot
        self.looked = looked
        self.took = 0.0
        self.listed = (float("-inf"), frozenset[str]())
        self.left: dict[str, str] = {}
        """What the registry refused to let go, and why: not asked for again."""
        self.tick = tick

    async def carry_out(self) -> tuple[Skipped, ...]:
        """Take away what still holds; return what stays, and why."""
        looks = 0
        while True:
            drift = self._judge()
            done = len(self.record.moved)
            try:
                await self._take_away(drift.items)
                break
            except _News as news:
                looks = looks + 1 if done == len(self.record.moved) else 0
                if looks > MOST_LOOKS:
                    raise SourceError(f"{self.name} changes faster than it can be looked at; try later.") from None
                await self._look_again(news.tags)
        skipped = {one.item: one.reason for one in drift.skipped} | self.left
        return tuple(Skipped(item, why) for item, why in skipped.items() if item not in self.record.moved)

    def _judge(self) -> Drift:
        drift = check(self.plan, self.snapshot, now=int(time.time()))
        for gone in drift.skipped:
            # Asked for by this run, which was interrupted before it heard the answer.
            if gone.item in self.record.pending and "gone already" in gone.reason:
                self.record.did(self.record.pending[gone.item])
        # What this run deleted is not deleted again: if it is there, somebody pushed it since.
        done = self.record.moved
        tags = tuple(one for one in drift.items.tags if f"{self.name}:{one.tag}" not in done)
        manifests = tuple(one for one in drift.items.manifests if f"{self.name}@{one.digest}" not in done)
        return Drift(msgspec.structs.replace(drift.items, tags=tags, manifests=manifests), drift.skipped)

    async def _look_again(self, tags: Collection[str] | None) -> None:
        begun = time.monotonic()
        also = [item.digest for item in self.plan.delete.manifests]
        self.snapshot = await self.source.look(self.client, self.name, also, self.snapshot, but=tags)
        if tags is None:
            self.looked, self.took = begun, time.monotonic() - begun

    # ---- the order ----------------------------------------------------------------------------------------

    async def _take_away(self, items: Deletions) -> None:
        graph = RepositoryGraph(self.snapshot.repositories[self.name], self.snapshot.manifests)
        going = {item.digest for item in items.manifests}
        tags: dict[Digest, list[str]] = {}
        for item in items.tags:
            tags.setdefault(item.digest, []).append(item.tag)
        for digest, named in sorted(tags.items()):
            if digest not in going:
                siblings = [tag for tag in graph.tags_of[digest] if tag not in named]
                for tag in named:
                    if f"{self.name}:{tag}" not in self.left:
                        self._check_age()
                        await self._untag(tag, digest, siblings)
                        self.tick(1)
        holders = _holders(going, graph)
        stays = {digest for digest in going if f"{self.name}@{digest}" in self.left}
        for digest in _holders_first(going, holders):
            held = [holder for holder in holders[digest] if holder in stays]
            if held and digest not in stays:
                self._leave(digest, tags.get(digest, []), "the registry kept what it belongs to")
            elif digest not in stays:
                self._check_age()
                await self._delete(digest, tags.get(digest, []), graph)
                self.tick(1 + len(tags.get(digest, [])))
            if f"{self.name}@{digest}" in self.left:
                stays.add(digest)

    def _leave(self, digest: Digest, tags: Collection[str], why: str) -> None:
        self.left[f"{self.name}@{digest}"] = why
        self.left.update((f"{self.name}:{tag}", why) for tag in tags)

    def _check_age(self) -> None:
        """Raise ``_News`` when the last look at the whole repository was too long ago."""
        if time.monotonic() - self.looked > max(FRESH, 2 * self.took):
            raise _News(None)

    # ---- manifests ----------------------------------------------------------------------------------------

    async def _delete(self, digest: Digest, planned: list[str], graph: RepositoryGraph) -> None:
        """Delete by digest, which takes all tags of it along: so every one of them is looked at right before."""
        item = f"{self.name}@{digest}"
        step = Step("manifest", item, item, counts=1 + len(planned))
        follow = [Step("tag", f"{self.name}:{tag}", f"{self.name}:{tag}", digest, counts=0) for tag in planned]
        if not await self.record.keep(self.client, self.name, digest):
            self._leave(digest, planned, "it is gone already")
            return
        self.record.intend(step, *follow)
        await writing.get_ready_to_delete(self.client, self.name)
        try:
            await self._check_unchanged(digest, planned, graph)
        except _News:
            self.record.withdraw("it was moved a moment ago", step, *follow)
            raise

        async def look() -> bool:
            self.listed = (float("-inf"), frozenset())  # whatever it was good for
            await self._check_unchanged(digest, planned, graph)
            return True

        try:
            answer = await writing.delete(self.client, self.name, digest, look)
        except _News:
            self._doubt(step, *follow)  # what was answered with an error may be done
            raise _News(None) from None
        if answer.status in writing.DONE or (answer.status == 404 and answer.attempts > 1):
            self.record.did(step, *follow)
        elif answer.status == 404:
            self.record.withdraw("it is gone already", step, *follow)
            self._leave(digest, planned, "it is gone already")
        elif answer.status >= 500:
            self._doubt(step, *follow)
            self._leave(digest, planned, f"the registry failed to delete it ({answer.status})")
            raise _News(None)
        elif not self.record.moved:
            self.record.withdraw("the registry refused", step, *follow)
            raise SourceError(writing.why_not_deleted(answer, item))
        else:
            self.record.withdraw("the registry refused", step, *follow)
            self._leave(digest, planned, f"the registry does not let it go ({answer.status})")

    def _doubt(self, *steps: Step) -> None:
        """Note that all or a part of what was asked for may be done: the intent stays on record, and the next look
        says what is gone."""
        self.record.pending.update((one.path, one) for one in steps)

    async def _check_unchanged(self, digest: Digest, planned: Collection[str], graph: RepositoryGraph) -> None:
        """Raise ``_News`` unless what points at a manifest, or refers to it, is what was judged."""
        known = self.snapshot.repositories[self.name]
        if self.client.referrers_api:
            found = await Reader(self.client, None, configs=False).referrers(self.name, digest)
            if any(referrer not in known.revisions for referrer in found):
                raise _News(())
        came = await self._listing() - known.tags.keys()
        if came:
            raise _News(came)
        for tag in graph.tags_of.get(digest, ()):
            if tag not in planned or await writing.points_at(self.client, self.name, tag) != digest:
                raise _News({tag})

    async def _listing(self) -> frozenset[str]:
        """Return the tags that are listed now, or were a moment ago: what is good for how long, see `LISTED`."""
        ends, tags = self.listed
        if time.monotonic() >= ends:
            begun = time.monotonic()
            tags = frozenset(await Reader(self.client, None, configs=False).listing.tags(self.name))
            ended = time.monotonic()
            took = ended - begun
            self.listed = ended + min(9 * took, max(LISTED, took), LONGEST_LISTED), tags
        return tags

    # ---- tags ---------------------------------------------------------------------------------------------

    async def _untag(self, tag: str, digest: Digest, siblings: list[str]) -> None:
        """Take one tag away and leave the image, with its other tags, where it is."""
        item = f"{self.name}:{tag}"
        if not await self.record.keep(self.client, self.name, digest):
            self.left[item] = "its manifest is gone already"
            return
        step = Step("tag", item, item, expect=digest)
        others = [self._sibling(one, digest) for one in self.untagging.at_risk(siblings)]
        if not siblings and self.untagging.by_name is not False:
            # An index holds it, say: nothing but its digest leads to it from now on.
            others = [Step("sibling", f"{self.name}@{digest}", f"sibling {self.name}@{digest}", digest, counts=0)]
        self.record.intend(step, *others)
        await writing.get_ready_to_delete(self.client, self.name)
        try:
            if await writing.points_at(self.client, self.name, tag) != digest:
                raise Moved(tag)
            why = await self.untagging.take(self.name, tag, digest, self._config(digest))
        except Moved as moved:
            for other in others:  # it may have been taken away before it was moved
                await bring_back(self.client, self.record, other)
            self.record.withdraw("it was moved a moment ago", step, *others)
            raise _News({moved.tag}) from None
        lost = [one for one in others if await bring_back(self.client, self.record, one)]
        if lost:
            for one in siblings:
                await bring_back(self.client, self.record, self._sibling(one, digest))
        elif others and siblings:
            self.untagging.spares_others = True
        if not why and await writing.points_at(self.client, self.name, tag) is not None:
            why = "the registry kept this tag"
        if why:
            self.record.withdraw(why, step, *others)
            self.left[item] = why
        else:
            self.record.did(step, *others)

    def _sibling(self, tag: str, digest: Digest) -> Step:
        return Step("sibling", f"{self.name}:{tag}", f"sibling {self.name}:{tag}", digest, counts=0)

    def _config(self, digest: Digest) -> Descriptor | None:
        """Return a config of an image that this repository holds."""
        manifest = self.snapshot.manifests[digest]
        inside = [self.snapshot.manifests.get(child.digest) for child in manifest.children]
        return next((one.config for one in (manifest, *inside) if one is not None and one.config is not None), None)


def _holders(going: Collection[Digest], graph: RepositoryGraph) -> dict[Digest, set[Digest]]:
    """Return for each manifest what of ``going`` it belongs to: indexes, subjects, and what a companion tag names."""
    found: dict[Digest, set[Digest]] = {digest: set() for digest in going}
    for digest in going:
        tagged = [graph.repository.tags[tag] for tag in graph.companions(digest)]
        for one in (*graph.children.get(digest, ()), *graph.referrers.get(digest, ()), *tagged):
            if one in found and one != digest:
                found[one].add(digest)
    return found


def _holders_first(going: Collection[Digest], holders: dict[Digest, set[Digest]]) -> Iterator[Digest]:
    """Yield indexes before what is in them, and subjects before what refers to them: what remains of a run that is
    interrupted is whole."""
    done: set[Digest] = set()
    pending = sorted(going)
    while pending:
        ready = [digest for digest in pending if holders[digest] <= done]
        for digest in ready or pending[:1]:
            done.add(digest)
            yield digest
        pending = [digest for digest in pending if digest not in done]
