"""After a run: is everything that was to stay still there?

Two scans are compared, the one that the run rested on and one made after it, with nothing of how the run decided in
between: whatever the run did not take away, and what that is made of, must be there with the same sizes.
"""

from collections.abc import Collection
from typing import Literal

import msgspec

from prune.graph.affected import affected
from prune.graph.reach import held_blobs
from prune.model.digest import Digest, short
from prune.model.snapshot import Repository, Snapshot
from prune.plan.words import counted, listed

#: How closely: sizes only, the sha256 of some blobs as well, or of every blob.
Depth = Literal["sizes", "sampled", "full"]
DEPTHS: tuple[Depth, ...] = ("sizes", "sampled", "full")


class Loss(msgspec.Struct, frozen=True, order=True):
    """Something that was to stay and is not there, or not as it was; ``what`` says it in words."""

    item: str
    what: str


class Verified(msgspec.Struct, frozen=True):
    """What a verification found. ``good``: all that stays is there. ``bad``: something is not. ``unknown``: it could
    not be looked at.

    ``tags``, ``manifests`` (V1: images) and ``blobs`` (V1: layer files) are counts of what stays and is there,
    ``bytes`` the size of these blobs, ``hashed`` and ``hashed_bytes`` what of it was read and compared with its
    digest. ``broken_before`` counts blobs that were missing before the run already.
    """

    state: Literal["good", "bad", "unknown"]
    depth: Depth
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    hashed: int = 0
    hashed_bytes: int = 0
    broken_before: int = 0
    missing: tuple[Loss, ...] = ()
    message: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """Two scans compared. ``needed`` are the blobs that stay and are there, with their sizes; ``unread`` is what the
    second scan could not read and the first could."""

    tags: int
    manifests: int
    needed: dict[Digest, int]
    broken: frozenset[Digest]
    losses: tuple[Loss, ...]
    unread: tuple[Loss, ...]


def compare(
    before: Snapshot, taken: Collection[str], after: Snapshot, *, known_broken: Collection[Digest] | None = None
) -> Comparison:
    """Compare what was there ``before``, without what a run took, with what is there ``after``.

    ``taken`` are items as a run names them: ``repository``, ``repository:tag``, ``repository@digest``, an image id.
    What was missing before is nobody's loss; with ``known_broken`` only those blobs are: a run that was interrupted
    rests on a scan in which its own earlier losses would look like old ones.
    """
    comparing = _Comparing(before, frozenset(taken), after, known_broken)
    return comparing.v1() if before.kind == "storage-v1" else comparing.v2()


def broken_blobs(snapshot: Snapshot) -> frozenset[Digest]:
    """Return what manifests of any repository need and the store does not hold."""
    if snapshot.blobs is None:
        return frozenset()
    linked = {digest for r in snapshot.repositories.values() for digest in (*r.revisions, *r.tags.values())}
    absent = held_blobs(linked, snapshot.manifests) - snapshot.blobs.keys()
    return frozenset(absent - _foreign(snapshot)) if absent else frozenset()


def still_lost(losses: Collection[Loss], snapshot: Snapshot) -> list[Loss]:
    """Return which of the losses of an earlier verification a later scan still shows. A blob that is there again
    has to be read to be believed: that is for whoever can."""
    there = {f"{name}:{tag}" for name, repository in snapshot.repositories.items() for tag in repository.tags}
    for name, repository in snapshot.repositories.items():
        there.update(f"{name}@{digest}" for digest in repository.revisions)
        there.update(f"{name} link {digest}" for digest in repository.layer_links)
    there.update(snapshot.blobs or ())
    # How long a V1 layer was, nobody can tell any more.
    return [loss for loss in losses if loss.item not in there]


def _foreign(snapshot: Snapshot) -> set[Digest]:
    """Return layers that are fetched from elsewhere: a registry need not hold them."""
    return {layer.digest for m in snapshot.manifests.values() for layer in m.layers if layer.urls}


