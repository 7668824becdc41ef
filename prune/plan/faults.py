"""What is damaged in a registry, as far as a scan shows it: what is missing, does not fit together, or was left over.

Nothing here decides about deletion; it says what pulls break, and where.
"""

import re
from typing import Literal, get_args

import msgspec

from prune.graph.affected import affected
from prune.graph.reach import blobs_of
from prune.model.digest import Digest, short
from prune.model.manifest import Manifest
from prune.model.snapshot import Problem, Repository, Snapshot
from prune.plan.verification import broken_blobs
from prune.plan.words import counted, listed

#: Seconds. What is younger may be a push under way.
GRACE = 86400

Kind = Literal[
    "missing-blob",
    "wrong-digest",
    "wrong-size",
    "broken-tag",
    "broken-index",
    "broken-link",
    "unreadable",
    "orphaned-upload",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: With these something cannot be pulled, or is not what it says it is.
DAMAGE: frozenset[Kind] = frozenset(KINDS) - {"unreadable", "orphaned-upload"}


class Fault(msgspec.Struct, frozen=True, order=True):
    """One thing that is not as it should be. ``item`` is a digest, ``repository:tag``, ``repository@digest`` or a
    path; ``images`` are the references whose pull it breaks or spoils."""

    kind: Kind
    item: str
    what: str
    images: tuple[str, ...] = ()


def faults_of(snapshot: Snapshot, *, now: int, grace: int = GRACE) -> list[Fault]:
    """Return what a scan of storage shows to be damaged or left over, sorted. ``now`` is in seconds, UTC; uploads
    younger than ``grace`` seconds are somebody's push. Content is not looked at: what a digest says is not known."""
    found = _Finding(snapshot, now - grace)
    if snapshot.by_image:
        found.v1()
    else:
        found.v2()
    return sorted(found.faults)


def verdict(faults: list[Fault]) -> Literal["good", "bad", "unknown"]:
    """Return ``bad`` when something is damaged, ``unknown`` when something could not be read, else ``good``."""
    if any(fault.kind in DAMAGE for fault in faults):
        return "bad"
    return "unknown" if any(fault.kind == "unreadable" for fault in faults) else "good"


def blob_faults(snapshot: Snapshot, kind: Kind, what: dict[Digest, str]) -> list[Fault]:
    """Return a fault of ``kind`` for each blob of ``what``, with the images that need it."""
    images = affected(snapshot, what)
    return [Fault(kind, digest, what[digest], tuple(images.get(digest, ()))) for digest in sorted(what)]


def wrong_sizes(snapshot: Snapshot, sizes: dict[Digest, int]) -> dict[Digest, str]:
    """Return, by digest, where manifests give another size than a blob of ``sizes`` has."""
    found: dict[Digest, str] = {}
    for manifest in snapshot.manifests.values():
        if manifest.kind == "schema1":
            continue  # says no sizes
        for part in (*manifest.layers, *manifest.children, *([manifest.config] if manifest.config else ())):
            size = sizes.get(part.digest)
            if size is not None and size != part.size:
                found[part.digest] = f"has {size} bytes, and {short(manifest.digest)} says {part.size}"
    return found


_PATH_OF_TAG = re.compile(r"/repositories/(?P<name>.+)/_manifests/tags/(?P<tag>[^/]+)")
_AT_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")


class _Finding:
    def __init__(self, snapshot: Snapshot, limit: int) -> None:
        self.snapshot = snapshot
        self.limit = limit
        self.layout = snapshot.kind == "oci-layout"
        self.faults: set[Fault] = set()
        self.explained: set[Digest] = set()
        """Manifests of which a fault says already what is wrong."""

    def add(self, kind: Kind, item: str, what: str, images: tuple[str, ...] = ()) -> None:
        self.faults.add(Fault(kind, item, what, images))

    # ---- V2 -----------------------------------------------------------------------------------------------

    def v2(self) -> None:
        snapshot = self.snapshot
        missing = broken_blobs(snapshot)
        self.explained |= missing
        self.faults.update(blob_faults(snapshot, "missing-blob", dict.fromkeys(missing, "is missing")))
        sizes = {digest: blob.size for digest, blob in (snapshot.blobs or {}).items()}
        self.faults.update(blob_faults(snapshot, "wrong-size", wrong_sizes(snapshot, sizes)))
        for name, repository in snapshot.repositories.items():
            self.tags(name, repository)
            self.manifests(name, repository)
            for upload in repository.uploads:
                self.upload(f"{name} upload {upload.id}", upload.size, upload.time)
        for problem in snapshot.problems:
            archive = self.layout and problem.where == "manifest.json"
            if problem.blocks != "nothing" and not archive:  # an archive is not cleaned, and whole all the same
                self.problem(problem)

    def tags(self, name: str, repository: Repository) -> None:
        for tag, digest in repository.tags.items():
            where = f"{name}:{tag}"
            if digest not in repository.revisions:
                what = f"points at {short(digest)}, which this repository does not serve"
                self.add("broken-tag", where, what, (where,))

    def manifests(self, name: str, repository: Repository) -> None:
        """Find indexes without their children, and images without the links by which their layers are served."""
        bare: dict[Digest, str] = {}
        for digest in repository.revisions:
            manifest = self.snapshot.manifests.get(digest)
            if manifest is None:
                continue
            self._index(name, repository, manifest)
            if self.layout:
                continue  # a layout has no links
            foreign = {layer.digest for layer in manifest.layers if layer.urls}
            for blob in blobs_of(digest, self.snapshot.manifests) - {digest} - foreign:
                if manifest.kind != "index" and blob not in repository.layer_links:
                    bare[blob] = "is not linked in this repository, and so cannot be pulled from it"
        images = affected(self.snapshot, bare)
        for digest, what in bare.items():
            mine = tuple(ref for ref in images.get(digest, ()) if ref.startswith((f"{name}:", f"{name}@")))
            self.add("broken-link", f"{name} link {digest}", what, mine)

    def _index(self, name: str, repository: Repository, manifest: Manifest) -> None:
        served = (self.snapshot.blobs or {}) if self.layout else repository.revisions
        absent = [child for child in manifest.children if child.digest not in served]
        if absent:
            names = [
                f"{short(child.digest)} ({child.platform})" if child.platform else short(child.digest)
                for child in absent
            ]
            where = "this layout does not hold" if self.layout else "this repository does not serve"
            what = f"contains {counted(len(absent), 'manifest')} that {where}: {listed(names)}"
            images = affected(self.snapshot, (manifest.digest,)).get(manifest.digest, [])
            mine = tuple(ref for ref in images if ref.startswith((f"{name}:", f"{name}@")))
            self.add("broken-index", f"{name}@{manifest.digest}", what, mine)

    def upload(self, item: str, size: int, time: int | None) -> None:
        if time is None:
            self.add("orphaned-upload", item, f"holds {size} bytes, and nobody can tell when it began")
        elif time <= self.limit:
            days = max(1, (self.limit + GRACE - time) // 86400)
            self.add("orphaned-upload", item, f"holds {size} bytes and was left {counted(days, 'day')} ago")

    def problem(self, problem: Problem) -> None:
        """Take in what the scan itself could not read."""
        digest = _AT_DIGEST.search(problem.where)
        path = _PATH_OF_TAG.search("/" + problem.where)
        if digest is not None:
            if digest[1] not in self.explained:
                images = affected(self.snapshot, (digest[1],)).get(digest[1], ())
                self.add("unreadable", f"{problem.repository}@{digest[1]}", problem.what, tuple(images))
        elif path is not None:
            where = f"{path['name']}:{path['tag']}"
            file = "/".join(problem.where.split("/")[-2:])
            self.add("broken-tag", where, f"{file} {problem.what}", (where,))
        elif self.layout and problem.where == "index.json" and not problem.what.startswith("cannot be read"):
            self.add("broken-index", problem.where, problem.what)
        elif problem.where.endswith("/link"):
            self.add("broken-link", problem.where, problem.what)
        else:
            self.add("unreadable", problem.where, problem.what)

    # ---- V1 -----------------------------------------------------------------------------------------------

    def v1(self) -> None:
        snapshot = self.snapshot
        odd = {problem.where.split("/")[-2] for problem in snapshot.problems if "/" in problem.where}
        images = affected(snapshot, odd & snapshot.images.keys())
        for id_, image in snapshot.images.items():
            if image.in_progress:
                self.upload(f"image {id_}", image.size, image.time)
        for problem in snapshot.problems:
            folder, _, file = problem.where.rpartition("/")
            id_ = folder.rpartition("/")[2]
            if file.startswith("tag_"):
                where = f"{'/'.join(folder.split('/')[-2:])}:{file.removeprefix('tag_')}"
                self.add("broken-tag", where, problem.what, (where,))
            elif file in ("layer", "ancestry", "json") and id_ in snapshot.images:
                kind: Kind = "missing-blob" if problem.what == "is missing" else "unreadable"
                self.add(kind, f"{id_} {file}", problem.what, tuple(images.get(id_, ())))
            elif problem.blocks != "nothing":
                self.add("unreadable", problem.where, problem.what)
