"""Who builds on whom: where lines run, and what they join."""

import random
from xml.etree import ElementTree

from prune.drawing.diagram import render_inline
from prune.drawing.overview import Stream, overview

SVG = "{http://www.w3.org/2000/svg}"
#: Half of how large words of a line are: a character, and a line, of 9 points.
ACROSS, UP = 2.5, 4.0


def streams(seed: int) -> list[Stream]:
    chosen = random.Random(seed)
    bases = ["base/debian", "base/alpine", "base/python", "base/node"]
    found = [
        Stream(f"team{number % 3}/service-{number}", base, chosen.randint(1, 9), chosen.randint(10**5, 10**10))
        for number in range(14)
        for base in chosen.sample(bases, 2)
    ]
    return [*found, Stream("base/python", "base/debian", 2, 10**9), Stream("base/node", "base/debian", 4, 10**8)]


def inline(given: list[Stream]) -> ElementTree.Element:
    drawing = overview(given)
    svg = render_inline(drawing, "before", prefix="p-", title="t", description="d", links={})
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def points(path: str) -> list[tuple[float, float]]:
    """Points on the curves of ``M…C…``, near enough to each other."""
    numbers = [tuple(map(float, one.split(","))) for one in path.replace("M", "").replace("C", " ").split()]
    found = []
    for start in range(0, len(numbers) - 3, 3):
        four = numbers[start : start + 4]
        for step in range(41):
            t = step / 40
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            found.append(tuple(sum(w * one[axis] for w, one in zip(weights, four, strict=True)) for axis in (0, 1)))
    return found


def test_no_line_runs_through_words():
    for seed in range(6):
        root = inline(streams(seed))
        lines = [point for path in root.iter(f"{SVG}path") for point in points(path.get("d", ""))]
        words = [
            text for text in root.iter(f"{SVG}text") if text.text and text.text.startswith(("by ", *"0123456789"))
        ]
        assert len(words) == 60
        struck = [
            text.text
            for text in words
            for x, y in lines
            if abs(x - float(text.get("x"))) < ACROSS * len(text.text) and 0 < float(text.get("y")) - y < UP
        ]
        assert struck == []


def test_both_halves_of_a_line_join_what_it_joins():
    given = streams(1)
    root = inline(given)
    keys = {node.get("id"): node.get("data-key") for node in root.iter(f"{SVG}g") if node.get("data-key")}
    edges = [node for node in root.iter(f"{SVG}g") if "edge" in node.get("class", "").split()]
    joined = [(keys[one.get("data-to")], keys[one.get("data-from")]) for one in edges]
    assert sorted(joined) == sorted(2 * [(stream.upper, stream.base) for stream in given])
    # And its arrow points at the base, once.
    assert sum(len(one.findall(f"{SVG}polygon")) for one in edges) == len(given)
