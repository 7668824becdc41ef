"""Manifests and image configs, decoded from the bytes a registry holds.

Formats: OCI image spec 1.1 (manifest.md, image-index.md, config.md), Docker image manifest V2 schema 2 and
schema 1 (read only), the ORAS artifact manifest. Everything here is bounded and typed; what does not fit the
format raises ``Unreadable`` and is never guessed at.
"""

from collections.abc import Container
from typing import Annotated, Literal, Self

import msgspec

from prune.model.digest import Digest, is_digest
from prune.model.errors import Unreadable

#: No registry accepts a larger manifest (distribution: maxManifestBodySize). In bytes.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CONFIG_BYTES = 8 * 1024 * 1024

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"

Kind = Literal["image", "index", "schema1"]

_KIND_OF: dict[str, Kind] = {
    OCI_MANIFEST: "image",
    DOCKER_MANIFEST: "image",
    OCI_ARTIFACT: "image",
    OCI_INDEX: "index",
    DOCKER_LIST: "index",
    SCHEMA1: "schema1",
    SCHEMA1_SIGNED: "schema1",
}


class Platform(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an image runs on, as an index or a config says it."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A pointer from a manifest to content: digest, size in bytes, media type."""

    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0)] = 0
    media_type: str = ""
    platform: Platform | None = None
    urls: tuple[str, ...] | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class _Fs(msgspec.Struct, frozen=True, rename={"blob_sum": "blobSum"}, gc=False):
    blob_sum: Digest


class _Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The union of every manifest format, as it stands in the JSON."""

    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    blobs: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    fs_layers: tuple[_Fs, ...] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One manifest, whatever its format. ``size`` is the length of its bytes.

    ``layers`` holds layers and artifact blobs; ``children`` the manifests of an index; ``subject`` the digest
    that this manifest refers to (OCI 1.1 referrers).
    """

    digest: Digest
    size: int
    kind: Kind
    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Digest | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = {}

    def blobs(self) -> list[Digest]:
        """Return the digests of the config and the layers, in order; never the children or the subject."""
        found = [layer.digest for layer in self.layers]
        if self.config is not None:
            found.insert(0, self.config.digest)
        return found

    def total_size(self) -> int:
        """Return the bytes of the manifest, its config and its layers, each digest counted once."""
        sizes = {layer.digest: layer.size for layer in self.layers}
        if self.config is not None:
            sizes[self.config.digest] = self.config.size
        return self.size + sum(sizes.values())


_decode_manifest = msgspec.json.Decoder(_Wire).decode


def parse_manifest(
    digest: Digest, body: bytes, media_type: str = "", *, proven: Container[Digest] = frozenset()
) -> Manifest:
    """Decode ``body``; ``media_type`` is what the registry said of it, used where the body itself is silent.

    ``proven`` are strings already known to be digests, for speed.

    Raises ``Unreadable`` for anything that is not one of the known formats, is too large, or points at something
    that is not a digest. Does not check ``digest`` against the body: whoever read the bytes does.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise Unreadable(f"is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        wire = _decode_manifest(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"is not a manifest: {error}") from None
    kind = _kind(wire, media_type)
    layers = wire.layers or wire.blobs or ()
    if wire.fs_layers:
        # Schema 1 repeats the empty layer; each digest counts once.
        layers = tuple(Descriptor(sum_) for sum_ in dict.fromkeys(fs.blob_sum for fs in wire.fs_layers))
    children = wire.manifests or ()
    for descriptor in (*layers, *children):
        if descriptor.digest not in proven and not is_digest(descriptor.digest):
            raise Unreadable(f"points at {descriptor.digest[:100]!r}, which is not a digest")
    for one in (wire.config, wire.subject):
        if one is not None and not is_digest(one.digest):
            raise Unreadable(f"points at {one.digest[:100]!r}, which is not a digest")
    return Manifest(
        digest=digest,
        size=len(body),
        kind=kind,
        media_type=wire.media_type
        or media_type
        or {"index": OCI_INDEX, "image": OCI_MANIFEST, "schema1": SCHEMA1}[kind],
        config=wire.config,
        layers=layers,
        children=children,
        subject=wire.subject.digest if wire.subject else None,
        artifact_type=wire.artifact_type,
        annotations=wire.annotations or {},
    )


def _kind(wire: _Wire, media_type: str) -> Kind:
    said = wire.media_type or media_type
    kind = _KIND_OF.get(said)
    if kind is None and said and wire.schema_version != 2:
        raise Unreadable(f"has the unknown media type {said[:100]!r}")
    shape: Kind | None = None
    if wire.manifests is not None:
        shape = "index"
    elif wire.fs_layers is not None and wire.schema_version == 1:
        shape = "schema1"
    elif wire.layers is not None or wire.blobs is not None or wire.config is not None:
        shape = "image"
    if shape is None and kind == "image" and said == OCI_ARTIFACT:
        shape = "image"  # an artifact without blobs is legal
    if shape is None:
        raise Unreadable("has neither layers nor manifests")
    if wire.manifests is not None and (wire.layers or wire.config is not None or wire.fs_layers):
        # CVE-2021-41190: a document that is both; two readers would see two different images.
        raise Unreadable("is both an image and an index")
    if kind is not None and kind != shape:
        raise Unreadable(f"says it is {said} but has the form of an {shape}")
    return shape


class _RootFs(msgspec.Struct, frozen=True, gc=False):
    diff_ids: tuple[str, ...] = ()


class _ContainerConfig(msgspec.Struct, frozen=True, rename={"labels": "Labels"}, gc=False):
    labels: dict[str, str] | None = None


class _ConfigWire(msgspec.Struct, frozen=True, gc=False):
    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: str | None = None
    rootfs: _RootFs | None = None
    config: _ContainerConfig | None = None


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the graph and the policies need of an image's config. ``created`` is the text as it stands there."""

    platform: Platform
    diff_ids: tuple[str, ...] = ()
    created: str = ""
    labels: dict[str, str] = {}

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Decode a config; raise ``Unreadable`` when it is none."""
        if len(body) > MAX_CONFIG_BYTES:
            raise Unreadable(f"is larger than {MAX_CONFIG_BYTES} bytes")
        try:
            wire = _decode_config(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"is not an image config: {error}") from None
        return cls(
            platform=Platform(wire.os, wire.architecture, wire.variant),
            diff_ids=wire.rootfs.diff_ids if wire.rootfs else (),
            created=wire.created or "",
            labels=(wire.config.labels if wire.config else None) or {},
        )


_decode_config = msgspec.json.Decoder(_ConfigWire).decode

#: Configs of these types describe an image and carry a chain of layers; any other belongs to an artifact.
IMAGE_CONFIG_TYPES = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
