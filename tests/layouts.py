"""OCI layouts made by hand, with real layers, for skopeo to push."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from prune.model.manifest import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Layout:
    """An OCI layout; tags are names in its index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self._entries: list[dict] = []

    @property
    def source(self) -> str:
        return f"oci:{self.root}"

    def path(self, digest: str) -> Path:
        return self.root / "blobs" / digest.replace(":", "/")

    def blob(self, body: bytes) -> dict:
        encoded = hashlib.sha256(body).hexdigest()
        (self.root / "blobs/sha256" / encoded).write_bytes(body)
        return {"digest": f"sha256:{encoded}", "size": len(body)}

    def layer(self, name: str, size: int = 2000) -> tuple[dict, str]:
        """A layer with one file of bytes that do not compress; descriptor and diff id."""
        content = hashlib.shake_256(name.encode()).digest(size)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            info = tarfile.TarInfo(f"data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        body = packed.getvalue()
        compressed = gzip.compress(body, mtime=0)
        return {"mediaType": LAYER, **self.blob(compressed)}, "sha256:" + hashlib.sha256(body).hexdigest()

    def image(self, *layers: tuple[dict, str], tag: str | None = None, architecture: str = "amd64", **labels) -> dict:
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
            "history": [{"created_by": "test"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, **self.blob(json.dumps(config).encode())},
            "layers": [descriptor for descriptor, _ in layers],
        }
        made = {"mediaType": OCI_MANIFEST, **self.blob(json.dumps(manifest).encode())}
        made["platform"] = {"os": "linux", "architecture": architecture}
        self._tag(made, tag)
        return made

    def index(self, *images: dict, tag: str | None) -> dict:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(images)}
        made = {"mediaType": OCI_INDEX, **self.blob(json.dumps(document).encode())}
        self._tag(made, tag)
        return made

    def artifact(self, subject: dict, name: str, tag: str | None = None, *, entry: bool = True) -> dict:
        """Something that refers to ``subject``, as a signature does."""
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/x.test",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **self.blob(b"{}")},
            "layers": [{"mediaType": "text/plain", **self.blob(name.encode())}],
            "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
        }
        made = {"mediaType": OCI_MANIFEST, **self.blob(json.dumps(document).encode())}
        if tag is None and entry:
            self.entry(made)
        self._tag(made, tag)
        return made

    def entry(self, descriptor: dict) -> None:
        """Add an entry to the index, with a name only if the descriptor has one."""
        self._entries.append(descriptor)
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._entries}
        (self.root / "index.json").write_text(json.dumps(document))

    def _tag(self, descriptor: dict, tag: str | None) -> None:
        if tag is not None:
            self.entry({**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})