class _Comparing:
    def __init__(
        self,
        before: Snapshot,
        taken: frozenset[str],
        after: Snapshot,
        known_broken: Collection[Digest] | None,
    ) -> None:
        self.before = before
        self.taken = taken
        self.after = after
        self.known_broken = known_broken
        self.losses: set[Loss] = set()
        self.tags = 0
        self.manifests = 0
        self.served: set[Digest] = set()

    def lost(self, item: str, what: str) -> None:
        self.losses.add(Loss(item, what))

    def stay(self, name: str, repository: Repository, now: Repository) -> set[str]:
        """Return what the kept tags of a repository point at; one that points elsewhere now was pushed since."""
        found = set()
        for tag, digest in repository.tags.items():
            if f"{name}:{tag}" in self.taken:
                continue
            self.tags += 1
            points_at = now.tags.get(tag)
            if points_at is None:
                self.lost(f"{name}:{tag}", "the tag is gone")
            if points_at in (None, digest):
                found.add(digest)
        return found

    def v2(self) -> Comparison:
        before, after = self.before, self.after
        if after.kind == "oci-layout":
            # One list for the whole layout: which repository an untagged manifest of it counts for may change.
            self.served = {digest for repository in after.repositories.values() for digest in repository.revisions}
        stays: set[Digest] = set()
        for name, repository in before.repositories.items():
            if name in self.taken:
                continue
            now = after.repositories.get(name, Repository(name))
            here = self.stay(name, repository, now) | self._revisions(name, repository, now)
            stays |= here
            if not now.layer_links.keys() >= repository.layer_links.keys():
                self._links(name, here, repository, now)
        needed = held_blobs(stays, before.manifests)
        old_blobs, new_blobs = before.blobs or {}, after.blobs or {}
        there, broken, bad = {}, set(), {}
        foreign = _foreign(before) if needed - new_blobs.keys() else set()
        for digest in needed:
            old, new = old_blobs.get(digest), new_blobs.get(digest)
            if new is None:
                forgiven = old is None if self.known_broken is None else digest in self.known_broken
                if not forgiven and digest not in foreign:
                    bad[digest] = "is missing"
                elif digest not in foreign:
                    broken.add(digest)
            elif old is not None and old.size != new.size:
                bad[digest] = f"has {new.size} bytes in place of {old.size}"
            elif digest in before.manifests and digest not in after.manifests:
                bad[digest] = "cannot be read any more"
            else:
                there[digest] = new.size
        self._named(bad)
        self._pushed(needed)
        return self._result(there, frozenset(broken))

    def _pushed(self, needed: set[Digest]) -> None:
        """Find images that were pushed while things moved, and count on what was moved."""
        missing = broken_blobs(self.after) - needed - frozenset(self.known_broken or ())
        if missing:
            missing -= broken_blobs(self.before)
        for loss in losses_of(self.after, dict.fromkeys(missing, "is missing")):
            self.losses.add(loss)

    def _revisions(self, name: str, repository: Repository, now: Repository) -> set[Digest]:
        found = set()
        for digest in repository.revisions:
            if f"{name}@{digest}" not in self.taken:
                found.add(digest)
                self.manifests += 1
                if digest not in now.revisions and digest not in self.served:
                    self.lost(f"{name}@{digest}", "the manifest is gone from its repository")
        return found

    def _links(self, name: str, stays: set[Digest], repository: Repository, now: Repository) -> None:
        gone = repository.layer_links.keys() - now.layer_links.keys()
        for digest in gone & held_blobs(stays, self.before.manifests):
            self.lost(f"{name} link {digest}", "the repository's link to this layer is gone")

    def v1(self) -> Comparison:
        there: dict[str, int] = {}
        bad = {}
        for name, repository in self.before.repositories.items():
            if name not in self.taken:
                self.stay(name, repository, self.after.repositories.get(name, Repository(name)))
        # What the disk failed to show is not known to be lost: it is among the unread.
        unread = {
            problem.where.split("/")[-2]
            for problem in self.after.problems
            if "/" in problem.where and problem.what.startswith("cannot be read")
        }
        for id_, old in self.before.images.items():
            if id_ in self.taken:
                continue
            new = self.after.images.get(id_)
            self.manifests += 1
            if id_ in unread:
                continue
            if new is None:
                bad[id_] = "is missing"
            elif new.size != old.size:
                bad[id_] = f"has a layer of {new.size} bytes in place of {old.size}"
            elif old.ancestry is not None and new.ancestry != old.ancestry:
                bad[id_] = "is not based on what it was"
            else:
                there[id_] = new.size
        self._named(bad, "image")
        return self._result(there, frozenset())

    def _named(self, bad: dict[Digest, str], noun: str = "blob") -> None:
        for loss in losses_of(self.before, bad, noun):
            self.losses.add(loss)

    def _result(self, there: dict[Digest, int], broken: frozenset[Digest]) -> Comparison:
        known = {(problem.where, problem.what) for problem in self.before.problems}
        unread = {
            Loss(problem.where, problem.what)
            for problem in self.after.problems
            if problem.blocks != "nothing" and (problem.where, problem.what) not in known
        }
        return Comparison(self.tags, self.manifests, there, broken, tuple(sorted(self.losses)), tuple(sorted(unread)))


def losses_of(snapshot: Snapshot, bad: dict[Digest, str], noun: str = "blob") -> list[Loss]:
    """Say for each bad blob or image whose pull it breaks."""
    images = affected(snapshot, bad)
    found = []
    for digest in sorted(bad):
        refs = images.get(digest, [])
        what = f"the {noun} {short(digest)} {bad[digest]}"
        if refs and refs[0].rpartition("@")[2] != digest:
            more = f" and {counted(len(refs) - 3, 'other image')}" if len(refs) > 3 else ""
            what += f": {listed(refs[:3]) if not more else ', '.join(refs[:3])}{more} cannot be pulled"
        found.append(Loss(digest, what))
    return found
