"""What of a plan still holds: the last look before anything is touched.

Given a scan taken under control, every item of the plan is judged again from the registry as it is now. What was
moved, newly tagged, newly signed, newly needed, or could not be read, is skipped with the reason. The check only
ever makes a plan smaller.
"""

from collections.abc import Collection, Iterable

import msgspec

from prune.graph.reach import RepositoryGraph, held_blobs
from prune.graph.v1 import with_ancestors
from prune.model.digest import Digest, companion_tags, short
from prune.model.plan import Deletions, LayerLinkItem, Plan, links_by_repository
from prune.model.snapshot import Repository, Snapshot, is_by_image


class Skipped(msgspec.Struct, frozen=True, order=True):
    """An item of a plan that is left alone, and why."""

    item: str
    reason: str


class Drift(msgspec.Struct, frozen=True):
    """``items`` is what may still go; ``skipped`` the rest of the plan."""

    items: Deletions
    skipped: tuple[Skipped, ...]

    def why_stale(self) -> str:
        """Say, of a plan of which nothing is left, what became of it."""
        first = self.skipped[0] if self.skipped else None
        why = f" For instance {first.item}: {first.reason}." if first else ""
        return f"Nothing of this plan holds any more; make a new one.{why}"


def check(plan: Plan, snapshot: Snapshot, *, now: int) -> Drift:
    """Judge every item of ``plan`` against ``snapshot``. ``now`` (seconds, UTC) is for the grace window."""
    judge = _Judge(plan, snapshot, now)
    if snapshot.store_blocked is not None:
        return judge.refuse_all(f"{snapshot.store_blocked.where} {snapshot.store_blocked.what}")
    return judge.v1() if is_by_image(plan.kind) else judge.v2()


