"""What the last scan knows of one image."""

from typing import NamedTuple

from prune.graph.images import ImageGraph
from prune.model.manifest import Descriptor
from prune.model.snapshot import Snapshot
from registryui.models import Registry
from registryui.services import scans


class Layer(NamedTuple):
    """One layer: digest or image id, bytes, and in how many images of this registry it is."""

    digest: str
    size: int
    images: int


class Relative(NamedTuple):
    """Another image, and the tags by which people know it."""

    digest: str
    tags: tuple[str, ...]


class Description(NamedTuple):
    """An image as its page shows it. ``layers`` stand in order, the base first."""

    kind: str
    media_type: str
    platform: str
    created: str
    labels: dict[str, str]
    layers: tuple[Layer, ...]
    members: tuple[tuple[str, str], ...]
    base: Relative | None
    based_on_it: tuple[Relative, ...]
    subject: str
    referrers: tuple[str, ...]


def describe(registry: Registry, digest: str) -> Description | None:
    """Return what is known of ``digest``; ``None`` when the last scan did not see it."""
    snapshot = scans.latest_snapshot(registry)
    graph = scans.latest_graph(registry)
    if snapshot is None or graph is None:
        return None
    if digest in snapshot.images:
        return _v1(snapshot, graph, digest)
    return _v2(snapshot, graph, digest) if digest in snapshot.manifests else None


def _v1(snapshot: Snapshot, graph: ImageGraph, id_: str) -> Description:
    image = snapshot.images[id_]
    shared: dict[str, int] = {}
    for other in snapshot.images.values():
        for one in other.ancestry or (other.id,):
            shared[one] = shared.get(one, 0) + 1
    ancestry = [one for one in reversed(image.ancestry or (id_,)) if one in snapshot.images]
    base, above = _relatives(graph, id_)
    return Description(
        kind="V1 image",
        media_type="",
        platform="",
        created=image.created,
        labels={},
        layers=tuple(Layer(one, snapshot.images[one].size, shared[one]) for one in ancestry),
        members=(),
        base=base,
        based_on_it=above,
        subject="",
        referrers=(),
    )


def _v2(snapshot: Snapshot, graph: ImageGraph, digest: str) -> Description:
    manifest = snapshot.manifests[digest]
    config = snapshot.configs.get(manifest.config.digest) if manifest.config else None
    wanted = {layer.digest for layer in manifest.layers}
    shared: dict[str, int] = {}
    for other in snapshot.manifests.values():
        for one in {layer.digest for layer in other.layers} & wanted:
            shared[one] = shared.get(one, 0) + 1
    base, above = _relatives(graph, digest)
    return Description(
        kind={"image": "image", "index": "multi-platform index", "schema1": "image (schema 1)"}[manifest.kind],
        media_type=manifest.media_type,
        platform=str(config.platform) if config else "",
        created=config.created if config else "",
        labels=config.labels if config else {},
        layers=tuple(Layer(layer.digest, layer.size, shared.get(layer.digest, 1)) for layer in manifest.layers),
        members=tuple((child.digest, _platform(child)) for child in manifest.children),
        base=base,
        based_on_it=above,
        subject=manifest.subject or "",
        referrers=tuple(sorted(d for d, other in snapshot.manifests.items() if other.subject == digest)),
    )


def _platform(child: Descriptor) -> str:
    return str(child.platform) if child.platform else ""


def _relatives(graph: ImageGraph, digest: str) -> tuple[Relative | None, tuple[Relative, ...]]:
    """Return what an image is based on and what is based on it, anywhere in the registry."""
    node = next((node for node in graph.nodes.values() if digest in node.ids), None)
    if node is None:
        return None, ()

    def relative(key: str) -> Relative:
        other = graph.nodes[key]
        return Relative(other.ids[0], tuple(f"{name}:{tag}" for name, tag in other.tags))

    above = graph.children().get(node.key, [])
    return (relative(node.parent) if node.parent else None), tuple(relative(key) for key in above[:100])
