"""A large V2 store of made-up images, the same for the same numbers: teams with shared bases, chains of layers."""

import hashlib
import json
import os
import time
from pathlib import Path

from prune.model.manifest import DOCKER_MANIFEST

IMAGE_CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def generate(root: Path, *, tags: int = 10_000, repositories: int = 200, own_layers: int = 2) -> None:
    """Write ``tags`` images in ``repositories`` below ``root``: each has a base that its team shares (8 layers from
    a pool), a few layers that its repository shares, ``own_layers`` of its own, a config and a manifest. At the
    default numbers that is about 45,000 blobs. Layers are a few bytes: what counts is their number."""
    base = root / "docker/registry/v2"
    writer = _Writer(base)
    bases = [[writer.layer(f"base {family} {number}") for number in range(8)] for family in range(20)]
    for number in range(repositories):
        name = f"team{number % 20:02}/service{number:03}"
        common = [writer.layer(f"{name} common {part}") for part in range(3)]
        for version in range(tags // repositories):
            mine = [writer.layer(f"{name} {version} {part}") for part in range(own_layers)]
            layers = [*bases[number % 20], *common, *mine]
            writer.image(name, f"1.{version}", layers, f"{name} {version}")
        for garbage in range(tags // repositories // 4):
            writer.layer(f"{name} garbage {garbage}")


class _Writer:
    def __init__(self, base: Path) -> None:
        self.base = str(base)
        self.then = time.time() - 30 * 86400
        self.folders: set[str] = set()

    def file(self, path: str, body: bytes) -> None:
        folder = os.path.dirname(path)
        if folder not in self.folders:
            os.makedirs(folder, exist_ok=True)
            self.folders.add(folder)
        with open(path, "wb") as file:
            file.write(body)
        os.utime(path, (self.then, self.then))

    def blob(self, body: bytes) -> str:
        encoded = hashlib.sha256(body).hexdigest()
        path = f"{self.base}/blobs/sha256/{encoded[:2]}/{encoded}/data"
        if os.path.dirname(path) not in self.folders:
            self.file(path, body)
        return f"sha256:{encoded}"

    def layer(self, name: str) -> str:
        return self.blob(f"layer {name}".encode())

    def image(self, repo: str, tag: str, layers: list[str], name: str) -> None:
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": {"Labels": {"name": name}, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": ["sha256:" + hashlib.sha256(d.encode()).hexdigest() for d in layers],
                },
            }
        ).encode()
        digest = self.blob(config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": IMAGE_CONFIG, "size": len(config), "digest": digest},
            "layers": [{"mediaType": LAYER, "size": 20, "digest": layer} for layer in layers],
        }
        made = self.blob(json.dumps(manifest, indent=3).encode())
        here = f"{self.base}/repositories/{repo}"
        for blob in [digest, *layers]:
            path = f"{here}/_layers/sha256/{blob[7:]}/link"
            if os.path.dirname(path) not in self.folders:
                self.file(path, blob.encode())
        self.file(f"{here}/_manifests/revisions/sha256/{made[7:]}/link", made.encode())
        self.file(f"{here}/_manifests/tags/{tag}/current/link", made.encode())
        self.file(f"{here}/_manifests/tags/{tag}/index/sha256/{made[7:]}/link", made.encode())
