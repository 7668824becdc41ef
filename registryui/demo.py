"""Two small registries to look at: the old V1 graphs, and a V2 store with everything a modern one has in it."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from pathlib import Path

from prune.model.manifest import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
SBOM = "application/spdx+json"
DAY = 86400


def build_v1(root: Path) -> None:
    """Write a V1 store with two repositories. In ``library/seed-1`` the images A <- B <- C <- D follow each other;
    in ``library/seed-2`` D is based on B, so that C stands alone above it."""
    if root.exists():
        return
    making = root.with_name(root.name + ".new")
    shutil.rmtree(making, ignore_errors=True)
    for repository, digit, bases in (
        ("library/seed-1", "1", {"a": None, "b": "a", "c": "b", "d": "c"}),
        ("library/seed-2", "2", {"a": None, "b": "a", "c": "b", "d": "b"}),
    ):
        _chain(making, repository, digit, bases)
    _age(making, 60)
    making.rename(root)


def _chain(root: Path, repository: str, digit: str, bases: dict[str, str | None]) -> None:
    ancestry: dict[str, list[str]] = {}
    for number, (letter, base) in enumerate(bases.items()):
        id_ = (letter + digit) * 32
        ancestry[letter] = [id_, *(ancestry[base] if base else [])]
        image = root / "images" / id_
        document = {"id": id_, "created": f"2014-0{number + 1}-01T12:00:00Z", "os": "linux", "architecture": "amd64"}
        if base:
            document["parent"] = ancestry[base][0]
        _write(image / "json", json.dumps(document).encode())
        _write(image / "ancestry", json.dumps(ancestry[letter]).encode())
        _write(image / "layer", _layer(f"{repository} {letter}", 120_000 * (4 - number)))
        _write(image / "_checksum", b"[]")
    folder = root / "repositories" / repository
    for tag, letter in (("version1", "c"), ("version2", "d"), ("latest", "d")):
        _write(folder / f"tag_{tag}", ancestry[letter][0].encode())
        _write(folder / f"tag{tag}_json", b'{"last_update": 1400000000, "docker_version": "1.0.0", "os": "linux"}')
    _write(folder / "_index_images", json.dumps([{"id": ids[0]} for ids in ancestry.values()]).encode())
    _write(folder / "json", b'{"last_update": 1400000000}')


def build_v2(root: Path) -> None:
    """Write a V2 store: images on shared bases, one for two architectures, a signature and a bill of materials, a
    manifest whose tag moved on, and blobs that nothing refers to."""
    if root.exists():
        return
    making = root.with_name(root.name + ".new")
    shutil.rmtree(making, ignore_errors=True)
    store = _V2(making)
    debian = [store.layer("debian", 900_000)]
    python = [*debian, store.layer("python", 700_000)]
    arm = [store.layer("debian arm64", 880_000), store.layer("python arm64", 690_000)]
    store.image("base/debian", ["12", "latest"], debian, age=90)
    store.image("base/python", ["3.13"], python, age=80)
    web = [*python, store.layer("web dependencies", 420_000)]
    for minor in range(6):
        layers = [*web, store.layer(f"web 1.{minor}", 60_000 + 7_000 * minor)]
        tags = [f"1.{minor}", *(["latest"] if minor == 5 else [])]
        image = store.image("shop/web", tags, layers, age=60 - 9 * minor)
        if minor == 4:
            store.attach("shop/web", image, SBOM, b'{"spdxVersion": "SPDX-2.3", "name": "shop/web:1.4"}', age=24)
        if minor == 5:
            tag = str(image["digest"]).replace(":", "-") + ".sig"
            store.attach("shop/web", image, SIGNATURE, b'{"critical": {"type": "cosign"}}', tag=tag, age=15)
    store.image("shop/web", [], [*web, store.layer("web 1.5 before its fix", 61_000)], age=20)
    for version, age in (("2.0", 50), ("2.1", 12)):
        platforms = [
            store.image("shop/api", [], [*python, store.layer(f"api {version}", 310_000)], age=age),
            store.image("shop/api", [], [*arm, store.layer(f"api {version} arm64", 305_000)], "arm64", age=age),
        ]
        store.index("shop/api", version, platforms, age=age)
    store.image("tools/report", ["0.1"], [*debian, store.layer("report", 240_000)], age=300)
    store.image("tools/migrate", ["once"], [store.layer("migrate", 510_000)], age=400)
    for number in range(3):
        store.layer(f"left over {number}", 150_000 * (number + 1))
    store.finish()
    making.rename(root)


class _V2:
    def __init__(self, root: Path) -> None:
        self.base = root / "docker/registry/v2"
        self.ages: dict[Path, float] = {}
        (self.base / "repositories").mkdir(parents=True)

    def blob(self, body: bytes) -> dict[str, str | int]:
        encoded = hashlib.sha256(body).hexdigest()
        _write(self.base / "blobs/sha256" / encoded[:2] / encoded / "data", body)
        return {"digest": f"sha256:{encoded}", "size": len(body)}

    def layer(self, name: str, size: int) -> tuple[dict[str, str | int], str]:
        body = _layer(name, size)
        return {"mediaType": LAYER, **self.blob(gzip.compress(body, 1, mtime=0))}, (
            "sha256:" + hashlib.sha256(body).hexdigest()
        )

    def image(
        self,
        repository: str,
        tags: list[str],
        layers: list[tuple[dict[str, str | int], str]],
        architecture: str = "amd64",
        *,
        age: int,
    ) -> dict[str, str | int]:
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age * DAY))
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin"], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
        }
        descriptor = {"mediaType": CONFIG, **self.blob(json.dumps(config).encode())}
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor,
            "layers": [layer for layer, _ in layers],
        }
        made = self.manifest(repository, manifest, tags, age)
        for part in (descriptor, *(layer for layer, _ in layers)):
            self.link(self.base / "repositories" / repository / "_layers", str(part["digest"]), age)
        return {**made, "platform": {"os": "linux", "architecture": architecture}}  # type: ignore[dict-item]  # JSON

    def attach(
        self, repository: str, subject: dict[str, str | int], kind: str, body: bytes, *, tag: str = "", age: int
    ) -> None:
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", **self.blob(b"{}")}
        content = {"mediaType": kind, **self.blob(body)}
        manifest: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": empty,
            "layers": [content],
        }
        if not tag:
            manifest["subject"] = {key: subject[key] for key in ("mediaType", "digest", "size")}
        self.manifest(repository, manifest, [tag] if tag else [], age)
        for part in (empty, content):
            self.link(self.base / "repositories" / repository / "_layers", str(part["digest"]), age)

    def index(self, repository: str, tag: str, images: list[dict[str, str | int]], *, age: int) -> None:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}
        self.manifest(repository, document, [tag], age)

    def manifest(
        self, repository: str, document: dict[str, object], tags: list[str], age: int
    ) -> dict[str, str | int]:
        made = self.blob(json.dumps(document).encode())
        folder = self.base / "repositories" / repository / "_manifests"
        digest = str(made["digest"])
        self.link(folder / "revisions", digest, age)
        for tag in tags:
            self.link(folder / "tags" / tag / "index", digest, age)
            self.date(_write(folder / "tags" / tag / "current/link", digest.encode()), age)
        return {"mediaType": str(document["mediaType"]), **made}

    def link(self, folder: Path, digest: str, age: int) -> None:
        self.date(_write(folder / digest.replace(":", "/") / "link", digest.encode()), age)

    def date(self, path: Path, age: int) -> None:
        self.ages[path] = time.time() - age * DAY

    def finish(self) -> None:
        """Nothing here is fresh: blobs are as old as the oldest image, links as old as what they link."""
        _age(self.base, 400)
        for path, then in self.ages.items():
            os.utime(path, (then, then))


def _layer(name: str, size: int) -> bytes:
    """Return a tar with one file of bytes that do not compress."""
    content = hashlib.shake_256(name.encode()).digest(size)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("opt/" + name.replace(" ", "-"))
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _write(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def _age(root: Path, days: int) -> None:
    then = time.time() - days * DAY
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
