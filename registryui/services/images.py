"""What the last scan knows of one image: read from its own rows, however large the registry is."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from prune.model.manifest import Descriptor, Manifest
from prune.model.snapshot import V1Image
from registryui.models import Image, Registry, SharedLayer, TagSighting
from registryui.services import contents
from registryui.services.contents import Content
from registryui.services.lineage import NEWEST

#: Named of what may be many; the count says how many there are.
MOST_NAMED = 50
#: Tags read to name images by; an image with more is still named by the first of them.
MOST_TAGS = 1000

KINDS = {
    "image": _("image"),
    "index": _("multi-platform index"),
    "schema1": _("image (schema 1)"),
    "v1": _("V1 image"),
}


class Relative(NamedTuple):
    """Another image, and the tags by which people know it."""

    digest: str
    tags: tuple[str, ...] = ()
    platform: str = ""
    size: int | None = None
    purpose: str = ""
    created: datetime | None = None


class Layer(NamedTuple):
    """One layer: digest or image id, bytes, in how many images of this registry it is, and some of them."""

    digest: str
    size: int
    images: int
    examples: tuple[Relative, ...] = ()

    @property
    def others(self) -> int:
        """Return how many images besides this one have it."""
        return self.images - 1

    @property
    def unnamed(self) -> int:
        """Return how many of those are not among the examples."""
        return max(0, self.others - len(self.examples))


class Description(NamedTuple):
    """An image as its page shows it. ``layers`` stand in order, the base first."""

    image: Image
    kind: str
    media_type: str
    created: str
    labels: dict[str, str]
    annotations: dict[str, str]
    config: str
    layers: tuple[Layer, ...]
    members: tuple[Relative, ...]
    base: Relative | None
    based_on_it: tuple[Relative, ...]
    subject: Relative | None
    inside: Relative | None
    same_as: Relative | None
    referrers: tuple[Relative, ...]


def current(registry: Registry, digest: str) -> Image | None:
    """Return the row of an image that the last scan saw; ``None`` when it did not."""
    return Image.objects.filter(registry=registry, digest=digest, ended_at=None).first()


def describe(registry: Registry, digest: str) -> Description | None:
    """Return what is known of ``digest``; ``None`` when the last scan did not see it."""
    image = current(registry, digest)
    if image is None:
        return None
    content = contents.of_digests([digest]).get(digest, Content())
    layers = layers_of(content)
    shared = {row.digest: row for row in SharedLayer.objects.filter(registry=registry, digest__in=layers)}
    canonical = image.same_as or digest
    seen = Image.objects.filter(registry=registry, ended_at=None)
    # Said twice, so that the index is used that has no row without a base or a subject.
    bearing = seen.exclude(base="").filter(base=canonical)
    above = list(bearing.order_by("-dependents", *NEWEST)[:MOST_NAMED]) if image.dependents else []
    referrers = list(seen.exclude(subject="").filter(subject=digest).order_by("purpose", "digest")[:MOST_NAMED])
    manifest = content.manifest
    children = manifest.children if manifest else ()
    examples = {one for row in shared.values() for one in row.examples} - {digest}
    single = {one for one in (image.base, image.subject, image.inside, image.same_as) if one}
    known = {row.digest: row for row in (*above, *referrers)}
    wanted = ({child.digest for child in children} | single) - known.keys()
    known |= {row.digest: row for row in seen.filter(digest__in=wanted)}
    tags = tags_of(registry, known.keys() | examples)

    def relative(one: str, platform: str = "") -> Relative:
        row = known.get(one)
        if row is None:
            return Relative(one, tags.get(one, ()), platform)
        return Relative(one, tags.get(one, ()), platform or row.platform, row.size, row.purpose, row.created_at)

    def named(row: SharedLayer | None) -> tuple[Relative, ...]:
        return tuple(relative(one) for one in row.examples if one != digest) if row else ()

    config = content.config
    return Description(
        image=image,
        kind=str(KINDS.get(image.kind, image.kind)),
        media_type=manifest.media_type if manifest else "",
        created=config.created if config else content.image.created if content.image else "",
        labels=config.labels if config else {},
        annotations=manifest.annotations if manifest else {},
        config=manifest.config.digest if manifest and manifest.config else "",
        layers=tuple(
            Layer(one, size, shared[one].images if one in shared else 1, named(shared.get(one)))
            for one, size in layers.items()
        ),
        members=tuple(relative(child.digest, _platform(child)) for child in children),
        base=relative(image.base) if image.base else None,
        based_on_it=tuple(relative(row.digest) for row in above),
        subject=relative(image.subject) if image.subject else None,
        inside=relative(image.inside) if image.inside else None,
        same_as=relative(image.same_as) if image.same_as else None,
        referrers=tuple(relative(row.digest) for row in referrers),
    )


def layers_of(content: Content) -> dict[str, int]:
    """Return the layers of an image with their bytes, base first; in V1 they are the images it consists of."""
    if isinstance(content.manifest, Manifest):
        return {layer.digest: layer.size for layer in content.manifest.layers}
    image = content.image
    if not isinstance(image, V1Image):
        return {}
    ancestry = tuple(reversed(image.ancestry or (image.id,)))
    sizes = {one: other.image.size for one, other in contents.of_digests(ancestry).items() if other.image}
    return {one: sizes.get(one, 0) for one in ancestry}


def tags_of(registry: Registry, digests: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return by digest, as far as it has some, its tags with their repositories."""
    if not digests:
        return {}
    rows = TagSighting.objects.filter(repository__registry=registry, digest__in=digests, ended_at=None)
    found: dict[str, list[str]] = {}
    for digest, name, tag in rows.order_by("-pk").values_list("digest", "repository__name", "tag")[:MOST_TAGS]:
        found.setdefault(digest, []).append(f"{name}:{tag}")
    return {digest: tuple(sorted(tags)[:5]) for digest, tags in found.items()}


def names_of(registries: Collection[int], digests: Collection[str]) -> dict[str, str]:
    """Return, by digest, a tag by which people know an image, for those that have one."""
    rows = TagSighting.objects.filter(digest__in=digests, repository__registry__in=registries, ended_at=None)
    found = rows.order_by("-pk").values_list("digest", "repository__name", "tag")[:MOST_TAGS]
    return {digest: f"{name}:{tag}" for digest, name, tag in found}


def _platform(child: Descriptor) -> str:
    return str(child.platform) if child.platform else ""
