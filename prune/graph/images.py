"""The image graph: images, what they are based on, and the tags on them. Pure."""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from prune.graph.ancestry import chain_ids
from prune.model.digest import Digest, companion_tags
from prune.model.manifest import Manifest
from prune.model.snapshot import Repository, Snapshot

type Tag = tuple[str, str]
"""Repository and tag."""


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """One image, index or referrer.

    ``ids`` are its digests (in V1 its id); images of one platform with the same layers are *aliases* and one node.
    ``places`` are the (repository, digest) pairs that serve it. ``own`` are the bytes of the layers it adds to
    what it is based on, ``total`` those of a whole pull. ``via`` are tags that reach it through an index.
    """

    key: str
    kind: Literal["image", "index", "referrer"]
    ids: tuple[str, ...]
    places: tuple[tuple[str, str], ...] = ()
    tags: tuple[Tag, ...] = ()
    via: tuple[Tag, ...] = ()
    parent: str | None = None
    members: tuple[str, ...] = ()
    subject: str | None = None
    platform: str = ""
    own: int = 0
    total: int = 0
    created: str = ""


class ImageGraph(msgspec.Struct, frozen=True):
    """Nodes by key, every base before what is based on it."""

    nodes: dict[str, Node]
    repositories: tuple[str, ...]

    def children(self) -> dict[str, list[str]]:
        """Return, by key, the keys of what is directly based on it."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            if node.parent is not None:
                found.setdefault(node.parent, []).append(node.key)
        return found


def image_graph(snapshot: Snapshot, repositories: Collection[str] | None = None) -> ImageGraph:
    """Return the graph of the chosen repositories with what their images are based on, wherever that is served;
    ``None`` for everything, in V1 with the images that no tag reaches."""
    if snapshot.by_image:
        nodes = _v1(snapshot, sorted(snapshot.repositories))
    else:
        nodes = _v2(snapshot, sorted(snapshot.repositories))
    whole = ImageGraph(bases_first(nodes), tuple(sorted(snapshot.repositories)))
    return whole if repositories is None else of_repositories(whole, repositories)


def of_repositories(graph: ImageGraph, repositories: Collection[str]) -> ImageGraph:
    """Return the part of a whole graph that the chosen repositories serve, with its bases and what belongs to it."""
    chosen = set(repositories)
    kept: set[str] = set()
    pending = [
        node.key for node in graph.nodes.values() if any(name in chosen for name, _ in (*node.tags, *node.places))
    ]
    while pending:
        key = pending.pop()
        if key in kept:
            continue
        kept.add(key)
        node = graph.nodes[key]
        pending += [one for one in (node.parent, node.subject, *node.members) if one is not None]
    nodes = {key: node for key, node in graph.nodes.items() if key in kept}
    return ImageGraph(nodes, tuple(sorted(chosen)))


def bases_first(nodes: dict[str, Node]) -> dict[str, Node]:
    """Return the nodes with every base before what is based on it, and circles cut open."""
    children: dict[str, list[str]] = {}
    roots = []
    for key in sorted(nodes):
        parent = nodes[key].parent
        if parent is None or parent not in nodes:
            roots.append(key)
        else:
            children.setdefault(parent, []).append(key)
    ordered: dict[str, Node] = {}
    # Ancestries of a broken V1 store may contradict each other and run in a circle; it is cut open somewhere, for
    # an image that no drawing shows would seem not to be there.
    for start in (*roots, *sorted(nodes)):
        if start in ordered:
            continue
        pending = [start]
        while pending:
            key = pending.pop()
            if key in ordered:
                continue
            node = nodes[key]
            ordered[key] = node if node.parent in ordered else msgspec.structs.replace(node, parent=None)
            pending += reversed(children.get(key, ()))
    return ordered


# ---- V1 ---------------------------------------------------------------------------------------------------


def _v1(snapshot: Snapshot, names: list[str]) -> dict[str, Node]:
    tags: dict[str, list[Tag]] = {}
    for name in names:
        for tag, id_ in snapshot.repositories[name].tags.items():
            tags.setdefault(id_, []).append((name, tag))
    chosen: set[str] = set(snapshot.images)
    for id_ in tags:
        image = snapshot.images.get(id_)
        chosen.update(image.ancestry or (id_,) if image else (id_,))
    nodes = {}
    for id_ in chosen:
        image = snapshot.images.get(id_)
        ancestry = (image.ancestry if image else None) or (id_,)
        sizes = [snapshot.images[one].size for one in ancestry if one in snapshot.images]
        parent = image.parent if image else None
        nodes[id_] = Node(
            key=id_,
            kind="image",
            ids=(id_,),
            tags=tuple(sorted(tags.get(id_, ()), key=tag_order)),
            parent=parent if parent in chosen else None,
            own=image.size if image else 0,
            total=sum(sizes),
            created=image.created if image else "",
        )
    return nodes


# ---- V2 ---------------------------------------------------------------------------------------------------


class _Group:
    """The manifests that become one node."""

    def __init__(self, key: str, kind: Literal["image", "index", "referrer"]) -> None:
        self.key = key
        self.kind: Literal["image", "index", "referrer"] = kind
        self.digests: set[Digest] = set()
        self.places: list[tuple[str, Digest]] = []
        self.tags: list[Tag] = []
        self.via: set[Tag] = set()
        self.platform = ""
        self.chains: tuple[str, ...] = ()
        self.created = ""
        self.subject: Digest | None = None


def _v2(snapshot: Snapshot, names: list[str]) -> dict[str, Node]:
    groups: dict[str, _Group] = {}
    group_of: dict[Digest, _Group] = {}
    for name in names:
        repository = snapshot.repositories[name]
        for digest in sorted({*repository.revisions, *repository.tags.values()}):
            group = group_of.get(digest)
            if group is None:
                group = _group(snapshot, digest, groups)
                group_of[digest] = group
                group.digests.add(digest)
            group.places.append((name, digest))
        for tag, digest in repository.tags.items():
            group_of[digest].tags.append((name, tag))
    for name in names:
        _attach_companions(snapshot.repositories[name], group_of)
        for tag, digest in snapshot.repositories[name].tags.items():
            for child in _members(snapshot, digest):
                if child in group_of:
                    group_of[child].via.add((name, tag))
    # A signature may have layers and a config like an image; nothing is based on it.
    by_chain = {(g.platform, g.chains[-1]): g.key for g in groups.values() if g.chains and g.kind == "image"}
    return {group.key: _node(snapshot, group, group_of, by_chain) for group in groups.values()}


def _group(snapshot: Snapshot, digest: Digest, groups: dict[str, _Group]) -> _Group:
    manifest = snapshot.manifests.get(digest)
    if manifest is None:
        return groups.setdefault(digest, _Group(digest, "image"))
    if manifest.kind == "index":
        return groups.setdefault(digest, _Group(digest, "index"))
    config = snapshot.configs.get(manifest.config.digest) if manifest.config else None
    if manifest.subject is not None or config is None or not config.diff_ids:
        kind: Literal["image", "referrer"] = "referrer" if manifest.subject is not None else "image"
        return groups.setdefault(digest, _Group(digest, kind))
    chains = tuple(chain_ids(config.diff_ids))
    platform = str(config.platform)
    key = f"{platform} {chains[-1]}"
    group = groups.get(key)
    if group is None:
        group = groups[key] = _Group(key, "image")
        group.platform, group.chains = platform, chains
    group.created = max(group.created, config.created)
    return group


def _attach_companions(repository: Repository, group_of: dict[Digest, _Group]) -> None:
    """Find what the fallback tag and cosign's tags say: their manifests belong to the digest that they name."""
    for digest in (*repository.revisions, *dict.fromkeys(repository.tags.values())):
        for tag in companion_tags(digest):
            companion = group_of.get(repository.tags.get(tag, ""))
            if companion is not None and companion is not group_of[digest]:
                companion.subject = digest
                if companion.kind == "image":
                    companion.kind = "referrer"


