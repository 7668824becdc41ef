"""Plans for V1 registries, where deleting a tag never deletes an image: over their API that is all there is to do.

A tag that was asked for goes; then, in storage, every image that only deleted tags reached, itself and up its
ancestry, goes, unless another image is based on it or a tag refers to it.
"""

from collections.abc import Collection, Mapping

from prune.graph.v1 import children_of, with_ancestors
from prune.model.digest import short
from prune.model.plan import Deletions, ImageItem, Kept, Plan, Refusal, Request, TagItem
from prune.model.snapshot import Snapshot, V1Image
from prune.plan.selection import Selection, select
from prune.plan.summary import summarise
from prune.plan.words import listed


def make_plan(snapshot: Snapshot, request: Request, *, now: int) -> Plan:
    """Return the plan; see `prune.plan.make.make_plan`."""
    chosen = select(snapshot, request.delete)
    refused = list(chosen.refused)
    _refuse_digests(chosen, refused)
    gone_tags = {
        (name, tag)
        for name, repository in snapshot.repositories.items()
        for tag in (repository.tags if name in chosen.whole else chosen.tags.get(name, ()))
    }
    asked = {snapshot.repositories[name].tags[tag] for name, tag in gone_tags}
    surviving_tags = {
        (name, tag): image
        for name, repository in snapshot.repositories.items()
        for tag, image in repository.tags.items()
        if (name, tag) not in gone_tags
    }
    touched = with_ancestors(asked, snapshot.images)
    going = set()
    if snapshot.kind != "registry-v1":
        going = _going(snapshot, touched, surviving_tags.values(), request, now)
    images = tuple(sorted(ImageItem(id_, snapshot.images[id_].size) for id_ in going))
    return Plan(
        source=snapshot.source,
        kind=snapshot.kind,
        request=request,
        scan=summarise(snapshot),
        delete=Deletions(
            tags=tuple(sorted(TagItem(n, t, snapshot.repositories[n].tags[t]) for n, t in gone_tags)),
            images=images,
            repositories=tuple(sorted(chosen.folders)),
        ),
        keep=kept(snapshot, chosen, touched - going, going, surviving_tags),
        refused=tuple(sorted(set(refused))),
        freed_bytes=sum(image.size for image in images),
    )


def _refuse_digests(chosen: Selection, refused: list[Refusal]) -> None:
    for name, digests in sorted(chosen.digests.items()):
        for digest in sorted(digests):
            refused.append(Refusal(f"{name}@{digest}", "a V1 registry has no manifests; name a tag"))
    chosen.digests.clear()


def _going(snapshot: Snapshot, touched: set[str], surviving: Collection[str], request: Request, now: int) -> set[str]:
    """Return the images that go: touched (or, to sweep, old enough) and reached by nothing that stays.

    With any ancestry or tag unread nothing goes: what could not be read may be based on anything.
    """
    if not snapshot.complete:
        return set()
    images = snapshot.images
    reached = with_ancestors(surviving, images)
    candidates = touched & images.keys()
    if request.sweep:
        tagged = with_ancestors((i for r in snapshot.repositories.values() for i in r.tags.values()), images)
        limit = now - request.grace
        candidates |= {id_ for id_ in images.keys() - tagged if _old(images[id_], limit)}
    candidates = {id_ for id_ in candidates if not images[id_].in_progress}
    # What nobody reached before and is not swept stays, and holds what it is based on.
    staying = with_ancestors(images.keys() - candidates, images)
    return candidates - reached - staying


def _old(image: V1Image, limit: int) -> bool:
    return image.time is not None and image.time <= limit


def kept(
    snapshot: Snapshot,
    chosen: Selection,
    stays: set[str],
    going: set[str],
    surviving_tags: Mapping[tuple[str, str], str],
) -> tuple[Kept, ...]:
    """Say for each image in the ancestry of a deleted tag (``stays``) why it stays."""
    children = children_of(snapshot.images)
    tags_of: dict[str, list[tuple[str, str]]] = {}
    for (name, tag), image in surviving_tags.items():
        tags_of.setdefault(image, []).append((name, tag))
    asked_in: dict[str, str] = {}
    for name in chosen.repositories():
        repository = snapshot.repositories[name]
        for tag in sorted(repository.tags if name in chosen.whole else chosen.tags.get(name, ())):
            for id_ in with_ancestors((repository.tags[tag],), snapshot.images):
                asked_in.setdefault(id_, name)
    return tuple(
        Kept(asked_in.get(id_), _reasons(snapshot, id_, children, going, tags_of, asked_in.get(id_)), id=id_)
        for id_ in sorted(stays)
    )


def _reasons(
    snapshot: Snapshot,
    id_: str,
    children: Mapping[str, list[str]],
    going: set[str],
    tags_of: Mapping[str, list[tuple[str, str]]],
    home: str | None,
) -> tuple[str, ...]:
    found = []
    tags = tags_of.get(id_, [])
    reached = bool(tags)
    if tags:
        found.append(f"{_tags(tags, home)} {'points' if len(tags) == 1 else 'point'} to it")
    for child in children.get(id_, ()):
        if child in going:
            continue
        tip, names = _first_tagged(child, children, tags_of, going)
        reached = reached or bool(names)
        said = f"{short(child)} is based on it"
        if names:
            points = f"{_tags(names, home)} {'points' if len(names) == 1 else 'point'} to {short(tip)}"
            said += f" and {points}" if tip == child else f", and {points}, which is based on {short(child)}"
        else:
            said += ", though no tag points to that image"
        found.append(said)
    image = snapshot.images.get(id_)
    if image is None:
        found.append("its files are not in this store")
    elif image.held_by:
        found.append(used_by(image))
    elif image.in_progress:
        found.append("it is marked as being uploaded")
    if image is not None and image.names and not found:
        found.append(f"it is known as {image.names[0]}")
    if snapshot.kind == "registry-v1":
        if not reached:
            found.append("no request to a V1 registry deletes an image: it stays on the disk")
    elif not snapshot.complete:
        found.append("something in this store could not be read, so no image may go")
    return tuple(found)


def used_by(image: V1Image) -> str:
    """Return which containers use an image, in words."""
    names = listed(list(image.held_by), most=4)
    return f"the container {names} uses it" if len(image.held_by) == 1 else f"the containers {names} use it"


def _first_tagged(
    start: str,
    children: Mapping[str, list[str]],
    tags_of: Mapping[str, list[tuple[str, str]]],
    going: set[str],
) -> tuple[str, list[tuple[str, str]]]:
    """Return the nearest image from ``start`` upwards that a surviving tag points at, with those tags."""
    pending = [start]
    while pending:
        following: list[str] = []
        for id_ in pending:
            if id_ in tags_of:
                return id_, tags_of[id_]
            following += [child for child in children.get(id_, ()) if child not in going]
        pending = following
    return start, []


def _tags(tags: list[tuple[str, str]], home: str | None) -> str:
    newest_last = sorted(tags, key=lambda named: (named[1] == "latest", named))
    names = [tag if name == home else f"{name}:{tag}" for name, tag in newest_last]
    return listed(names)
