"""Many images on one base, as parts of indexes."""

from prune.drawing.diagram import draw, render_inline
from prune.drawing.dot import FEW
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.sources.open import open_source
from tests.drawing.test_diagram import positions
from tests.stores import V2Store, age


def of_indexes(root, number: int):
    """Return what `number` indexes hold that have an image on each of two bases, and the digests of both bases."""
    store = V2Store(root)
    layers = [[store.layer(5000)], [store.layer(5001)]]
    bases = [store.image("base/os", str(which), layers=one) for which, one in enumerate(layers)]
    for version in range(number):
        parts = [store.image("shop/web", layers=[*one, store.layer(100 + version)]) for one in layers]
        store.index("shop/web", f"1.{version}", children=parts)
    age(root)
    return open_source(store.source).scan(), bases


def across(drawing, when: str) -> dict[str, float]:
    """Return how far right each node stands, by its key."""
    found = positions(render_inline(drawing, when, prefix="g-", title="t", description="d", links={}))
    lefts = {name: float(parts[0][1].split()[0].split(",")[0]) for name, parts in found.items() if parts[0][1]}
    return {shape.key: lefts[f"g-{name}"] for name, shape in drawing.shapes.items() if f"g-{name}" in lefts}


def test_indexes_of_many_images_stand_between_these_and_their_base(tmp_path):
    snapshot, bases = of_indexes(tmp_path, FEW + 1)
    drawing = draw(snapshot, None)
    at = across(drawing, "before")
    kinds = {shape.key: shape.kind for shape in drawing.shapes.values()}
    indexes = [at[key] for key, kind in kinds.items() if kind == "index"]
    images = [at[key] for key, kind in kinds.items() if kind == "image"]
    assert len(indexes) == FEW + 1
    assert sorted(images)[: len(bases)] == [min(at.values())] * len(bases)
    assert min(at.values()) < min(indexes)
    assert max(indexes) < sorted(images)[len(bases)]


def test_a_few_stay_beside_their_base(tmp_path):
    snapshot, _ = of_indexes(tmp_path, FEW)
    drawing = draw(snapshot, None)
    at = across(drawing, "before")
    assert min(at[shape.key] for shape in drawing.shapes.values() if shape.kind == "index") == min(at.values())


def test_they_stand_afterwards_where_they_stood(tmp_path):
    snapshot, _ = of_indexes(tmp_path, FEW + 2)
    plan = make_plan(snapshot, Request(("shop/web:1.0",)), now=2_000_000_000)
    drawing = draw(snapshot, plan)
    before, after = across(drawing, "before"), across(drawing, "after")
    assert 0 < len(after) < len(before)
    assert {key: before[key] for key in after} == after
