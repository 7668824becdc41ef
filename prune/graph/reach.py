"""What keeps what alive in V2 storage and OCI layouts.

In its repository a manifest is *held* when a surviving tag points at it, a surviving index contains it, or its
surviving subject refers back to it. A referrer does not hold its subject. A blob is held by every manifest of any
repository that refers to it.
"""

from collections.abc import Collection, Iterable

from prune.model.digest import COMPANION_PREFIXES, Digest, companion_tags
from prune.model.manifest import Manifest
from prune.model.snapshot import Repository, Snapshot


class RepositoryGraph:
    """The edges between the manifests that one repository serves."""

    def __init__(self, repository: Repository, manifests: dict[Digest, Manifest]) -> None:
        self.repository = repository
        self.tags_of: dict[Digest, list[str]] = {}
        for tag, digest in repository.tags.items():
            self.tags_of.setdefault(digest, []).append(tag)
        self._has_companions = any(tag.startswith(COMPANION_PREFIXES) for tag in repository.tags)
        self.present = repository.revisions.keys() | self.tags_of.keys()
        self.children: dict[Digest, tuple[Digest, ...]] = {}
        self.parents: dict[Digest, list[Digest]] = {}
        self.referrers: dict[Digest, list[Digest]] = {}
        for digest in self.present:
            manifest = manifests.get(digest)
            if manifest is None:
                continue
            if manifest.children:
                inside = tuple(c.digest for c in manifest.children if c.digest in self.present)
                self.children[digest] = inside
                for child in inside:
                    self.parents.setdefault(child, []).append(digest)
            if manifest.subject is not None and manifest.subject in self.present:
                self.referrers.setdefault(manifest.subject, []).append(digest)

    def companions(self, digest: Digest) -> list[str]:
        """Return the tags here that belong to ``digest``: the fallback tag and cosign's."""
        if not self._has_companions:
            return []
        tags = self.repository.tags
        return [tag for tag in companion_tags(digest) if tag in tags]

    def touched(self, start: Iterable[Digest]) -> set[Digest]:
        """Return ``start`` and all that may follow it: children, referrers, and what companion tags point at."""
        found: set[Digest] = set()
        pending = [digest for digest in start if digest in self.present]
        while pending:
            digest = pending.pop()
            if digest in found:
                continue
            found.add(digest)
            pending += self.children.get(digest, ())
            pending += self.referrers.get(digest, ())
            pending += [self.repository.tags[tag] for tag in self.companions(digest)]
        return found

    def surviving(
        self,
        gone_tags: Collection[str],
        candidates: Collection[Digest],
        condemned: Collection[Digest] = (),
        free_tags: Collection[str] = (),
    ) -> set[Digest]:
        """Return the manifests that stay when ``gone_tags`` go and only ``candidates`` may follow them.

        ``condemned`` go whatever points at them (``repo@digest``). The companion tags of a candidate live and
        die with it, except for ``free_tags``; survival spreads from what stays for other reasons until nothing
        changes.
        """
        dependent: set[str] = set()
        for digest in candidates:
            dependent.update(self.companions(digest))
        dependent.difference_update(free_tags)
        stays: set[Digest] = set()
        pending = [digest for digest in self.present if digest not in candidates]
        pending += [
            digest for tag, digest in self.repository.tags.items() if tag not in gone_tags and tag not in dependent
        ]
        while pending:
            digest = pending.pop()
            if digest in stays or digest in condemned:
                continue
            stays.add(digest)
            pending += self.children.get(digest, ())
            pending += self.referrers.get(digest, ())
            pending += [self.repository.tags[tag] for tag in self.companions(digest) if tag not in gone_tags]
        return stays


def held_blobs(digests: Iterable[Digest], manifests: dict[Digest, Manifest]) -> set[Digest]:
    """Return every blob that the manifests ``digests`` need: their own bytes, configs, layers, and, through
    indexes, the same of their children, whether or not a repository links those."""
    held: set[Digest] = set()
    blobs: set[Digest] = set()
    pending = list(digests)
    while pending:
        digest = pending.pop()
        if digest in held:
            continue
        held.add(digest)
        manifest = manifests.get(digest)
        if manifest is None:
            continue
        pending += [child.digest for child in manifest.children]
        if manifest.config is not None:
            blobs.add(manifest.config.digest)
        blobs.update([layer.digest for layer in manifest.layers])
    return held | blobs


def blobs_of(digest: Digest, manifests: dict[Digest, Manifest]) -> set[Digest]:
    """Return what one manifest needs: `held_blobs`, quick for the usual one without children."""
    manifest = manifests.get(digest)
    if manifest is None or manifest.children:
        return held_blobs((digest,), manifests)
    found = {layer.digest for layer in manifest.layers}
    found.add(digest)
    if manifest.config is not None:
        found.add(manifest.config.digest)
    return found


def linked_manifests(snapshot: Snapshot) -> set[Digest]:
    """Return the manifests that any repository serves, by revision link or by tag."""
    linked: set[Digest] = set()
    for repository in snapshot.repositories.values():
        linked.update(repository.revisions)
        linked.update(repository.tags.values())
    return linked
