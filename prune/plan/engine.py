"""Plans for a Docker Engine: as in V1 an image goes when no name and no image above it needs it, and no container
uses it.

The engine has rules of its own, which this keeps to rather than forces: with the last name of an image the image
itself goes, unless the engine knows of one that is based on it; and while a container uses it, the last name stays.
"""

from collections.abc import Iterable

from prune.graph.v1 import engine_reached, with_ancestors
from prune.model.digest import Digest, short
from prune.model.plan import Deletions, ImageItem, Kept, ManifestItem, Plan, Refusal, Request, TagItem
from prune.model.reference import Reference
from prune.model.snapshot import Snapshot, V1Image
from prune.plan import v1
from prune.plan.drift import Drift, Skipped
from prune.plan.selection import Selection, select
from prune.plan.summary import summarise

type Name = tuple[str, str]
"""A repository, and the tag or the digest that is a name of an image there."""


def make_plan(snapshot: Snapshot, request: Request, *, now: int) -> Plan:
    """Return the plan; see `prune.plan.make.make_plan`."""
    chosen = select(snapshot, _by_image_id(snapshot, request.delete))
    names = _Names(snapshot)
    asked = _asked(chosen, names)
    blocked: dict[str, str] = {}
    while True:
        gone = names.with_followers({name for name in asked if names.image[name] not in blocked})
        going = _going(snapshot, names, gone, request, now)
        more = _blocked(snapshot, names, asked, gone, going)
        if blocked.keys() >= more.keys():
            break
        blocked = {**more, **blocked}
    images = _items(snapshot, going)
    tags = sorted(name for name in gone if name in names.tags)
    digests = sorted(name for name in gone if name not in names.tags)
    surviving = {name: id_ for name, id_ in names.image.items() if name in names.tags and name not in gone}
    touched = with_ancestors((names.image[name] for name in asked), snapshot.images)
    return Plan(
        source=snapshot.source,
        kind=snapshot.kind,
        request=request,
        scan=summarise(snapshot),
        delete=Deletions(
            tags=tuple(TagItem(name, tag, names.image[name, tag]) for name, tag in tags),
            manifests=tuple(ManifestItem(name, digest) for name, digest in digests),
            images=images,
        ),
        keep=(
            *v1.kept(snapshot, chosen, touched - going, going, surviving),
            *(
                Kept(name, (blocked[names.image[name, tag]],), tag=tag)
                for name, tag in sorted(asked)
                if names.image[name, tag] in blocked and (name, tag) in names.tags
            ),
        ),
        refused=tuple(sorted({*chosen.refused, *_refused(request.delete, snapshot, names, asked, blocked)})),
        freed_bytes=sum(image.size for image in images),
    )


def still_holds(plan: Plan, snapshot: Snapshot, *, now: int) -> Drift:
    """Judge a plan against the engine as it is now: only what a plan made now would take as well is left of it."""
    anew = make_plan(snapshot, plan.request, now=now)
    images = {image.id for image in anew.delete.images}
    kept = {kept.id: kept.reasons[0] for kept in anew.keep if kept.id and kept.reasons}
    names = _Names(snapshot)
    skipped = []
    tags = tuple(tag for tag in plan.delete.tags if tag in anew.delete.tags)
    for tag in plan.delete.tags:
        if tag not in tags:
            now_at = names.image.get((tag.repository, tag.tag))
            why = "it is gone already" if now_at is None else kept.get(now_at, "its image is needed now")
            if now_at is not None and now_at != tag.digest:
                why = f"it was moved: it now points at {short(now_at)}"
            skipped.append(Skipped(f"{tag.repository}:{tag.tag}", why))
    manifests = tuple(one for one in plan.delete.manifests if one in anew.delete.manifests)
    for one in plan.delete.manifests:
        if one not in manifests:
            there = (one.repository, one.digest) in names.image
            why = "its image is needed now" if there else "it is gone already"
            skipped.append(Skipped(f"{one.repository}@{one.digest}", why))
    for image in plan.delete.images:
        if image.id not in images:
            why = kept.get(image.id, "it has another name now, or something uses it")
            skipped.append(Skipped(image.id, why if image.id in snapshot.images else "it is gone already"))
    items = Deletions(
        tags=tags, manifests=manifests, images=tuple(image for image in plan.delete.images if image.id in images)
    )
    return Drift(items, tuple(sorted(skipped)))


