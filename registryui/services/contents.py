"""What the engine read of one manifest, kept by digest, so that a page about one image reads that image only."""

from collections.abc import Iterable

import msgspec

from prune.model.manifest import ImageConfig, Manifest
from prune.model.snapshot import Snapshot, V1Image
from registryui.models import Manifest as Stored


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """A manifest with its config, or an image of V1 or of a Docker Engine."""

    manifest: Manifest | None = None
    config: ImageConfig | None = None
    image: V1Image | None = None


_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Content).decode


def packed(snapshot: Snapshot, digest: str) -> bytes:
    """Return what is kept of one digest of a snapshot."""
    image = snapshot.images.get(digest)
    if image is not None:
        # Who uses an image of an engine changes; what it consists of does not.
        return _encode(Content(image=msgspec.structs.replace(image, names=(), held_by=(), in_progress=False)))
    manifest = snapshot.manifests[digest]
    return _encode(Content(manifest, snapshot.configs.get(manifest.config.digest) if manifest.config else None))


def of_digests(digests: Iterable[str]) -> dict[str, Content]:
    """Return what is known of each digest, in one query; what was never read is missing."""
    rows = Stored.objects.filter(digest__in=list(digests), content__isnull=False).values_list("digest", "content")
    return {digest: _decode(bytes(body)) for digest, body in rows if body is not None}
