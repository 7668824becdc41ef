"""Drawings for pages, kept by what they show."""

import hashlib
from typing import NamedTuple, cast

from django.core.cache import cache
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from prune.drawing.diagram import When, draw, render_inline
from prune.drawing.dot import Drawing
from prune.drawing.layout import LayoutFailed
from prune.model.plan import Plan
from prune.model.snapshot import SourceKind, is_by_image
from registryui.models import Registry, RegistrySnapshot, Repository
from registryui.services import parts, scans

#: Seconds. A drawing is named by what it shows, so it can only be forgotten, never be wrong.
KEPT = 24 * 3600


class Diagram(NamedTuple):
    """A drawing, or the sentence why there is none."""

    svg: SafeString
    sentence: str = ""


class Pair(NamedTuple):
    """Before and after on the same positions, or the sentence why they are not drawn."""

    before: SafeString
    after: SafeString
    sentence: str = ""


NOTHING = SafeString("")


def of_repository(registry: Registry, name: str) -> Diagram:
    """Return the graph of a repository as the last scan saw it."""
    stored = RegistrySnapshot.objects.filter(registry=registry).values_list("digest", flat=True).first()
    seen = Repository.objects.filter(registry=registry, name=name, ended_at=None).first()
    if stored is None or seen is None:
        return Diagram(NOTHING, "This repository was not scanned yet.")
    if seen.tags + seen.untagged > parts.MOST_TAGS:
        number = f"{seen.tags + seen.untagged:,}"
        return Diagram(NOTHING, f"{number} images are too many for one drawing; see the table.")
    key = "diagram-" + hashlib.sha256(f"{registry.slug} {stored} {name}".encode()).hexdigest()
    found: Diagram | None = cache.get(key)
    if found is None:
        found = _single(registry, name)
        cache.set(key, found, KEPT)
    return found


def _single(registry: Registry, name: str) -> Diagram:
    snapshot = parts.of_repository(registry, name, cast(SourceKind, registry.kind))
    if snapshot is None:
        return Diagram(NOTHING, "This repository was not scanned yet.")
    try:
        drawing = draw(snapshot, None, [name])
        return Diagram(_svg(registry, drawing, "before", "g", f"Image graph of {name}"))
    except LayoutFailed as error:
        return Diagram(NOTHING, str(error))


def of_plan(registry: Registry, plan: Plan) -> Pair:
    """Return what a plan, made on the newest scan, does to the graph."""
    snapshot, graph = scans.latest_snapshot(registry) if is_by_image(plan.kind) else None, None
    if snapshot is not None:
        graph = scans.latest_graph(registry)
    else:
        snapshot = parts.of_plan(registry, plan, plan.kind)
    try:
        drawing = draw(snapshot, plan, graph=graph)
        return Pair(
            _svg(registry, drawing, "before", "b", "Image graph before the cleanup"),
            _svg(registry, drawing, "after", "a", "Image graph after the cleanup"),
        )
    except LayoutFailed as error:
        return Pair(NOTHING, NOTHING, str(error))


def _svg(registry: Registry, drawing: Drawing, when: When, prefix: str, title: str) -> SafeString:
    links = {
        shape.key: reverse("image", args=[registry.slug, shape.image])
        for shape in drawing.shapes.values()
        if shape.key and shape.image
    }
    svg = render_inline(
        drawing,
        when,
        prefix=f"{prefix}-",
        title=title,
        description="Bases stand left of what is based on them; tags hang below their image.",
        links=links,
    )
    return mark_safe(svg)  # noqa: S308  # built from an allow-list, every text escaped: prune.drawing.svg