class _Judge:
    def __init__(self, plan: Plan, snapshot: Snapshot, now: int) -> None:
        self.plan = plan
        self.snapshot = snapshot
        self.limit = now - plan.request.grace
        self.uploads_limit = now - plan.request.uploads_grace
        self.skipped: list[Skipped] = []
        #: Repositories that go because somebody named them, whatever is in them by now but tags and manifests.
        self.whole_by_name = {name for name in plan.delete.repositories if name in plan.request.delete}

    def skip(self, item: str, reason: str) -> bool:
        self.skipped.append(Skipped(item, reason))
        return False

    def refuse_all(self, reason: str) -> Drift:
        delete = self.plan.delete
        for tag in delete.tags:
            self.skip(f"{tag.repository}:{tag.tag}", reason)
        for manifest in delete.manifests:
            self.skip(f"{manifest.repository}@{manifest.digest}", reason)
        for name in delete.repositories:
            self.skip(name, reason)
        for item in [blob.digest for blob in delete.blobs] + [image.id for image in delete.images]:
            self.skip(item, reason)
        for upload in delete.uploads:
            self.skip(f"{upload.repository} upload {upload.id}", reason)
        return Drift(Deletions(), tuple(sorted(self.skipped)))

    def whole(self, name: str) -> str | None:
        """Return why nothing of a repository may go, or ``None`` when it may."""
        repository = self.snapshot.repositories.get(name)
        if repository is None:
            return "its repository is gone already"
        if not repository.complete:
            return "its repository could not be read completely"
        return None

    def standing_tags(self) -> dict[str, set[str]]:
        """Return, by repository, the plan's tags that still point where they did."""
        standing: dict[str, set[str]] = {}
        for tag in self.plan.delete.tags:
            item = f"{tag.repository}:{tag.tag}"
            why = self.whole(tag.repository)
            if why is None:
                points_at = self.snapshot.repositories[tag.repository].tags.get(tag.tag)
                if points_at is None:
                    why = "it is gone already"
                elif points_at != tag.digest:
                    why = f"it was moved: it now points at {short(points_at)}"
            if why is None:
                standing.setdefault(tag.repository, set()).add(tag.tag)
            else:
                self.skip(item, why)
        return standing

    def result(self, tags: dict[str, set[str]], **items: object) -> Drift:
        standing = tuple(t for t in self.plan.delete.tags if t.tag in tags.get(t.repository, ()))
        return Drift(Deletions(tags=standing, **items), tuple(sorted(set(self.skipped))))  # type: ignore[arg-type]  # forwarded by field name

    # ---- V1 -----------------------------------------------------------------------------------------------

    def v1(self) -> Drift:
        tags = self.standing_tags()
        snapshot = self.snapshot
        left = [
            image
            for name, repository in snapshot.repositories.items()
            for tag, image in repository.tags.items()
            if tag not in tags.get(name, ())
        ]
        planned = {image.id for image in self.plan.delete.images}
        staying = with_ancestors([*left, *(snapshot.images.keys() - planned)], snapshot.images)
        images = []
        for item in self.plan.delete.images:
            image = snapshot.images.get(item.id)
            if not snapshot.complete:
                self.skip(item.id, "something in the store could not be read, so no image may go")
            elif image is None:
                self.skip(item.id, "it is gone already")
            elif item.id in staying:
                self.skip(item.id, "a tag refers to it now, or an image that stays is based on it")
            elif image.in_progress:
                self.skip(item.id, "it is being uploaded")
            elif image.size != item.size:
                self.skip(item.id, "its layer has another size than planned")
            else:
                images.append(item)
        # An image that is skipped holds everything below it.
        held = with_ancestors(planned - {image.id for image in images}, snapshot.images)
        kept = [image for image in images if image.id in held]
        for item in kept:
            self.skip(item.id, "an image that stays is based on it")
        going = tuple(image for image in images if image.id not in held)
        return self.result(tags, images=going, repositories=self.repositories(tags, {}, set()))

    # ---- V2 -----------------------------------------------------------------------------------------------

    def v2(self) -> Drift:
        tags = self.standing_tags()
        planned: dict[str, set[Digest]] = {}
        for manifest in self.plan.delete.manifests:
            planned.setdefault(manifest.repository, set()).add(manifest.digest)
        going: dict[str, set[Digest]] = {}
        for name, digests in planned.items():
            why = self.whole(name)
            if why is not None:
                for digest in digests:
                    self.skip(f"{name}@{digest}", why)
                continue
            going[name] = self.manifests(name, digests, tags.setdefault(name, set()))
        blobs = self.blobs(going)
        gone = {blob.digest for blob in blobs}
        uploads = self.uploads()
        links = self.layer_links(going, gone)
        holding = self.still_linked(links)
        return self.result(
            tags,
            manifests=tuple(m for m in self.plan.delete.manifests if m.digest in going.get(m.repository, ())),
            blobs=blobs,
            layer_links=links,
            uploads=uploads,
            repositories=self.repositories(
                tags, going, {(upload.repository, upload.id) for upload in uploads}, holding
            ),
        )

    def manifests(self, name: str, planned: set[Digest], tags: set[str]) -> set[Digest]:
        """Return which planned manifests of a repository may go; takes companion tags of the rest out of ``tags``."""
        repository = self.snapshot.repositories[name]
        graph = RepositoryGraph(repository, self.snapshot.manifests)
        candidates = planned & graph.present
        named = self.named(name, graph)
        kept: dict[Digest, str] = dict.fromkeys(planned - graph.present, "it is gone already")
        for digest in list(candidates):
            if digest not in named and self.fresh(repository, digest):
                kept[digest] = "it was pushed again and is younger than the grace window"
            elif any(tag not in tags for tag in graph.companions(digest)):
                kept[digest] = "it has a new or another signature or attachment"
            elif any(
                referrer not in planned
                and not graph.tags_of.get(referrer)
                # What an index holds stays without its subject, and was known.
                and planned.issuperset(graph.parents.get(referrer, ()))
                for referrer in graph.referrers.get(digest, ())
            ):
                kept[digest] = "another manifest refers to it now"
        while True:
            candidates -= kept.keys()
            # Named by its digest, a manifest goes although its subject stays; a tag or an index still holds it.
            condemned = {
                digest
                for digest in candidates
                if f"{name}@{digest}" in self.plan.request.delete
                and tags.issuperset(graph.tags_of.get(digest, ()))
                and candidates.issuperset(graph.parents.get(digest, ()))
            }
            stays = graph.surviving(tags, candidates, condemned, free_tags=repository.tags)
            # A companion tag that nobody named lives with its subject.
            alive = {
                tag for digest in stays for tag in companion_tags(digest) if tag in tags and not self.asked(name, tag)
            }
            for tag in alive:
                self.skip(f"{name}:{tag}", "what it belongs to stays")
            tags -= alive
            held = candidates & stays
            if not held and not alive:
                break
            kept.update(dict.fromkeys(held, "a tag, an index or what it belongs to holds it now"))
        for digest, why in kept.items():
            self.skip(f"{name}@{digest}", why)
        return candidates

    def named(self, name: str, graph: RepositoryGraph) -> set[Digest]:
        """Return what the request itself was about: fresh or not, it may go. That a sweep takes a repository because
        nothing was left in it names nothing: what was pushed to it since is fresh."""
        start = {tag.digest for tag in self.plan.delete.tags if tag.repository == name}
        prefix = f"{name}@"
        start |= {ref[len(prefix) :] for ref in self.plan.request.delete if ref.startswith(prefix)}
        if name in self.whole_by_name or not self.plan.request.sweep:
            return set(graph.present)
        return graph.touched(start)

    def fresh(self, repository: Repository, digest: Digest) -> bool:
        blob = (self.snapshot.blobs or {}).get(digest)
        times = [repository.revisions.get(digest), blob.time if blob else None]
        known = [time for time in times if time is not None]
        return not known or max(known) > self.limit

    def young(self, time: int | None) -> bool:
        return time is None or time > self.limit

    def asked(self, name: str, tag: str) -> bool:
        refs = self.plan.request.delete
        points_at = self.snapshot.repositories[name].tags[tag]
        return name in refs or f"{name}:{tag}" in refs or f"{name}@{points_at}" in refs

    def blobs(self, going: dict[str, set[Digest]]) -> tuple:  # type: ignore[type-arg]  # see Deletions.blobs
        found = []
        snapshot = self.snapshot
        staying: set[Digest] = set()
        for name, repository in snapshot.repositories.items():
            staying |= {*repository.revisions, *repository.tags.values()} - going.get(name, set())
        held = held_blobs(staying, snapshot.manifests)
        named = held_blobs((m.digest for m in self.plan.delete.manifests), snapshot.manifests)
        # A plan holds every link to a blob that goes: another one came since, whatever a clock says.
        planned = links_by_repository(self.plan.delete.layer_links)
        fresh: set[Digest] = set()
        for name, repository in snapshot.repositories.items():
            if name not in self.whole_by_name:
                fresh |= repository.layer_links.keys() - planned.get(name, ())
        for item in self.plan.delete.blobs:
            blob = (snapshot.blobs or {}).get(item.digest)
            if not snapshot.complete:
                self.skip(item.digest, "something in the store could not be read, so no blob may go")
            elif blob is None:
                self.skip(item.digest, "it is gone already")
            elif item.digest in held:
                self.skip(item.digest, "an image that stays needs it")
            elif item.digest in fresh:
                self.skip(item.digest, "a push that is not finished may need it")
            elif blob.size != item.size:
                self.skip(item.digest, "it has another size than planned")
            elif self.plan.request.sweep and item.digest not in named and self.young(blob.time):
                self.skip(item.digest, "it was pushed again and is younger than the grace window")
            else:
                found.append(item)
        return tuple(found)

    def layer_links(self, going: dict[str, set[Digest]], gone: set[Digest]) -> tuple:  # type: ignore[type-arg]  # see Deletions
        needed: dict[str, set[Digest]] = {}
        explained: dict[str, set[Digest]] = {}
        found = []
        for link in self.plan.delete.layer_links:
            repository = self.snapshot.repositories.get(link.repository)
            if repository is None or link.digest not in repository.layer_links:
                continue  # nothing to take away, and nothing lost
            if link.repository not in needed:
                leaving = going.get(link.repository, set())
                staying = {*repository.revisions, *repository.tags.values()} - leaving
                needed[link.repository] = held_blobs(staying, self.snapshot.manifests)
                explained[link.repository] = held_blobs(leaving, self.snapshot.manifests)
            time = repository.layer_links[link.digest]
            if link.digest in gone or (
                self.plan.request.sweep
                and self.snapshot.complete
                and link.digest not in needed[link.repository]
                # Of what goes with its manifest no time is known, nor needed.
                and (link.digest in explained[link.repository] if time is None else time <= self.limit)
            ):
                found.append(link)
        return tuple(found)

    def uploads(self) -> tuple:  # type: ignore[type-arg]  # see Deletions
        found = []
        for item in self.plan.delete.uploads:
            name = f"{item.repository} upload {item.id}"
            repository = self.snapshot.repositories.get(item.repository)
            upload = next((u for u in repository.uploads if u.id == item.id), None) if repository else None
            if upload is None:
                self.skip(name, "it is gone already")
            elif upload.size != item.size or (
                item.repository not in self.whole_by_name
                and (upload.time is None or upload.time > self.uploads_limit)
            ):
                self.skip(name, "it has been written to since")
            else:
                found.append(item)
        return tuple(found)

    def still_linked(self, going: Iterable[LayerLinkItem]) -> set[str]:
        """Return the repositories of the plan that nobody named, and that hold a link which stays: a push may have
        begun there."""
        planned = links_by_repository(going)
        return {
            name
            for name in set(self.plan.delete.repositories) - self.whole_by_name
            if name in self.snapshot.repositories
            and self.snapshot.repositories[name].layer_links.keys() - planned.get(name, ())
        }

    def repositories(
        self,
        tags: dict[str, set[str]],
        going: dict[str, set[Digest]],
        uploads: set[tuple[str, str]],
        holding: Collection[str] = (),
    ) -> tuple[str, ...]:
        found = []
        odd = self.snapshot.left_alone()
        for name in self.plan.delete.repositories:
            repository = self.snapshot.repositories.get(name)
            why = self.whole(name)
            if why is not None:
                self.skip(name, why)
            elif name in odd:
                self.skip(name, f"{odd[name].where} {odd[name].what}, and {odd[name].effect}")
            elif repository is not None and (
                repository.tags.keys() - tags.get(name, set())
                or (not is_by_image(self.plan.kind) and repository.revisions.keys() - going.get(name, set()))
                or any((name, upload.id) not in uploads for upload in repository.uploads)
                or name in holding
            ):
                self.skip(name, "it holds something that is not in the plan")
            else:
                found.append(name)
        return tuple(found)
