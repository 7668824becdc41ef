"""What an interrupted run took and somebody put back before it went on.

Whoever pushed it again counts on it: the registry told them that all of it was there. So it is no longer the plan's,
and what it needs is judged as for anything else that stays.
"""

from collections.abc import Collection

import msgspec

from prune.model.plan import Plan
from prune.model.snapshot import Repository, Snapshot
from prune.plan.drift import Skipped

WHY = "it was pushed again while this run was interrupted"


def still_gone(plan: Plan, snapshot: Snapshot, taken: Collection[str]) -> tuple[Plan, list[Skipped]]:
    """Return ``plan`` without what is there again of that which its run has ``taken`` (items as in `Skipped`; those
    that may be there again are enough), and that. Of a repository that was taken as a whole and is there again,
    nothing is left to take."""
    if not taken:
        return plan, []
    delete = plan.delete
    whole = {name for name in delete.repositories if name in taken and name in snapshot.repositories}
    back: list[str] = sorted(whole)

    def goes(repository: str, item: str, *, there: bool) -> bool:
        returned = there and (item in taken or repository in whole)
        if returned:
            back.append(item)
        return not returned and repository not in whole

    def here(repository: str) -> Repository:
        return snapshot.repositories.get(repository, Repository(repository))

    tags = [
        t
        for t in delete.tags
        if goes(t.repository, f"{t.repository}:{t.tag}", there=t.tag in here(t.repository).tags)
    ]
    manifests = [
        m
        for m in delete.manifests
        if goes(m.repository, f"{m.repository}@{m.digest}", there=m.digest in here(m.repository).revisions)
    ]
    links = [
        link
        for link in delete.layer_links
        if link.repository not in whole
        and not (
            f"{link.repository} link {link.digest}" in taken and link.digest in here(link.repository).layer_links
        )
    ]
    left = msgspec.structs.replace(
        delete,
        tags=tuple(tags),
        manifests=tuple(manifests),
        layer_links=tuple(links),
        repositories=tuple(name for name in delete.repositories if name not in whole),
        uploads=tuple(upload for upload in delete.uploads if upload.repository not in whole),
        images=tuple(one for one in delete.images if goes("", one.id, there=one.id in snapshot.images)),
        blobs=tuple(one for one in delete.blobs if goes("", one.digest, there=one.digest in (snapshot.blobs or {}))),
    )
    return msgspec.structs.replace(plan, delete=left), [Skipped(item, WHY) for item in back]
