"""From the items of a plan to single moves, in an order in which a registry never sees a broken image:
tags first, then the links of manifests, then layer links, then blobs or images, then uploads."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeGuard

import msgspec

from prune.model.digest import Digest
from prune.model.errors import Unreadable
from prune.model.plan import Deletions
from prune.model.snapshot import Snapshot
from prune.plan.drift import Skipped
from prune.sources.base import Source
from prune.sources.oci_layout.source import INDEX, OciLayout, blob_path
from prune.sources.storage_v1 import StorageV1
from prune.sources.storage_v2 import layout
from prune.sources.storage_v2.source import StorageV2
from prune.sources.stores.base import Store

type StorageSource = StorageV1 | StorageV2 | OciLayout

Kind = Literal[
    "layout-index",
    "repository",
    "tag",
    "tag-note",
    "index",
    "manifest",
    "layer-link",
    "image",
    "blob",
    "layout-blob",
    "upload",
    "throw-away",  # over an API: a manifest of ours that must not stay
    "sibling",  # over an API: another tag of an image, or the image itself, that must stay
]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One move into the trash. ``path`` is where it lies, relative to the store's root.

    ``item`` names it for people, ``expect`` is what must still be true of it (the digest of a tag, the size of a
    blob or layer), ``counts`` how many items of the plan it carries out, ``size`` the bytes that leave with it.
    ``content`` is the sha256 of the file that takes its place (only for an index).
    """

    kind: Kind
    item: str
    path: str
    expect: str = ""
    counts: int = 1
    size: int = 0
    content: str = ""


#: Moves between two entries of the journal, to begin with and at most. One fsync costs as much as some hundred moves.
BATCH = 256
MOST = 8192
#: Seconds that the moves between two entries should take: so long the registry may be held beyond its window.
WHILE = 0.25
#: Seconds after which moves are made durable, and a batch is ended, if nothing else asks for it before.
LATE = 1.0
#: Moves after which the clock is looked at.
LOOK = 64

#: What goes first. Within one kind the order is the plan's.
ORDER: tuple[Kind, ...] = (
    "layout-index",
    "repository",
    "tag",
    "tag-note",
    "index",
    "manifest",
    "layer-link",
    "image",
    "blob",
    "layout-blob",
    "upload",
)


#: What has a successor in its place, or goes with something else: there again, it tells nothing.
REWRITTEN: frozenset[Kind] = frozenset({"layout-index", "index", "tag-note"})


def folder_of(step: Step) -> str:
    """Return the folder that holds all of what moves: a step's own path, or the one around it for a single file."""
    single = step.kind in ("index", "tag-note") or (step.kind == "tag" and "/_manifests/tags/" not in step.path)
    return step.path.rpartition("/")[0] if single else step.path


def in_storage(source: Source) -> TypeGuard[StorageSource]:
    """Tell whether a cleanup of it moves files, on a disk or in a bucket, and asks no registry or engine."""
    return isinstance(source, StorageV1 | StorageV2 | OciLayout)


def steps_for(source: StorageSource, items: Deletions, snapshot: Snapshot) -> list[Step]:
    """Return the moves that carry ``items`` out, in their order."""
    match source:
        case StorageV1():
            steps = _v1(source, items, snapshot)
        case StorageV2():
            steps = _v2(source, items, snapshot)
        case OciLayout():
            steps = _layout(items)
    return sorted(steps, key=lambda step: ORDER.index(step.kind))


def _v2(source: StorageV2, items: Deletions, snapshot: Snapshot) -> list[Step]:
    base = source.base
    whole = set(items.repositories)
    inside = Counter(tag.repository for tag in items.tags)
    inside.update(manifest.repository for manifest in items.manifests)
    inside.update(link.repository for link in items.layer_links)
    steps = [
        step for name in items.repositories for step in _repository_v2(source, name, items, inside[name], snapshot)
    ]
    for tag in items.tags:
        if tag.repository not in whole:
            path = layout.tag_folder(base, tag.repository, tag.tag)
            steps.append(Step("tag", f"{tag.repository}:{tag.tag}", path, expect=tag.digest))
    for manifest in items.manifests:
        if manifest.repository not in whole:
            path = layout.revision_folder(base, manifest.repository, manifest.digest)
            steps.append(Step("manifest", f"{manifest.repository}@{manifest.digest}", path))
    for link in items.layer_links:
        if link.repository in whole:
            continue
        path = layout.layer_folder(base, link.repository, link.digest)
        steps.append(Step("layer-link", f"{link.repository} link {link.digest}", path))
    for blob in items.blobs:
        path = layout.blob_folder(base, blob.digest)
        steps.append(Step("blob", blob.digest, path, expect=str(blob.size), size=blob.size))
    for upload in items.uploads:
        if upload.repository not in whole:
            path = layout.upload_folder(base, upload.repository, upload.id)
            steps.append(Step("upload", f"{upload.repository} upload {upload.id}", path, size=upload.size))
    return steps


