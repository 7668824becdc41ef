"""Registries on disk, made by hand: what a server of the kind would leave there, and what it would not."""

import hashlib
import json
import os
import time
from pathlib import Path

from prune.model.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MONTH = 30 * 86400


def sha256(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def write(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def age(root: Path, seconds: int = MONTH) -> None:
    """Make every file below ``root`` that old."""
    then = time.time() - seconds
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                os.utime(path, (then, then))


def tree(root: Path) -> dict[str, tuple]:
    """Everything below ``root`` but the trash: kind, mode, owner, and for files bytes and time."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".registryui")
        for name in [*folders, *files]:
            path = Path(folder, name)
            status = path.lstat()
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = ("link", os.readlink(path))
            elif path.is_dir():
                found[key] = ("folder", status.st_mode, status.st_uid)
            else:
                found[key] = ("file", status.st_mode, status.st_uid, status.st_mtime_ns, path.read_bytes())
    return found


def data_bytes(root: Path, name: str = "data") -> int:
    """The naive count: bytes of all data (V1: layer) files outside of the trash."""
    return sum(
        Path(folder, name).stat().st_size
        for folder, folders, files in os.walk(root)
        if name in files and ".registryui" not in Path(folder).parts
    )


class V2Store:
    """Writes distribution's layout below ``root``/docker/registry/v2."""

    def __init__(self, root: Path, base: str = "docker/registry/v2") -> None:
        self.root = root
        self.base = root / base if base else root
        for name in ("blobs", "repositories"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        self._number = 0

    @property
    def source(self) -> str:
        return f"storage:{self.root}"

    # ---- paths --------------------------------------------------------------------------------------------

    def blob_path(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self.base / "blobs" / algorithm / encoded[:2] / encoded / "data"

    def repository_path(self, repo: str) -> Path:
        return self.base / "repositories" / repo

    def tag_path(self, repo: str, tag: str) -> Path:
        return self.repository_path(repo) / "_manifests/tags" / tag / "current/link"

    def revision_path(self, repo: str, digest: str) -> Path:
        return self.repository_path(repo) / "_manifests/revisions" / digest.replace(":", "/") / "link"

    def layer_path(self, repo: str, digest: str) -> Path:
        return self.repository_path(repo) / "_layers" / digest.replace(":", "/") / "link"

    # ---- contents -----------------------------------------------------------------------------------------

    def blob(self, body: bytes, digest: str | None = None) -> str:
        digest = digest or sha256(body)
        write(self.blob_path(digest), body)
        return digest

    def layer(self, size: int = 1000) -> str:
        self._number += 1
        return self.blob(hashlib.shake_256(b"%d" % self._number).digest(size))

    def config(self, layers=(), platform: str = "linux/amd64", **more) -> bytes:
        self._number += 1
        system, architecture, *variant = platform.split("/")
        document = {
            "os": system,
            "architecture": architecture,
            "created": "2026-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer.encode()) for layer in layers]},
            "config": {"Labels": {"number": str(self._number)}},
            **more,
        }
        if variant:
            document["variant"] = variant[0]
        return json.dumps(document).encode()

    def image(self, repo: str, *tags: str, layers=(), platform="linux/amd64", subject=None, media_type=None) -> str:
        config = self.config(layers, platform)
        document = {
            "schemaVersion": 2,
            "mediaType": media_type or (OCI_MANIFEST if subject else DOCKER_MANIFEST),
            "config": {"mediaType": IMAGE_CONFIG, "digest": self.blob(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": d, "size": self.blob_path(d).stat().st_size} for d in layers],
        }
        if subject:
            document["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
        for digest in [document["config"]["digest"], *layers]:
            self.link_layer(repo, digest)
        return self.manifest(repo, document, *tags)

    def index(self, repo: str, *tags: str, children=(), platforms=()) -> str:
        entries = []
        for number, child in enumerate(children):
            entry = {"mediaType": OCI_MANIFEST, "digest": child, "size": 1}
            if number < len(platforms):
                system, architecture = platforms[number].split("/")
                entry["platform"] = {"os": system, "architecture": architecture}
            entries.append(entry)
        return self.manifest(repo, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, *tags)

    def manifest(self, repo: str, document, *tags: str) -> str:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = self.blob(body)
        self.link(repo, digest, *tags)
        (self.repository_path(repo) / "_layers").mkdir(parents=True, exist_ok=True)
        return digest

    def link(self, repo: str, digest: str, *tags: str) -> None:
        write(self.revision_path(repo, digest), digest.encode())
        for tag in tags:
            self.tag(repo, tag, digest)

    def tag(self, repo: str, tag: str, digest: str) -> None:
        write(self.tag_path(repo, tag), digest.encode())
        index = self.tag_path(repo, tag).parent.parent / "index" / digest.replace(":", "/") / "link"
        write(index, digest.encode())

    def link_layer(self, repo: str, digest: str) -> None:
        write(self.layer_path(repo, digest), digest.encode())

    def upload(self, repo: str, id_: str, body: bytes = b"x" * 50, started: str = "2026-01-01T00:00:00Z") -> Path:
        folder = self.repository_path(repo) / "_uploads" / id_
        write(folder / "data", body)
        write(folder / "startedat", started.encode())
        return folder


class V1Store:
    """Writes the layout of docker-registry 0.x below ``root``. Images are called by one letter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("images", "repositories"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._ancestry: dict[str, list[str]] = {}

    @property
    def source(self) -> str:
        return f"storage:{self.root}"

    @staticmethod
    def id(letter: str) -> str:
        return letter.lower() * 64

    def image(self, letter: str, parent: str | None = None, size: int = 1000) -> str:
        id_ = self.id(letter)
        ancestry = [id_, *(self._ancestry[parent] if parent else [])]
        self._ancestry[letter] = ancestry
        folder = self.root / "images" / id_
        document = {"id": id_, "created": "2014-01-01T00:00:00Z"}
        if parent:
            document["parent"] = self.id(parent)
        write(folder / "json", json.dumps(document).encode())
        write(folder / "ancestry", json.dumps(ancestry).encode())
        write(folder / "layer", letter.encode() * size)
        write(folder / "_checksum", b"[]")
        return id_

    def tag(self, repo: str, tag: str, letter: str) -> None:
        folder = self.root / "repositories" / repo
        write(folder / f"tag_{tag}", self.id(letter).encode())
        write(folder / f"tag{tag}_json", b'{"last_update": 1400000000, "docker_version": "0.9"}')

    def index(self, repo: str, *letters: str) -> None:
        """Write the lists that the push of an image leaves in its repository."""
        folder = self.root / "repositories" / repo
        listed = [{"id": self.id(letter), "checksum": f"sha256:{letter}"} for letter in letters]
        write(folder / "_index_images", json.dumps(listed).encode())
        write(folder / "_images_list", json.dumps([self.id(letter) for letter in letters]).encode())
        write(folder / "json", b"{}")


def seed_chain(store: V1Store, repo: str = "library/seed") -> None:
    """The seed's second picture: A <- B <- C <- D, version1 on C, version2 and latest on D."""
    _chain(store, repo, {"A": None, "B": "A", "C": "B", "D": "C"})


def seed_branch(store: V1Store, repo: str = "library/seed") -> None:
    """The seed's third picture: D is based on B, not on C."""
    _chain(store, repo, {"A": None, "B": "A", "C": "B", "D": "B"})


def _chain(store: V1Store, repo: str, images: dict[str, str | None]) -> None:
    for letter, parent in images.items():
        store.image(letter, parent)
    store.tag(repo, "version1", "C")
    store.tag(repo, "version2", "D")
    store.tag(repo, "latest", "D")
    store.index(repo, *images)
    age(store.root)
