"""Areas in proportion to numbers: a squarified treemap (Bruls, Huizing, van Wijk 2000)."""

from collections.abc import Sequence

import msgspec


class Box(msgspec.Struct, frozen=True):
    """A rectangle; ``x`` and ``y`` are its corner at the top left."""

    x: float
    y: float
    width: float
    height: float


def treemap(sizes: Sequence[float], width: float, height: float) -> list[Box]:
    """Return a box for each of ``sizes``, in the same order, that together fill ``width`` times ``height``.

    Areas are in proportion to sizes; what is 0 gets a box without area. Boxes come out as square as they can when
    sizes are sorted, the largest first.
    """
    total = sum(sizes)
    boxes = [Box(0, 0, 0, 0)] * len(sizes)
    if total <= 0 or width <= 0 or height <= 0:
        return boxes
    scale = width * height / total
    wanted = [(number, size * scale) for number, size in enumerate(sizes) if size > 0]
    left = Box(0, 0, width, height)
    row: list[tuple[int, float]] = []
    for number, area in wanted:
        side = min(left.width, left.height)
        if row and _worst([*(a for _, a in row), area], side) > _worst([a for _, a in row], side):
            left = _lay(row, left, boxes)
            row = []
        row.append((number, area))
    _lay(row, left, boxes)
    return boxes


def _worst(areas: Sequence[float], side: float) -> float:
    """Return the worst proportion of the boxes when ``areas`` fill a row along ``side``."""
    total = sum(areas)
    if side <= 0 or total <= 0:
        return float("inf")
    return max(side * side * max(areas) / total**2, total**2 / (side * side * min(areas)))


def _lay(row: list[tuple[int, float]], left: Box, boxes: list[Box]) -> Box:
    """Put a row along the shorter side of what is left; return what is left then."""
    total = sum(area for _, area in row)
    if left.width >= left.height:
        depth = min(total / left.height, left.width) if left.height else 0.0
        at = left.y
        for number, area in row:
            length = left.height * area / total
            boxes[number] = Box(left.x, at, depth, length)
            at += length
        return Box(left.x + depth, left.y, left.width - depth, left.height)
    depth = min(total / left.width, left.height) if left.width else 0.0
    at = left.x
    for number, area in row:
        length = left.width * area / total
        boxes[number] = Box(at, left.y, length, depth)
        at += length
    return Box(left.x, left.y + depth, left.width, left.height - depth)
