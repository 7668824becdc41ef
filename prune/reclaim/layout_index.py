"""The ``index.json`` of an OCI layout during a run: written anew in one piece, and brought back in one piece.

Tags and manifests of a layout are entries of one file, so all that go, go in the same instant. The file as it was
lies in the trash, the new one beside it; which of the two is in place, looking tells.
"""

import hashlib
from collections.abc import Iterator

from prune.model.errors import Refused, Unreadable
from prune.model.plan import Deletions
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped
from prune.reclaim.steps import Step, StorageSource, is_in_index
from prune.sources.oci_layout.index import Index, none_left, parse_index, with_again, without
from prune.sources.oci_layout.source import INDEX, MAX_INDEX_BYTES, OciLayout
from prune.sources.stores.base import Store

_WRITTEN = (
    f"{INDEX} was written to during this run: something still pushes here. Stop that, and apply the same plan again."
)


def with_index(
    source: StorageSource, steps: list[Step], items: Deletions, snapshot: Snapshot, fresh: str
) -> list[Step]:
    """Return ``steps`` with the one that writes the index of an OCI layout anew, first of all, when any of them is an
    entry of it; the new bytes are ready at ``fresh`` then."""
    if not isinstance(source, OciLayout) or not any(map(is_in_index, steps)):
        return steps
    step, body = _prepared(source, items, snapshot)
    source.store.write(fresh, body)
    return [step, *steps]


def _prepared(source: OciLayout, items: Deletions, snapshot: Snapshot) -> tuple[Step, bytes]:
    """Return the step that writes the index anew without ``items``, and its new bytes.

    Raises ``Refused`` when it cannot be read any more, or the result would not hold all that is to stay.
    """
    body = _read(source.store, INDEX)
    # Named after the layout's own repository: by that the names in it are read.
    tags = {(tag.repository, tag.tag) for tag in items.tags}
    gone = {(item.repository, item.digest) for item in items.manifests}
    try:
        index = parse_index(body, source.home)
        if not _is_as_scanned(index, snapshot):
            raise Refused(_WRITTEN)
        new = without(index, tags, gone, snapshot.manifests, source.home)
    except Unreadable as error:
        raise Refused(f"{source.name}: {INDEX} {error}; nothing was done. Make a new plan.") from None
    return Step("layout-index", source.home, INDEX, expect=_sum(body), counts=0, content=_sum(new)), new


def _is_as_scanned(index: Index, snapshot: Snapshot) -> bool:
    """Tell whether every entry is one that was judged."""
    judged = {(r.name, tag): at for r in snapshot.repositories.values() for tag, at in r.tags.items()}
    names = {name: min(digests) for name, digests in index.names().items()}
    known = {digest for repository in snapshot.repositories.values() for digest in repository.revisions}
    return names == judged and all(entry.digest in known for entry in index.entries)


def replace(store: Store, step: Step, trash: str, fresh: str) -> None:
    """Put the index from ``fresh`` in the place of the old one, which is kept in ``trash``.

    Raises ``Refused`` when the old one is not what it was a moment ago.
    """
    body = _read(store, INDEX)
    if _sum(body) != step.expect:
        raise Refused(_WRITTEN)
    store.write(trash, body)
    store.write(INDEX, _read(store, fresh))


def was_replaced(store: Store, step: Step, trash: str, fresh: str) -> bool:
    """Tell whether an interrupted run came so far as to replace the index, which others may have written since."""
    if store.kind(trash) is None:
        return False
    body = _read(store, INDEX)
    if _sum(body) in (step.expect, step.content):
        return _sum(body) == step.content
    try:
        return none_left(*(parse_index(one, step.item) for one in (body, _read(store, trash), _read(store, fresh))))
    except Unreadable:
        return False


def bring_back(store: Store, step: Step, trash: str, fresh: str) -> Iterator[Skipped]:
    """Put the old index back, byte for byte; into one that others wrote since go the entries that the run took.
    Yield the tags that point elsewhere now and stay as they are."""
    old = _read(store, trash)
    if store.kind(INDEX) is None:
        store.write(INDEX, old)
        return
    body = _read(store, INDEX)
    if _sum(body) == step.content:
        store.write(INDEX, old)
    elif body != old:
        try:
            merged, taken = with_again(*(parse_index(one, step.item) for one in (body, old, _read(store, fresh))))
        except Unreadable as error:
            yield Skipped(INDEX, f"it {error}")
            return
        if merged != body:
            store.write(INDEX, merged)
        for repository, tag in taken:
            yield Skipped(f"{repository}:{tag}", "it was pushed again since; that tag stays")


def _read(store: Store, path: str) -> bytes:
    try:
        return store.read(path, MAX_INDEX_BYTES)[0]
    except Unreadable as error:
        raise Refused(f"{path} {error}; put that right first.") from None


def _sum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
