"""What lists of images show of each: made once for a scan, so that no page has to look at a whole registry. Pure."""

from collections.abc import Iterator

import msgspec

from prune.graph.images import ImageGraph, image_graph
from prune.graph.reach import blobs_of, held_blobs, linked_manifests
from prune.graph.v1 import children_of, with_ancestors
from prune.model.artifact import REFERENCE_DIGEST, Purpose, purposes
from prune.model.digest import companion_tags
from prune.model.manifest import Manifest
from prune.model.snapshot import Snapshot, V1Image
from prune.plan.usage import stored_sizes

#: Images named beside a layer that many share.
MOST_EXAMPLES = 12


class Entry(msgspec.Struct, frozen=True):
    """One image, index or artifact.

    ``size`` are the bytes of a pull (of an index: of all its platforms), ``own`` those that nothing else in the
    registry needs. ``base`` is the image it is based on and ``dependents`` how many are based on it; ``subject``
    what it belongs to; ``inside`` an index that contains it, ``same_as`` another manifest with the same layers, by
    which the images based on them know both. ``attached`` is what others say of it.
    """

    digest: str
    kind: str
    media_type: str = ""
    platform: str = ""
    size: int = 0
    own: int = 0
    created: str = ""
    base: str = ""
    dependents: int = 0
    subject: str = ""
    inside: str = ""
    same_as: str = ""
    purpose: str = ""
    attached: tuple[Purpose, ...] = ()


class SharedLayer(msgspec.Struct, frozen=True):
    """A layer that more than one image has: its bytes, how many have it, and the first few of them."""

    size: int
    images: int
    examples: tuple[str, ...]


class Catalogue(msgspec.Struct, frozen=True):
    """Every image by digest or id, and every layer that images share."""

    entries: dict[str, Entry]
    shared: dict[str, SharedLayer]


def catalogue(snapshot: Snapshot, graph: ImageGraph | None = None) -> Catalogue:
    """Return what lists and pages show of ``snapshot``; ``graph`` is its whole graph, if that is known already."""
    graph = graph or image_graph(snapshot)
    entries = _by_image(snapshot, graph) if snapshot.by_image else _by_manifest(snapshot, graph)
    return Catalogue(entries, _shared(snapshot))


def layers_of(one: Manifest | V1Image) -> tuple[str, ...]:
    """Return the layers of an image, base first; in V1 those are the images it consists of."""
    if isinstance(one, Manifest):
        return tuple(layer.digest for layer in one.layers)
    return tuple(reversed(one.ancestry or (one.id,)))


def _shared(snapshot: Snapshot) -> dict[str, SharedLayer]:
    counts: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    for digest, one in _images(snapshot):
        for layer in dict.fromkeys(layers_of(one)):
            seen = counts.get(layer, 0)
            counts[layer] = seen + 1
            if seen < MOST_EXAMPLES:
                examples.setdefault(layer, []).append(digest)
    by_image = {id_: image.size for id_, image in snapshot.images.items()}
    sizes = by_image or stored_sizes(snapshot)
    return {
        layer: SharedLayer(sizes.get(layer, 0), count, tuple(examples[layer]))
        for layer, count in counts.items()
        if count > 1
    }


def _images(snapshot: Snapshot) -> Iterator[tuple[str, Manifest | V1Image]]:
    yield from sorted(snapshot.images.items()) if snapshot.by_image else sorted(snapshot.manifests.items())


# ---- bytes that only one image needs ----------------------------------------------------------------------


def _own(sizes: dict[str, int], needs: Iterator[tuple[str, set[str]]]) -> dict[str, int]:
    """Return, by image, the bytes of what it alone needs. ``needs`` names what each image keeps alive."""
    owner: dict[str, str] = {}
    for image, needed in needs:
        for one in needed:
            if owner.setdefault(one, image) != image:
                owner[one] = ""
    own: dict[str, int] = {}
    for one, image in owner.items():
        if image:
            own[image] = own.get(image, 0) + sizes.get(one, 0)
    return own


# ---- V1 and Docker Engine ---------------------------------------------------------------------------------


def _by_image(snapshot: Snapshot, graph: ImageGraph) -> dict[str, Entry]:
    images, children = snapshot.images, children_of(snapshot.images)
    sizes = stored_sizes(snapshot)
    engine = snapshot.kind == "docker-engine"
    tagged = {id_ for repository in snapshot.repositories.values() for id_ in repository.tags.values()}
    roots = sorted((tagged & images.keys()) | {id_ for id_ in images if id_ not in children})

    def needed(id_: str) -> set[str]:
        return set(images[id_].layers) if engine else with_ancestors((id_,), images)

    own = _own(sizes, ((id_, needed(id_)) for id_ in roots))
    return {
        id_: Entry(
            digest=id_,
            kind="v1",
            platform=image.platform,
            size=sum(images[one].size for one in layers_of(image) if one in images),
            own=own.get(id_, 0),
            created=image.created,
            base=graph.nodes[id_].parent or "",
            dependents=len(children.get(id_, ())),
        )
        for id_, image in images.items()
    }


