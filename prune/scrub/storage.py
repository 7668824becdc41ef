"""Scrubbing the files of a registry, or of an OCI layout."""

import contextlib
import hashlib
import re
from collections.abc import Iterator

from prune.graph.affected import affected
from prune.model.digest import Digest
from prune.model.errors import Unreadable
from prune.model.snapshot import Snapshot
from prune.plan.faults import Fault, blob_faults, faults_of, verdict
from prune.plan.verification import Depth
from prune.scrub.report import Scrubbed
from prune.sources.base import Progress, Report
from prune.sources.content import ByDigest, check_content, sample
from prune.sources.storage_v1 import MAX_JSON_BYTES, StorageV1
from prune.sources.storage_v2 import layout
from prune.sources.storage_v2.source import StorageV2
from prune.sources.stores.base import Store


def scrub_by_digest(source: ByDigest, depth: Depth, now: int, grace: int, report: Report) -> Scrubbed:
    """See `prune.scrub.scrub.scrub`."""
    snapshot = source.scan(report, configs=False)
    faults = {fault.item: fault for fault in faults_of(snapshot, now=now, grace=grace)}
    if isinstance(source, StorageV2):
        with source.store.together([layout.under(source.base, "repositories")]) as store:
            for fault in _links(store, source.base, snapshot, report):
                faults.setdefault(fault.item, fault)
    blobs = {digest: blob.size for digest, blob in (snapshot.blobs or {}).items()}
    chosen = {} if depth == "sizes" else blobs if depth == "full" else sample(blobs, str(now))
    content = check_content(source, chosen, report)
    wrong = {digest: what for digest, what in content.wrong.items() if digest not in content.unread}
    for digest, what in wrong.items():
        if digest in faults:
            wrong[digest] = f"{faults[digest].what}, and {what}"
    for fault in blob_faults(snapshot, "wrong-digest", wrong):
        faults[fault.item] = fault
        # What the scan could not read of it is said with this.
        for name in snapshot.repositories:
            faults.pop(f"{name}@{fault.item}", None)
    for fault in blob_faults(snapshot, "unreadable", {digest: content.wrong[digest] for digest in content.unread}):
        faults.setdefault(fault.item, fault)
    found = sorted(faults.values())
    return Scrubbed(
        source=source.name,
        kind=source.kind,
        state=verdict(found),
        depth=depth,
        faults=tuple(found),
        repositories=len(snapshot.repositories),
        tags=sum(len(repository.tags) for repository in snapshot.repositories.values()),
        manifests=sum(len(repository.revisions) for repository in snapshot.repositories.values()),
        blobs=len(blobs),
        hashed=content.blobs,
        hashed_bytes=content.bytes,
    )


def _links(store: Store, base: str, snapshot: Snapshot, report: Report) -> Iterator[Fault]:
    """Read the links of layers, at which a scan does not look: a registry serves a layer only where its link holds
    its digest."""
    names = sorted(snapshot.repositories)
    for done, name in enumerate(names, 1):
        bad = {}
        paths = {
            digest: layout.layer_folder(base, name, digest) + "/link"
            for digest in snapshot.repositories[name].layer_links
        }
        store.expect(list(paths.values()), layout.MAX_LINK_BYTES)
        for digest, path in paths.items():
            try:
                body, _ = store.read(path, layout.MAX_LINK_BYTES)
            except FileNotFoundError:
                bad[digest] = "the file of the link is missing"
            except Unreadable as error:
                bad[digest] = f"the link {error}"
            except OSError as error:
                bad[digest] = f"the link cannot be read: {error.strerror}"
            else:
                if body != digest.encode():
                    bad[digest] = "the link is empty" if not body else "the link holds something else"
        images = affected(snapshot, bad)
        for digest, what in bad.items():
            mine = [ref for ref in images.get(digest, ()) if ref.startswith((f"{name}:", f"{name}@"))]
            yield Fault("broken-link", f"{name} link {digest}", what, tuple(mine))
        report(Progress("reading the links of layers", done, len(names)))


# ---- V1 ---------------------------------------------------------------------------------------------------

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


def scrub_v1(source: StorageV1, depth: Depth, now: int, grace: int, report: Report) -> Scrubbed:
    """See `prune.scrub.scrub.scrub`. An image is compared with the checksum that its push left, if there is one."""
    snapshot = source.scan(report)
    found = faults_of(snapshot, now=now, grace=grace)
    sizes = {id_: image.size for id_, image in snapshot.images.items() if not image.in_progress}
    chosen = {} if depth == "sizes" else sizes if depth == "full" else sample(sizes, str(now))
    hashed = size = 0
    wrong, unread = {}, {}
    for done, id_ in enumerate(chosen, 1):
        try:
            right = _is_what_it_was(source, id_)
        except FileNotFoundError:
            right = None  # the scan says so
        except (OSError, Unreadable) as error:
            unread[id_] = f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"
            right = None
        if right is not None:
            hashed += 1
            size += chosen[id_]
        if right is False:
            wrong[id_] = "is not what its checksum says"
        report(Progress("reading images", done, len(chosen)))
    found += blob_faults(snapshot, "wrong-digest", wrong) + blob_faults(snapshot, "unreadable", unread)
    return Scrubbed(
        source=source.name,
        kind=source.kind,
        state=verdict(found),
        depth=depth,
        faults=tuple(sorted(set(found))),
        repositories=len(snapshot.repositories),
        tags=sum(len(repository.tags) for repository in snapshot.repositories.values()),
        manifests=len(snapshot.images),
        blobs=len(snapshot.images),
        hashed=hashed,
        hashed_bytes=size,
    )


def _is_what_it_was(source: StorageV1, id_: Digest) -> bool | None:
    """Tell whether an image fits a checksum of its push; ``None`` when there is none to compare with.

    A checksum is the sha256 of the json, a line break and the layer (docker-registry 0.9, `checksums.py`); the other
    kind, tarsum, is over the files in the layer and not compared here.
    """
    folder = source.path(f"images/{id_}")
    sums = set(
        _CHECKSUM.findall(source.store.read(f"{folder}/_checksum", MAX_JSON_BYTES)[0].decode("ascii", "replace"))
    )
    if not sums:
        return None
    with_json = hashlib.sha256(source.store.read(f"{folder}/json", MAX_JSON_BYTES)[0] + b"\n")
    alone = hashlib.sha256()
    with contextlib.closing(source.store.stream(f"{folder}/layer")) as pieces:
        for piece in pieces:
            with_json.update(piece)
            alone.update(piece)
    return bool(sums & {f"sha256:{with_json.hexdigest()}", f"sha256:{alone.hexdigest()}"})
