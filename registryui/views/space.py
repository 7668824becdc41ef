"""Space: where the bytes are, which of them are garbage, and how that changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from prune.drawing.treemap import treemap
from registryui.models import Registry, Repository, Run, SpacePicture
from registryui.permissions import VIEW, requires
from registryui.services.space import Point, trend
from registryui.views.registries import of_slug
from registryui.views.table import Column, Table

#: The drawing's own units; it is as wide as the page.
WIDTH, HEIGHT = 900, 360
#: Boxes beyond this many are put together into one.
MOST_BOXES = 60

COLUMNS = {
    "name": Column("name", "Repository"),
    "exclusive": Column("bytes_exclusive", "Only here", number=True),
    "shared": Column("bytes_shared", "Shared", number=True),
    "total": Column("bytes_total", "Together", number=True),
    "reclaimable": Column("bytes_reclaimable", "Reclaimable", number=True),
}


class Area(NamedTuple):
    """Something that a treemap shows. ``kind`` is its class in the drawing."""

    label: str
    size: int
    kind: str
    href: str = ""


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """All registries: who holds how much."""
    rows = list(Registry.objects.select_related("space"))
    held = dict(
        Run.objects.filter(kind=Run.Kind.APPLY, trash=Run.Trash.HELD)
        .values_list("registry_id")
        .annotate(held=Sum("freed_bytes"))
    )
    cards = [
        {"registry": row, "space": getattr(row, "space", None), "held": held.get(row.pk, 0)}
        for row in sorted(rows, key=lambda row: -getattr(getattr(row, "space", None), "total", 0))
    ]
    known = [card for card in cards if card["space"] is not None]
    areas = [
        Area(
            card["registry"].title, card["space"].total, "repository", reverse("space", args=[card["registry"].slug])
        )
        for card in known
    ]
    context = {
        "cards": cards,
        "boxes": boxes(areas),
        "view": (WIDTH, HEIGHT),
        "total": sum(card["space"].total for card in known),
        "reclaimable": sum(card["space"].reclaimable or 0 for card in known),
        "held": sum(held.values()),
    }
    return render(request, "space_all.html", context)


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One registry: its repositories, its garbage, its history."""
    registry = of_slug(slug)
    space = getattr(registry, "space", None)
    rows: QuerySet[Repository] = Repository.objects.filter(registry=registry, ended_at=None)
    rows = rows.annotate(bytes_shared=F("bytes_total") - F("bytes_exclusive"))
    points = trend(registry)
    context = {
        "registry": registry,
        "space": space,
        "table": Table(request, rows, COLUMNS, search=["name"], default="-exclusive"),
        "boxes": boxes(_areas(space, rows)) if space is not None else [],
        "view": (WIDTH, HEIGHT),
        "garbage": space.garbage[:50] if space is not None else [],
        "chart": chart(points),
        "points": points[::-1][:12],
        "held": Run.objects.filter(registry=registry, kind=Run.Kind.APPLY, trash=Run.Trash.HELD).aggregate(
            held=Sum("freed_bytes")
        )["held"]
        or 0,
    }
    return render(request, "space.html", context)


def _areas(space: SpacePicture, rows: QuerySet[Repository]) -> list[Area]:
    largest = rows.filter(bytes_exclusive__gt=0).order_by("-bytes_exclusive", "name")
    areas = [
        Area(row.name, row.bytes_exclusive, "repository", reverse("repository", args=[space.registry.slug, row.name]))
        for row in largest[:MOST_BOXES]
    ]
    rest = rows.aggregate(all=Sum("bytes_exclusive"))["all"] or 0
    rest -= sum(area.size for area in areas)
    if rest > 0:
        areas.append(Area(_("all other repositories"), rest, "rest"))
    areas.append(Area(_("shared by several repositories"), space.shared, "shared"))
    areas.append(Area(_("needed by nothing"), space.unreferenced or 0, "loose"))
    return areas


def boxes(areas: Sequence[Area]) -> list[dict[str, Any]]:
    """Return what the drawing shows: a box for each area that can be seen, the largest first, with as much of its
    label as fits."""
    ordered = sorted((area for area in areas if area.size > 0), key=lambda area: (-area.size, area.label))
    total = sum(area.size for area in ordered)
    shown = []
    for area, box in zip(ordered, treemap([area.size for area in ordered], WIDTH, HEIGHT), strict=True):
        letters = int((box.width - 14) / 7.4)
        fits = letters >= 4 and box.height >= 24
        label = area.label if len(area.label) <= letters else area.label[: letters - 1] + "…"
        shown.append(
            {
                "x": f"{box.x:.2f}",
                "y": f"{box.y:.2f}",
                "width": f"{max(box.width - 1.5, 0.2):.2f}",
                "height": f"{max(box.height - 1.5, 0.2):.2f}",
                "text_x": f"{box.x + 7:.2f}",
                "text_y": f"{box.y + 17:.2f}",
                "size_y": f"{box.y + 33:.2f}" if fits and box.height >= 42 and letters >= 8 else "",
                "label": label if fits else "",
                "name": area.label,
                "size": area.size,
                "percent": f"{100 * area.size / total:.1f}",
                "kind": area.kind,
                "href": area.href,
            }
        )
    return shown


def chart(points: Sequence[Point]) -> dict[str, Any] | None:
    """Return two lines over time, as points of an SVG of 900 by 180; ``None`` when there are too few to see."""
    if len(points) < 2 or points[0].at == points[-1].at:
        return None
    most = max(point.total for point in points) or 1
    span = (points[-1].at - points[0].at).total_seconds()

    def at(moment: datetime, size: int) -> str:
        return f"{900 * (moment - points[0].at).total_seconds() / span:.1f},{180 - 170 * size / most:.1f}"

    total = [at(point.at, point.total) for point in points]
    known = [point for point in points if point.reclaimable is not None]
    return {
        "total": " ".join(total),
        "area": " ".join(["0,180", *total, "900,180"]),
        "reclaimable": " ".join(at(point.at, point.reclaimable or 0) for point in known),
        "most": most,
        "first": points[0].at,
        "last": points[-1].at,
    }