def _members(snapshot: Snapshot, digest: Digest) -> Iterable[Digest]:
    """Return the images in an index, those of indexes within it included."""
    pending, seen = [digest], {digest}
    while pending:
        manifest = snapshot.manifests.get(pending.pop())
        for child in manifest.children if manifest else ():
            if child.digest not in seen:
                seen.add(child.digest)
                pending.append(child.digest)
    return sorted(seen - {digest})


def _node(
    snapshot: Snapshot, group: _Group, group_of: dict[Digest, _Group], by_chain: dict[tuple[str, str], str]
) -> Node:
    # What carries a tag names the node.
    tagged = {snapshot.repositories[name].tags[tag] for name, tag in group.tags}
    ids = tuple(sorted(group.digests, key=lambda digest: (digest not in tagged, digest)))
    manifests = [m for digest in ids if (m := snapshot.manifests.get(digest)) is not None]
    first = manifests[0] if manifests else None
    parent = None
    for length in range(len(group.chains) - 1 if group.kind == "image" else 0, 0, -1):
        parent = by_chain.get((group.platform, group.chains[length - 1]))
        if parent is not None:
            break
    else:
        length = 0
    subject = group_of.get(group.subject or (first.subject if first else None) or "")
    members = [group_of[c.digest].key for c in first.children if c.digest in group_of] if first else []
    return Node(
        key=group.key,
        kind=group.kind,
        ids=ids,
        places=tuple(group.places),
        tags=tuple(sorted(group.tags, key=tag_order)),
        via=tuple(sorted(group.via, key=tag_order)),
        parent=parent,
        members=tuple(dict.fromkeys(members)),
        subject=subject.key if subject else None,
        platform=group.platform,
        own=_own(first, len(group.chains), length) if first else 0,
        total=first.total_size() if first else 0,
        created=group.created,
    )


def _own(manifest: Manifest, layers: int, shared: int) -> int:
    """Return the bytes of the layers above the ``shared`` lowest; all, where layers and chain do not match."""
    own = manifest.layers[shared:] if len(manifest.layers) == layers else manifest.layers
    return sum(layer.size for layer in own)


def tag_order(tag: Tag) -> tuple[str, bool, list[tuple[int, int | str]]]:
    """Sort key: by repository, numbers within tags by value, ``latest`` last."""
    repository, name = tag
    parts: list[tuple[int, int | str]] = []
    number = ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            number += character
            continue
        if number:
            parts.append((0, int(number)))
            number = ""
        parts.append((1, character))
    return repository, name == "latest", parts
