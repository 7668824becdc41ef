"""The source `storage-v1`: what docker-registry 0.x left on disk, the kind of store where no image is ever deleted.

Layout (docker-registry 0.9, `docker_registry/core/driver.py`): ``images/<id>/{json,ancestry,layer,_inprogress,…}``
and ``repositories/<namespace>/<name>/{tag_<tag>,tag<tag>_json,_index_images,…}``. Nothing here writes.
"""

import re
from collections.abc import Iterator

import msgspec

from prune.graph.v1 import with_ancestors
from prune.model.errors import Unreadable
from prune.model.snapshot import LEFT_ALONE, Problem, Repository, Snapshot, SourceKind, V1Image
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.stores.base import Entry, Store

MAX_TAG_BYTES = 4096
MAX_JSON_BYTES = 4 * 1024 * 1024

#: Images that a store may fetch the small files of at once, and hold until they are read.
READ_AHEAD = 256
_SMALL = ("json", "ancestry")

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
is_image_id = _ID.fullmatch

_NO_IMAGE = "no image of this store may be deleted: it could be based on any of them"
_NOT_THIS = "nothing of this repository and no image of the store may be deleted"
_NOT_ANY = "nothing in this store may be deleted"
_HARMLESS = "no effect on deletion"


class _Json(msgspec.Struct):
    created: str = ""


_decode_json = msgspec.json.Decoder(_Json).decode
_decode_ancestry = msgspec.json.Decoder(tuple[str, ...]).decode


class StorageV1:
    """A V1 layout at ``base`` of ``store`` (empty for the root)."""

    kind: SourceKind = "storage-v1"
    capabilities = Capabilities(
        lists_untagged=True,
        lists_blobs=True,
        deletes_tags=True,
        deletes_manifests=False,
        sweeps=True,
        has_trash=True,
        knows_push_times=True,
        needs_control=True,
    )

    def __init__(self, store: Store, base: str, name: str) -> None:
        self.store = store
        self.base = base
        self.name = name

    def path(self, path: str) -> str:
        """Return a path of the layout as a path of the store."""
        return f"{self.base}/{path}" if self.base else path

    def scan(self, report: Report = silent, *, known: Snapshot | None = None, configs: bool = True) -> Snapshot:
        """See ``Source``. ``known`` and ``configs`` are of no use here: there is no content by digest."""
        return _Scan(self, report).run()

    def read_blob(self, digest: str, limit: int) -> bytes:
        """Return the layer of the image with that id; see ``Source``."""
        return self._read(digest, "layer", limit)

    def read_config(self, image: str, limit: int) -> bytes:
        """See ``ByImage``."""
        return self._read(image, "json", limit)

    def _read(self, image: str, what: str, limit: int) -> bytes:
        if not is_image_id(image):
            raise Unreadable(f"{image[:100]!r} is not an image id")
        try:
            return self.store.read(self.path(f"images/{image}/{what}"), limit)[0]
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from None


