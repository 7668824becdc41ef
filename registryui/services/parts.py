"""One repository as a snapshot of its own, put together from rows: its graph costs what it holds, not what the whole
registry does. For looking only; plans rest on the snapshot of the scan."""

from collections.abc import Collection, Iterable, Iterator

from django.db.models import Sum

from prune.model.manifest import ImageConfig, Manifest
from prune.model.plan import Plan
from prune.model.snapshot import Repository as Seen
from prune.model.snapshot import Snapshot, SourceKind, V1Image
from registryui.models import Image, ManifestSighting, Registry, Repository, TagSighting
from registryui.services import contents

ASKED = 5000
#: With more tags than this no folding brings a drawing down to what a person can read.
MOST_TAGS = 4000


def of_repository(registry: Registry, name: str, kind: SourceKind) -> Snapshot | None:
    """Return what the last scan saw of a repository, with what its images are based on and belong to, wherever that
    is served; ``None`` when there is no such repository."""
    if not Repository.objects.filter(registry=registry, name=name, ended_at=None).exists():
        return None
    here = {"repository__registry": registry, "repository__name": name, "ended_at": None}
    wanted = set(TagSighting.objects.filter(**here).values_list("digest", flat=True))
    wanted |= set(ManifestSighting.objects.filter(**here).values_list("digest", flat=True))
    return _with_related(registry, kind, wanted, [name])


def of_plan(registry: Registry, plan: Plan, kind: SourceKind) -> Snapshot:
    """Return what a plan is about, with what its images are based on and belong to: the repositories that it touches,
    or all when it touches none; where they are too large to be drawn, the images that go or were asked for."""
    tags, manifests = plan.delete.tags, plan.delete.manifests
    digests = {item.digest for item in tags} | {item.digest for item in manifests}
    digests |= {kept.digest for kept in plan.keep if kept.digest}
    names = {item.repository for item in tags} | {item.repository for item in manifests}
    names |= {kept.repository for kept in plan.keep if kept.repository}
    touched = Repository.objects.filter(registry=registry, ended_at=None)
    if names:
        touched = touched.filter(name__in=sorted(names)[:ASKED])
    counts = touched.aggregate(tags=Sum("tags", default=0), untagged=Sum("untagged", default=0))
    if counts["tags"] + counts["untagged"] > MOST_TAGS:
        return _with_related(registry, kind, set(sorted(digests)[:MOST_TAGS]), [])
    here = {"repository__in": touched, "ended_at": None}
    digests |= set(TagSighting.objects.filter(**here).values_list("digest", flat=True))
    digests |= set(ManifestSighting.objects.filter(**here).values_list("digest", flat=True))
    return _with_related(registry, kind, digests, sorted(touched.values_list("name", flat=True)))


def _with_related(registry: Registry, kind: SourceKind, wanted: set[str], names: Iterable[str]) -> Snapshot:
    manifests: dict[str, Manifest] = {}
    configs: dict[str, ImageConfig] = {}
    images: dict[str, V1Image] = {}
    known: set[str] = set()
    pending = wanted
    while pending:
        known |= pending
        following: set[str] = set()
        for part in _parts(pending):
            rows = Image.objects.filter(registry=registry, digest__in=part, ended_at=None)
            for related in rows.values_list("base", "subject"):
                following.update(related)
            for digest, content in contents.of_digests(part).items():
                if content.image is not None:
                    images[digest] = content.image
                    following.update(content.image.ancestry or ())
                if content.manifest is not None:
                    manifests[digest] = content.manifest
                    following.update(child.digest for child in content.manifest.children)
                    if content.manifest.config is not None and content.config is not None:
                        configs[content.manifest.config.digest] = content.config
        pending = following - known - {""}
    return Snapshot(
        source=registry.source,
        kind=kind,
        repositories=_repositories(registry, names, known),
        manifests=manifests,
        configs=configs,
        images=images,
        partial=True,
    )


def of_digests(registry: Registry, known: Collection[str], kind: SourceKind, *, most_tags: int) -> Snapshot:
    """Return what the last scan saw of some images, and where they are, with no more than ``most_tags`` tags."""
    found = contents.of_digests(known)
    return Snapshot(
        source=registry.source,
        kind=kind,
        repositories=_repositories(registry, (), known, most_tags),
        manifests={digest: one.manifest for digest, one in found.items() if one.manifest},
        configs={
            one.manifest.config.digest: one.config
            for one in found.values()
            if one.manifest and one.manifest.config and one.config
        },
        images={digest: one.image for digest, one in found.items() if one.image},
        partial=True,
    )


def _repositories(
    registry: Registry, named: Iterable[str], known: Collection[str], most_tags: int | None = None
) -> dict[str, Seen]:
    """Return the repositories, and of others what they serve of the same images."""
    tags: dict[str, dict[str, str]] = {name: {} for name in named}
    revisions: dict[str, dict[str, int | None]] = {name: {} for name in tags}
    for part in _parts(known):
        where = {"repository__registry": registry, "digest__in": part, "ended_at": None}
        rows = TagSighting.objects.filter(**where).values_list("repository__name", "tag", "digest")
        for other, tag, digest in rows if most_tags is None else rows.order_by("-pushed_at", "pk")[:most_tags]:
            tags.setdefault(other, {})[tag] = digest
        for other, digest in ManifestSighting.objects.filter(**where).values_list("repository__name", "digest"):
            revisions.setdefault(other, {})[digest] = None
    names = sorted(tags.keys() | revisions.keys())
    return {one: Seen(one, tags=tags.get(one, {}), revisions=revisions.get(one, {})) for one in names}


def _parts(items: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(items)
    for start in range(0, len(ordered), ASKED):
        yield ordered[start : start + ASKED]