class _Names:
    """Every name of every image: tags, and references by digest."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.image: dict[Name, str] = {}
        self.of: dict[str, set[Name]] = {}
        self.tags: set[Name] = set()
        for repository in snapshot.repositories.values():
            for tag, id_ in repository.tags.items():
                self.tags.add((repository.name, tag))
                self._add((repository.name, tag), id_)
        for image in snapshot.images.values():
            for text in image.names:
                name, _, digest = text.partition("@")
                self._add((name, digest), image.id)

    def _add(self, name: Name, id_: str) -> None:
        self.image[name] = id_
        self.of.setdefault(id_, set()).add(name)

    def left(self, id_: str, gone: set[Name]) -> set[Name]:
        """Return the names that an image still has afterwards."""
        return self.of.get(id_, set()) - gone

    def with_followers(self, gone: set[Name]) -> set[Name]:
        """Add what the engine takes along: with its last tag in a repository an image loses its digests there."""
        found = set(gone)
        for name in gone & self.tags:
            mine = {other for other in self.of[self.image[name]] if other[0] == name[0]}
            if not (mine & self.tags) - gone:
                found |= mine
        return found


def _by_image_id(snapshot: Snapshot, refs: Iterable[str]) -> list[str]:
    """Write references by the digest of a manifest as references by the id of the image."""
    ids = {name: image.id for image in snapshot.images.values() for name in image.names}
    return [f"{ref.partition('@')[0]}@{ids[ref]}" if ref in ids else ref for ref in refs]


def _asked(chosen: Selection, names: _Names) -> set[Name]:
    asked = set()
    for name, id_ in names.image.items():
        repository, word = name
        whole = repository in chosen.whole or id_ in chosen.digests.get(repository, ())
        if whole or (name in names.tags and word in chosen.tags.get(repository, ())):
            asked.add(name)
    return asked


def _going(snapshot: Snapshot, names: _Names, gone: set[Name], request: Request, now: int) -> set[str]:
    """Return the images that go: reached by names that go and by nothing else, or, to sweep, by nothing at all."""
    images = snapshot.images
    candidates = with_ancestors({names.image[name] for name in gone}, images) & images.keys()
    if request.sweep:
        limit = now - request.grace
        reached = engine_reached(snapshot)
        candidates |= {
            id_ for id_ in images.keys() - reached if (time := images[id_].time) is not None and time <= limit
        }
    candidates = {id_ for id_ in candidates if not names.left(id_, gone) and not images[id_].held_by}
    # What stays holds all that it is based on.
    return candidates - with_ancestors(images.keys() - candidates, images)


def _blocked(snapshot: Snapshot, names: _Names, asked: set[Name], gone: set[Name], going: set[str]) -> dict[str, str]:
    """Return the images that would lose their last name and cannot: with it the engine would have to take them,
    which it will not while a container uses them, and must not while others are based on them unbeknown to it."""
    found = {}
    above: dict[str, list[V1Image]] = {}
    for image in snapshot.images.values():
        if image.parent is not None:
            above.setdefault(image.parent, []).append(image)
    for id_ in {names.image[name] for name in asked}:
        if id_ in going or names.left(id_, gone):
            continue
        image = snapshot.images[id_]
        staying = [other for other in above.get(id_, ()) if other.id not in going]
        if image.held_by:
            found[id_] = f"{v1.used_by(image)}, and this is its last name"
        elif staying and not any(other.linked for other in staying):
            found[id_] = (
                f"{short(staying[0].id)} is based on it; with its last name the engine would delete it "
                "and free nothing"
            )
    return found


def _items(snapshot: Snapshot, going: set[str]) -> tuple[ImageItem, ...]:
    """Return what goes with the bytes that go with it: each layer that nothing else has counts once, for the
    lowest of the images that go."""
    sizes = snapshot.blobs or {}
    kept = {layer for image in snapshot.images.values() if image.id not in going for layer in image.layers}
    claimed: set[Digest] = set()
    items = []
    for id_ in sorted(going, key=lambda one: (len(snapshot.images[one].layers), one)):
        mine = set(snapshot.images[id_].layers) - kept - claimed
        claimed |= mine
        items.append(ImageItem(id_, sum(sizes[layer].size for layer in mine)))
    return tuple(sorted(items))


def _refused(
    refs: Iterable[str], snapshot: Snapshot, names: _Names, asked: set[Name], blocked: dict[str, str]
) -> list[Refusal]:
    """Return a refusal for each reference of which nothing can go."""
    found = []
    for text, by_id in zip(refs, _by_image_id(snapshot, refs), strict=True):
        reference = Reference.parse(by_id)
        mine = {
            names.image[name]
            for name in asked
            if name[0] == reference.repository
            and reference.tag in (None, name[1])
            and reference.digest in (None, names.image[name])
        }
        if mine and mine <= blocked.keys():
            found.append(Refusal(text, f"{short(min(mine))} stays: {blocked[min(mine)]}"))
    return found


def removal_order(snapshot: Snapshot, images: Iterable[ImageItem]) -> list[ImageItem]:
    """Return images so that each comes before what it is based on."""
    return sorted(images, key=lambda item: (-len(snapshot.images[item.id].ancestry or ()), item.id))


def names_of(snapshot: Snapshot, id_: str) -> tuple[str, ...]:
    """Return every name of an image as the engine writes it, sorted."""
    image = snapshot.images.get(id_)
    tags = [f"{r.name}:{tag}" for r in snapshot.repositories.values() for tag, at in r.tags.items() if at == id_]
    return tuple(sorted((*tags, *(image.names if image is not None else ()))))
