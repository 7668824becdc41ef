"""Areas in proportion, side by side, nothing over anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prune.drawing.treemap import treemap


@given(st.lists(st.integers(0, 10**12), max_size=40).map(lambda sizes: sorted(sizes, reverse=True)))
def test_every_box_has_its_area_and_none_lies_over_another(sizes):
    boxes = treemap(sizes, 900, 400)
    assert len(boxes) == len(sizes)
    total = sum(sizes)
    if total == 0:
        assert all(box.width * box.height == 0 for box in boxes)
        return
    for size, box in zip(sizes, boxes, strict=True):
        assert box.width * box.height == pytest.approx(900 * 400 * size / total, rel=1e-6, abs=1e-6)
        assert box.x >= -1e-6
        assert box.y >= -1e-6
        assert box.x + box.width <= 900 + 1e-6
        assert box.y + box.height <= 400 + 1e-6
    seen = [box for size, box in zip(sizes, boxes, strict=True) if box.width > 1e-6 and box.height > 1e-6]
    for number, one in enumerate(seen):
        for other in seen[:number]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(across, down) < 1e-6


def test_the_example_of_the_paper_comes_out_nearly_square():
    boxes = treemap([6, 6, 4, 3, 2, 2, 1], 6, 4)
    assert (boxes[0].width, boxes[0].height) == (3, 2)
    assert (boxes[1].x, boxes[1].y) == (0, 2)
    worst = max(max(box.width / box.height, box.height / box.width) for box in boxes)
    assert worst < 2.8
