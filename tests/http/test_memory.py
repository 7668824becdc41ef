"""What a scan keeps of a registry: what images have in common is there once, and nothing changes by it."""

import hashlib
import json

from aiohttp import web

from prune.model.manifest import DOCKER_MANIFEST, ImageConfig, parse_manifest
from prune.sources.open import open_source
from prune.sources.registry_v2 import sharing

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_what_images_share_is_kept_once_and_everything_is_as_it_was_read(small, monkeypatch):
    monkeypatch.setattr(sharing, "MOST_REMEMBERED", 8)  # also when it forgets in between
    base = [digest(f"base {number}") for number in range(3)]
    configs, bodies = {}, {}
    for number in range(10):
        layers = [*base, digest(f"own {number}")]
        config = json.dumps({"os": "linux", "rootfs": {"diff_ids": layers}}).encode()
        configs[digest(config.decode())] = config
        body = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest(config.decode()), "size": len(config)},
            # One of them says something else of a layer that all have.
            "layers": [{"mediaType": LAYER, "digest": one, "size": 7 + (number == 9)} for one in layers],
        }
        bodies[f"v{number}"] = json.dumps(body).encode()
    small.repositories = {"app": bodies}

    def hook(request):
        name = request.path.rpartition("/")[2]
        return web.Response(body=configs[name]) if "/blobs/" in request.path else None

    small.hook = hook
    snapshot = open_source(small.url, concurrency=1).scan()  # what is forgotten depends on the order
    assert snapshot.manifests == {
        digest(body.decode()): parse_manifest(digest(body.decode()), body) for body in bodies.values()
    }
    assert snapshot.configs == {name: ImageConfig.parse(body) for name, body in configs.items()}
    kept = {id(manifest.layers[0]) for manifest in snapshot.manifests.values()}
    assert len(kept) < 10
    texts = {id(layer.media_type) for manifest in snapshot.manifests.values() for layer in manifest.layers}
    assert len(texts) < 10