class _Scan:
    """One scan: images first, then the repositories whose tags point at them."""

    def __init__(self, source: StorageV1, report: Report) -> None:
        self.source = source
        self.store = source.store
        self.report = report
        self.images: dict[str, V1Image] = {}
        self.problems: list[Problem] = []

    def run(self) -> Snapshot:
        try:
            with self.source.store.together([self.source.path("images"), self.source.path("repositories")]) as store:
                self.store = store
                return self.read()
        except OSError as error:
            problem = Problem(
                self.source.base or "the store", f"cannot be listed: {error.strerror}", _NOT_ANY, "store"
            )
            return Snapshot(source=self.source.name, kind=self.source.kind, problems=(problem,))

    def read(self) -> Snapshot:
        if all(self.store.kind(self.source.path(folder)) is None for folder in ("images", "repositories")):
            # A bucket keeps no empty folders. One of the two without the other is another matter.
            return Snapshot(source=self.source.name, kind=self.source.kind)
        tags = self.repositories()
        self.read_images()
        repositories = {name: self.repository(name, *found) for name, found in sorted(tags.items())}
        if remark := self.store.remark():
            self.note(self.source.name, remark)
        return Snapshot(
            source=self.source.name,
            kind=self.source.kind,
            repositories=repositories,
            images=self.images,
            problems=tuple(sorted(set(self.problems))),
        )

    def note(self, where: str, what: str, effect: str = _HARMLESS, repository: str | None = None) -> None:
        self.problems.append(Problem(where, what, effect, "nothing", repository))

    def block(self, where: str, what: str, repository: str | None = None) -> None:
        """No image may go; with a repository, nothing of that one either."""
        effect = _NO_IMAGE if repository is None else _NOT_THIS
        self.problems.append(Problem(where, what, effect, "repository", repository))

    def entries(self, folder: str) -> list[Entry]:
        try:
            return self.store.entries(folder)
        except OSError as error:
            self.problems.append(Problem(folder, f"cannot be read: {error.strerror}", _NOT_ANY, "store"))
            return []

    # ---- images -------------------------------------------------------------------------------------------

    def read_images(self) -> None:
        folder = self.source.path("images")
        ids = []
        for entry in self.entries(folder):
            where = f"{folder}/{entry.name}"
            if entry.kind == "other":
                self.block(where, "is a symbolic link or something else that is not followed")
            elif entry.kind == "file" or not is_image_id(entry.name):
                self.note(where, "does not belong here", LEFT_ALONE)
            else:
                ids.append(entry.name)
        for done, id_ in enumerate(ids, 1):
            if done % READ_AHEAD == 1:
                ahead = [f"{folder}/{one}/{file}" for one in ids[done - 1 : done - 1 + READ_AHEAD] for file in _SMALL]
                self.store.expect(ahead, MAX_JSON_BYTES)
            self.images[id_] = self.image(id_, f"{folder}/{id_}")
            if done % 200 == 0 or done == len(ids):
                self.report(Progress("reading images", done, len(ids)))
        for id_, image in list(self.images.items()):
            absent = [one for one in image.ancestry or () if one not in self.images]
            if absent:
                self.block(f"{folder}/{id_}/ancestry", f"names {absent[0][:12]}, which is not in this store")
                self.images[id_] = msgspec.structs.replace(image, ancestry=None)

    def image(self, id_: str, folder: str) -> V1Image:
        names = {entry.name for entry in self.entries(folder)}
        times: list[int] = []
        size = 0
        created = ""
        ancestry = None
        try:
            layer = self.store.stat(f"{folder}/layer")
            size = layer.size
            times.append(layer.time)
        except FileNotFoundError:
            if "_inprogress" not in names:
                self.note(f"{folder}/layer", "is missing", "this image cannot be pulled")
        except (OSError, Unreadable) as error:
            self.block(f"{folder}/layer", _why(error))
        try:
            body, stat = self.store.read(f"{folder}/json", MAX_JSON_BYTES)
            times.append(stat.time)
            created = created_in(body)
        except (OSError, Unreadable) as error:
            self.note(f"{folder}/json", _why(error), "its age is not known")
        try:
            body, stat = self.store.read(f"{folder}/ancestry", MAX_JSON_BYTES)
            times.append(stat.time)
            ancestry = parse_ancestry(id_, body)
        except (OSError, Unreadable) as error:
            self.block(f"{folder}/ancestry", _why(error))
        return V1Image(
            id=id_,
            ancestry=ancestry,
            size=size,
            time=max(times, default=None),
            in_progress="_inprogress" in names,
            created=created,
        )

    # ---- repositories -------------------------------------------------------------------------------------

    def repositories(self) -> dict[str, tuple[dict[str, str], dict[str, int], bool]]:
        """Return by name: tags, their times, and whether all of them could be read."""
        root = self.source.path("repositories")
        found = {}
        for namespace in self.folders(root):
            for name in self.folders(f"{root}/{namespace}"):
                found[f"{namespace}/{name}"] = self.tags(f"{namespace}/{name}", f"{root}/{namespace}/{name}")
                self.report(Progress("reading repositories", len(found)))
        return found

    def folders(self, folder: str) -> Iterator[str]:
        for entry in self.entries(folder):
            where = f"{folder}/{entry.name}"
            if entry.kind == "folder":
                yield entry.name
            elif entry.kind == "file":
                self.note(where, "does not belong here", LEFT_ALONE)
            else:
                what = "is a symbolic link or something else that is not followed"
                self.problems.append(Problem(where, what, _NOT_ANY, "store"))

    def tags(self, name: str, folder: str) -> tuple[dict[str, str], dict[str, int], bool]:
        tags: dict[str, str] = {}
        times: dict[str, int] = {}
        complete = True
        entries = self.entries(folder)
        self.store.expect([f"{folder}/{one.name}" for one in entries if one.name.startswith("tag_")], MAX_TAG_BYTES)
        for entry in entries:
            where = f"{folder}/{entry.name}"
            if entry.kind == "folder":
                self.note(where, "does not belong here", LEFT_ALONE, name)
                continue
            if not entry.name.startswith("tag_") and entry.kind == "file":
                continue
            try:
                body, stat = self.store.read(where, MAX_JSON_BYTES)
                text = body.decode("utf-8").strip()
                # The json of a tag `_x` is named like the tag `x_json`; what stands in it tells them apart.
                if entry.name.endswith("_json") and text.startswith("{"):
                    continue
                if len(body) > MAX_TAG_BYTES or not is_image_id(text):
                    raise Unreadable("is empty" if not text else f"holds {text[:80]!r}, which is no image id")
            except (OSError, Unreadable, UnicodeDecodeError) as error:
                self.block(where, _why(error), name)
                complete = False
                continue
            tag = entry.name[len("tag_") :]
            tags[tag], times[tag] = text, stat.time
        return tags, times, complete

    def repository(self, name: str, tags: dict[str, str], times: dict[str, int], complete: bool) -> Repository:
        for tag, id_ in tags.items():
            where = f"{self.source.path('repositories')}/{name}/tag_{tag}"
            if id_ not in self.images:
                self.block(where, f"points at {id_[:12]}, which is not in this store", name)
                complete = False
                continue
            for one in sorted(with_ancestors((id_,), self.images)):
                image = self.images.get(one)
                if image is None or image.ancestry is None:
                    self.block(where, f"needs {one[:12]}, of which the ancestry cannot be read", name)
                    complete = False
                    break
        return Repository(name=name, tags=tags, tag_times=times, complete=complete)


def created_in(body: bytes) -> str:
    """Return when an image was made, as its JSON says; raise ``Unreadable`` when that cannot be understood."""
    try:
        return _decode_json(body).created
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"cannot be understood: {error}") from None


def parse_ancestry(id_: str, body: bytes) -> tuple[str, ...]:
    """Return the image ``id_`` and all that it is based on; raise ``Unreadable`` for anything but that."""
    try:
        ids = _decode_ancestry(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("is not a list of image ids") from None
    if not ids or ids[0] != id_:
        raise Unreadable("does not begin with the image itself")
    if len(set(ids)) != len(ids):
        raise Unreadable("names an image twice")
    if not all(map(is_image_id, ids)):
        raise Unreadable("holds something that is no image id")
    return ids


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return str(error)
