"""Which images need a blob: what cannot be pulled when it is missing or spoilt."""

from collections.abc import Collection

from prune.graph.reach import blobs_of
from prune.graph.v1 import with_ancestors
from prune.model.digest import Digest
from prune.model.snapshot import Repository, Snapshot

_NONE: frozenset[Digest] = frozenset()


def affected(snapshot: Snapshot, bad: Collection[Digest]) -> dict[Digest, list[str]]:
    """Return, by digest (V1: image id) of ``bad``, every ``repository:tag`` whose pull fetches it, sorted; and
    ``repository@digest`` for manifests that no tag of their repository leads to."""
    found: dict[Digest, list[str]] = {}
    if not bad:
        return found
    needs = _Needs(snapshot, bad)
    for name in sorted(snapshot.repositories):
        repository = snapshot.repositories[name]
        for tag in sorted(repository.tags):
            for digest in needs.of(repository.tags[tag]):
                found.setdefault(digest, []).append(f"{name}:{tag}")
        for manifest in sorted(_tagless(snapshot, repository, needs)):
            for digest in needs.of(manifest):
                found.setdefault(digest, []).append(f"{name}@{manifest}")
    return found


def _tagless(snapshot: Snapshot, repository: Repository, needs: "_Needs") -> set[Digest]:
    """Return the manifests of a repository that need something of ``bad`` and that no tag leads to."""
    left = {digest for digest in repository.revisions if needs.of(digest)}
    pending = list(repository.tags.values()) if left else []
    while pending and left:
        digest = pending.pop()
        left.discard(digest)
        manifest = snapshot.manifests.get(digest)
        if manifest is not None:
            pending += [child.digest for child in manifest.children]
    return left


class _Needs:
    """What of ``bad`` a pull of one manifest, or V1 image, fetches."""

    def __init__(self, snapshot: Snapshot, bad: Collection[Digest]) -> None:
        self._snapshot = snapshot
        self._bad = frozenset(bad)
        self._known: dict[Digest, frozenset[Digest]] = {}

    def of(self, digest: Digest) -> frozenset[Digest]:
        found = self._known.get(digest)
        if found is None:
            found = self._known[digest] = self._look(digest)
        return found

    def _look(self, digest: Digest) -> frozenset[Digest]:
        snapshot = self._snapshot
        if snapshot.images or snapshot.kind == "storage-v1":
            return self._bad & with_ancestors((digest,), snapshot.images)
        return frozenset(self._bad & blobs_of(digest, snapshot.manifests)) or _NONE