# ---- V2 ---------------------------------------------------------------------------------------------------


def _by_manifest(snapshot: Snapshot, graph: ImageGraph) -> dict[str, Entry]:
    manifests = snapshot.manifests
    inside = _insides(snapshot)
    subjects = _subjects(snapshot, inside)
    own = _own_of_manifests(snapshot, inside)
    attached: dict[str, set[Purpose]] = {}
    kinds = {digest: purposes(manifest) for digest, manifest in manifests.items()}
    for digest, subject in subjects.items():
        attached.setdefault(subject, set()).update(kinds[digest])
    node_of = {digest: node for node in graph.nodes.values() for digest in node.ids}
    dependents = {key: len(above) for key, above in graph.children().items()}
    entries = {}
    for digest, manifest in manifests.items():
        config = snapshot.configs.get(manifest.config.digest) if manifest.config else None
        node = node_of.get(digest)
        base = graph.nodes[node.parent].ids[0] if node is not None and node.parent else ""
        entries[digest] = Entry(
            digest=digest,
            kind=manifest.kind,
            media_type=manifest.media_type,
            platform=_platforms(manifest) if manifest.children else str(config.platform) if config else "",
            size=_pull(manifest, manifests),
            own=own.get(digest, 0),
            created=config.created if config else "",
            base=base,
            dependents=dependents.get(node.key, 0) if node is not None else 0,
            subject=subjects.get(digest, ""),
            inside=inside.get(digest, ""),
            same_as=node.ids[0] if node is not None and node.ids[0] != digest else "",
            purpose="+".join(sorted(kinds[digest])),
            attached=tuple(sorted(attached.get(digest, ()))),
        )
    return entries


def _insides(snapshot: Snapshot) -> dict[str, str]:
    """Return, for what indexes contain, the first of them."""
    found: dict[str, str] = {}
    for digest, manifest in sorted(snapshot.manifests.items()):
        for child in manifest.children:
            if child.digest in snapshot.manifests:
                found.setdefault(child.digest, digest)
    return found


def _subjects(snapshot: Snapshot, inside: dict[str, str]) -> dict[str, str]:
    """Return what each artifact belongs to: by its subject, by its tag, or as the index around it says."""
    found = {digest: one.subject for digest, one in snapshot.manifests.items() if one.subject}
    for digest, index in inside.items():
        for child in snapshot.manifests[index].children:
            about = (child.annotations or {}).get(REFERENCE_DIGEST)
            if child.digest == digest and about:
                found.setdefault(digest, about)
    for repository in snapshot.repositories.values():
        if not any("-" in tag and tag.startswith(("sha256-", "sha512-")) for tag in repository.tags):
            continue
        for digest in {*repository.revisions, *repository.tags.values()}:
            for tag in companion_tags(digest):
                companion = repository.tags.get(tag)
                if companion in snapshot.manifests and companion != digest:
                    found.setdefault(companion, digest)
    return found


def _own_of_manifests(snapshot: Snapshot, inside: dict[str, str]) -> dict[str, int]:
    manifests, sizes = snapshot.manifests, stored_sizes(snapshot)
    tagged = {digest for repository in snapshot.repositories.values() for digest in repository.tags.values()}
    roots = tagged | {digest for digest in linked_manifests(snapshot) if digest not in inside}
    own = _own(sizes, ((digest, blobs_of(digest, manifests)) for digest in sorted(roots)))
    members = _own(sizes, ((digest, set(one.blobs()) | {digest}) for digest, one in sorted(manifests.items())))
    return own | {digest: members.get(digest, 0) for digest in inside if digest not in roots}


def _pull(manifest: Manifest, manifests: dict[str, Manifest]) -> int:
    if not manifest.children:
        return manifest.total_size()
    sizes: dict[str, int] = {}
    for digest in held_blobs((manifest.digest,), manifests) & manifests.keys():
        one = manifests[digest]
        sizes[digest] = one.size
        for part in (one.config, *one.layers):
            if part is not None:
                sizes[part.digest] = part.size
    return sum(sizes.values())


def _platforms(index: Manifest) -> str:
    named = [str(child.platform) for child in index.children if child.platform]
    return ", ".join(dict.fromkeys(name for name in named if name and not name.startswith("unknown")))
