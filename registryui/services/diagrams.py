"""Drawings for pages, kept by what they show."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from django.core.cache import cache
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from prune.drawing.diagram import draw, render_inline
from prune.drawing.dot import Drawing
from prune.drawing.layout import LayoutFailed
from prune.model.plan import Plan
from prune.model.snapshot import Snapshot
from registryui.models import Registry, RegistrySnapshot
from registryui.services import scans

#: Seconds. A drawing is named by what it shows, so it can only be forgotten, never be wrong.
KEPT = 24 * 3600


class Diagram(NamedTuple):
    """A drawing, or the sentence why there is none."""

    svg: SafeString
    sentence: str = ""


class Pair(NamedTuple):
    """Before and after, on the same positions."""

    before: Diagram
    after: Diagram


def of_repository(registry: Registry, name: str) -> Diagram:
    """Return the graph of a repository as the last scan saw it."""
    snapshot = scans.latest_snapshot(registry)
    if snapshot is None or name not in snapshot.repositories:
        return Diagram(SafeString(""), "This repository was not scanned yet.")
    key = f"repository {_snapshot_digest(registry)} {name}"
    return _kept(key, lambda: _single(registry, snapshot, name))


def of_plan(registry: Registry, plan: Plan) -> Pair:
    """Return what a plan does to the graph. It is drawn on the last scan; the plan's own names do not move."""
    snapshot = scans.latest_snapshot(registry)
    if snapshot is None:
        nothing = Diagram(SafeString(""), "This registry was not scanned yet.")
        return Pair(nothing, nothing)
    key = f"plan {_snapshot_digest(registry)} {plan.digest()}"
    return _kept(key, lambda: _pair(registry, snapshot, plan))


def _kept[T](key: str, make: Callable[[], T]) -> T:
    name = "diagram " + hashlib.sha256(key.encode()).hexdigest()
    name = name.replace(" ", "-")
    found: T | None = cache.get(name)
    if found is None:
        found = make()
        cache.set(name, found, KEPT)
    return found


def _snapshot_digest(registry: Registry) -> str:
    return RegistrySnapshot.objects.values_list("digest", flat=True).get(registry=registry)


def _single(registry: Registry, snapshot: Snapshot, name: str) -> Diagram:
    try:
        drawing = draw(snapshot, None, [name])
        return Diagram(_svg(registry, drawing, "before", "g", f"Image graph of {name}"))
    except LayoutFailed as error:
        return Diagram(SafeString(""), str(error))


def _pair(registry: Registry, snapshot: Snapshot, plan: Plan) -> Pair:
    try:
        drawing = draw(snapshot, plan)
        return Pair(
            Diagram(_svg(registry, drawing, "before", "b", "Image graph before the cleanup")),
            Diagram(_svg(registry, drawing, "after", "a", "Image graph after the cleanup")),
        )
    except LayoutFailed as error:
        nothing = Diagram(SafeString(""), str(error))
        return Pair(nothing, nothing)


def _svg(registry: Registry, drawing: Drawing, when: str, prefix: str, title: str) -> SafeString:
    links = {
        shape.key: reverse("image", args=[registry.slug, shape.image])
        for shape in drawing.shapes.values()
        if shape.key and shape.image
    }
    svg = render_inline(
        drawing,
        "after" if when == "after" else "before",
        prefix=f"{prefix}-",
        title=title,
        description="Bases stand left of what is based on them; tags hang below their image.",
        links=links,
    )
    return mark_safe(svg)  # noqa: S308  # built from an allow-list, every text escaped: prune.drawing.svg
