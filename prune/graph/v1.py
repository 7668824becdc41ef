"""What keeps what alive in a V1 store: an image may go only if no other image is based on it and no tag refers
to it. Images belong to all repositories together."""

from collections.abc import Iterable, Mapping

from prune.model.snapshot import Snapshot, V1Image


def with_ancestors(ids: Iterable[str], images: Mapping[str, V1Image]) -> set[str]:
    """Return ``ids`` and all that they are based on, as far as the ancestries can be read."""
    found: set[str] = set()
    for id_ in ids:
        if id_ in found:
            continue
        found.add(id_)
        image = images.get(id_)
        if image is not None and image.ancestry:
            found.update(image.ancestry)
    return found


def children_of(images: Mapping[str, V1Image]) -> dict[str, list[str]]:
    """Return, by image id, the ids of the images that are directly based on it, sorted."""
    children: dict[str, list[str]] = {}
    for id_ in sorted(images):
        parent = images[id_].parent
        if parent is not None:
            children.setdefault(parent, []).append(id_)
    return children


def engine_reached(snapshot: Snapshot) -> set[str]:
    """Return the images of a Docker Engine that something needs: a name, a container, or an image that is needed."""
    named = {id_ for repository in snapshot.repositories.values() for id_ in repository.tags.values()}
    named |= {image.id for image in snapshot.images.values() if image.names or image.held_by}
    return with_ancestors(named, snapshot.images) & snapshot.images.keys()