def _repository_v2(source: StorageV2, name: str, items: Deletions, inside: int, snapshot: Snapshot) -> list[Step]:
    """The folder as a whole; only its own parts when another repository lies below it. ``inside`` is how many items
    go with it, uploads apart."""
    folder = layout.repository_folder(source.base, name)
    uploads = [upload for upload in items.uploads if upload.repository == name]
    counts = 1 + inside
    size = sum(upload.size for upload in uploads)
    if not any(other.startswith(f"{name}/") for other in snapshot.repositories):
        return [Step("repository", name, folder, counts=counts + len(uploads), size=size)]
    parts = [
        Step("repository", name, f"{folder}/_manifests", counts=counts),
        Step("repository", name, f"{folder}/_layers", counts=0),
        Step("repository", name, f"{folder}/_uploads", counts=len(uploads), size=size),
    ]
    return [part for part in parts if source.store.kind(part.path) is not None]


def _v1(source: StorageV1, items: Deletions, snapshot: Snapshot) -> list[Step]:
    whole = set(items.repositories)
    steps = []
    for name in items.repositories:
        counts = 1 + sum(tag.repository == name for tag in items.tags)
        steps.append(Step("repository", name, source.path(f"repositories/{name}"), counts=counts))
    for tag in items.tags:
        if tag.repository not in whole:
            path = source.path(f"repositories/{tag.repository}/tag_{tag.tag}")
            step = Step("tag", f"{tag.repository}:{tag.tag}", path, expect=tag.digest)
            steps += (step, note_of(step))
    steps += [
        Step("image", image.id, source.path(f"images/{image.id}"), expect=str(image.size), size=image.size)
        # What is based on others first: at no moment is one of them missing.
        for image in sorted(items.images, key=lambda one: -len(snapshot.images[one.id].ancestry or ()))
    ]
    return steps


def _layout(items: Deletions) -> list[Step]:
    steps = [Step("repository", name, in_index(name)) for name in items.repositories]
    for tag in items.tags:
        name = f"{tag.repository}:{tag.tag}"
        steps.append(Step("tag", name, in_index(name), expect=tag.digest))
    for manifest in items.manifests:
        name = f"{manifest.repository}@{manifest.digest}"
        steps.append(Step("manifest", name, in_index(name)))
    for blob in items.blobs:
        steps.append(Step("layout-blob", blob.digest, blob_path(blob.digest), expect=str(blob.size), size=blob.size))
    return steps


_ENTRY = f"{INDEX}#"


def in_index(name: str) -> str:
    """Return the path of an entry of an OCI layout's index: no file of its own, it goes when the index is written."""
    return _ENTRY + name


def is_in_index(step: Step) -> bool:
    """Tell whether a step is carried out by writing the index of an OCI layout anew."""
    return step.path.startswith(_ENTRY)


def note_of(tag: Step) -> Step:
    """Return the step for the file in which V1 notes when a tag was written; it goes with the tag."""
    folder, _, name = tag.path.rpartition("/")
    return Step("tag-note", tag.item, f"{folder}/tag{name.removeprefix('tag_')}_json", counts=0)


def notes_left(source: StorageSource, moved: Mapping[str, Step]) -> list[Step]:
    """Return the notes of V1 tags that went right before a run was interrupted; ``moved`` is what went, by path."""
    if not isinstance(source, StorageV1):
        return []
    notes = [note_of(step) for step in moved.values() if step.kind == "tag"]
    return [note for note in notes if note.path not in moved]


def not_taken(skipped: Iterable[Skipped], taken: Iterable[Step]) -> list[Skipped]:
    """Return what of ``skipped`` is not simply gone because a run took it itself, before it was interrupted."""
    steps = list(taken)
    items = {step.item for step in steps}
    whole = tuple(
        f"{step.item}{mark}"
        for step in steps
        if step.kind == "repository"
        for mark in (":", "@", " upload ", " link ")
    )
    return [one for one in skipped if one.item not in items and not one.item.startswith(whole)]


