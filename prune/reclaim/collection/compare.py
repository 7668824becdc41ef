"""What a garbage collection would remove against what people agreed to: one item too many, and nothing is removed."""

from collections.abc import Collection

from prune.graph.reach import blobs_of
from prune.model.digest import Digest, short
from prune.model.plan import Deletions
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped
from prune.reclaim.collection.base import Eligible


def too_much(eligible: Eligible, agreed: Deletions, snapshot: Snapshot) -> tuple[Skipped, ...]:
    """Return everything that the collection would remove although it is not ``agreed``, each with a reason.

    ``snapshot`` is the store before anything of ``agreed`` went.
    """
    more = eligible.blobs - {blob.digest for blob in agreed.blobs}
    links = {(link.repository, link.digest) for link in agreed.layer_links}
    needed = _needed(more, agreed, snapshot)
    found = [Skipped(digest, needed.get(digest, "it is not in the plan, or must stay for now")) for digest in more]
    found += [
        Skipped(f"{name} link {digest}", "it is not in the plan, or must stay for now")
        for name, digest in eligible.layer_links - links
    ]
    found += [Skipped(f"manifest {text[:200]}", "manifests go by the plan only") for text in eligible.manifests]
    return tuple(sorted(found))


def _needed(blobs: Collection[Digest], agreed: Deletions, snapshot: Snapshot) -> dict[Digest, str]:
    """Tell for those of ``blobs`` that something needs which stays, what that is."""
    needed: dict[Digest, str] = {}
    if blobs:
        goes = {(one.repository, one.digest) for one in agreed.manifests}
        for name, repository in snapshot.repositories.items():
            if name not in agreed.repositories:
                for digest in repository.revisions.keys() | set(repository.tags.values()):
                    if (name, digest) not in goes:
                        for blob in blobs_of(digest, snapshot.manifests).intersection(blobs):
                            needed.setdefault(blob, f"{name}@{short(digest)} needs it")
    return needed