#: The lists that docker-registry 0.x keeps of the images pushed to a repository.
INDEX_FILES = ("_index_images", "_images_list")
MAX_INDEX_BYTES = 64 * 1024 * 1024


class Rewrite(msgspec.Struct, frozen=True):
    """A list of images without those that go: the new bytes for the file at ``path``."""

    item: str
    path: str
    body: bytes


def index_rewrites(source: StorageSource, gone: Iterable[str], repositories: Iterable[str]) -> list[Rewrite]:
    """Return the lists of V1 repositories that name an image of ``gone``. One that cannot be read stays as it is."""
    if not isinstance(source, StorageV1):
        return []
    ids = set(gone)
    found = []
    for name in repositories if ids else ():
        for file in INDEX_FILES:
            path = source.path(f"repositories/{name}/{file}")
            try:
                old = msgspec.json.decode(source.store.read(path, MAX_INDEX_BYTES)[0])
            except (OSError, Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if not isinstance(old, list):
                continue
            new = [entry for entry in old if (entry.get("id") if isinstance(entry, dict) else entry) not in ids]
            if new != old:
                found.append(Rewrite(f"{name} {file}", path, msgspec.json.encode(new)))
    return found


#: What is a folder, and is moved as nothing else: whether it is there, the move itself tells.
FOLDERS: frozenset[Kind] = frozenset({"repository", "manifest", "layer-link", "upload", "blob", "image"})


def still_true(store: Store, step: Step) -> str:
    """Look at one item right before it moves; return why it must be left alone, or nothing. Those of `FOLDERS` are to
    be moved as folders."""
    match step.kind:
        case "tag":
            return _tag_moved(store, step)
        case "blob" | "layout-blob" | "image":
            return _content_changed(store, step)
        case "index" | "tag-note":
            return "" if store.kind(step.path) == "file" else "it is not there"
        case _:
            return ""


def _tag_moved(store: Store, step: Step) -> str:
    link = step.path if store.kind(step.path) == "file" else f"{step.path}/current/link"
    try:
        body, _ = store.read(link, layout.MAX_LINK_BYTES)
    except FileNotFoundError:
        return "it is gone already"
    except (Unreadable, NotADirectoryError) as error:
        return f"it cannot be read any more ({error})"
    points_at: Digest = body.decode("ascii", "replace").strip()
    return "" if points_at == step.expect else "it was moved a moment ago"


def content_of(step: Step, path: str) -> str:
    """Return the file that holds the bytes of a blob or image that lies at ``path``."""
    if step.kind == "layout-blob":
        return path
    return f"{path}/{'data' if step.kind == 'blob' else 'layer'}"


def _content_changed(store: Store, step: Step) -> str:
    try:
        size = store.stat(content_of(step, step.path)).size
    except FileNotFoundError:
        if step.kind == "image" and step.expect == "0" and store.kind(step.path) == "folder":
            size = 0
        else:
            return "it is gone already"
    except (Unreadable, NotADirectoryError) as error:
        return f"it cannot be read any more ({error})"
    if str(size) != step.expect:
        return "it has another size than planned"
    if step.kind == "image" and store.kind(f"{step.path}/_inprogress") is not None:
        return "it is being uploaded"
    return ""


class Pace:
    """How many moves are carried out at once: more where a disk is quick, so that it waits less for the journal."""

    def __init__(self) -> None:
        self.size = BATCH
        self._settled = time.monotonic()

    def took(self, seconds: float, moves: int) -> None:
        """Take note of how long so many moves took."""
        if seconds > WHILE:
            self.size = max(min(BATCH, self.size), self.size // 2)
        elif seconds < WHILE / 2 and moves >= self.size:
            self.size = min(2 * self.size, MOST)

    def settled(self) -> None:
        """Take note that everything so far is durable."""
        self._settled = time.monotonic()

    @property
    def late(self) -> bool:
        """Tell whether what was moved should be made durable now."""
        return time.monotonic() - self._settled > LATE


def batches(steps: list[Step], pace: Pace | None = None) -> Iterator[list[Step]]:
    """Yield steps of one kind, at most as many as ``pace`` says (``BATCH``) at a time: no blob moves before every
    link to it is settled."""
    pace = pace or Pace()
    batch: list[Step] = []
    for step in steps:
        with_index = is_in_index(step) and batch and batch[0].kind == "layout-index"
        if batch and not with_index and (step.kind != batch[0].kind or len(batch) >= pace.size):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch
