"""The diagrams before and after a plan."""

import re
import time
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prune.cli import main
from prune.drawing import layout
from prune.drawing.diagram import MOST_NODES, View, draw, render_inline
from prune.drawing.layout import LayoutFailed, run_dot
from prune.model.plan import Request
from prune.model.snapshot import Repository, Snapshot, V1Image
from prune.plan.make import make_plan
from prune.sources.open import open_source
from tests.plan.snapshots import NOW, v1_snapshot
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, seed_branch, seed_chain

CHAIN = {"a": None, "b": "a", "c": "b", "d": "c"}
BRANCH = {"a": None, "b": "a", "c": "b", "d": "b"}
TAGS = {"library/seed": {"version1": "c", "version2": "d", "latest": "d"}}


def inline(drawing, when, links=None):
    return render_inline(
        drawing, when, prefix="g-", title="Images", description="What is based on what", links=links or {}
    )


def positions(svg: str) -> dict[str, str]:
    """Where each thing with an id stands: the geometry below it."""
    root = ElementTree.fromstring(svg)
    found = {}
    for group in root.iter("g"):
        if group.get("id"):
            found[group.get("id")] = [
                (e.tag, e.get("points"), e.get("x"), e.get("y")) for e in group if e.tag != "title"
            ]
    return found


def edges(svg: str) -> int:
    return svg.count('class="edge edge-base"')


@pytest.mark.parametrize(("chains", "gone"), [(CHAIN, set()), (BRANCH, {"c"})])
def test_the_four_pictures_of_the_seed(chains, gone):
    snapshot = v1_snapshot(chains, TAGS)
    plan = make_plan(snapshot, Request(("library/seed:version1",)), now=NOW)
    drawing = draw(snapshot, plan)
    before, after = inline(drawing, "before"), inline(drawing, "after")
    for letter in "abcd":
        assert letter * 12 in before
        assert (letter * 12 in after) == (letter not in gone)
    assert edges(before) == 3
    assert edges(after) == 3 - len(gone)
    assert "&lt;version1&gt;" in before
    assert "version1" not in after
    for tag in ("version2", "latest"):
        assert f"&lt;{tag}&gt;" in before
        assert f"&lt;{tag}&gt;" in after
    where = positions(before)
    assert positions(after) == {key: what for key, what in where.items() if key in positions(after)}
    assert 'class="tag asked"' in before
    assert ('class="image goes"' in before) == bool(gone)
    assert 'class="image shared"' in before


def test_the_reason_why_something_stays_is_its_title():
    snapshot = v1_snapshot(CHAIN, TAGS)
    plan = make_plan(snapshot, Request(("library/seed:version1",)), now=NOW)
    svg = inline(draw(snapshot, plan), "before")
    assert "dddddddddddd is based on it and version2 and latest point to dddddddddddd" in svg


def test_links_and_keys_for_the_page():
    snapshot = v1_snapshot(BRANCH, TAGS)
    svg = inline(draw(snapshot, None), "before", {"a" * 64: "/r/x?a=1&b=2"})
    assert re.search(r'<a href="/r/x\?a=1&amp;b=2" aria-label="a{12} [^"]*"><g id="g-n1"', svg)
    assert f'data-key="{"a" * 64}"' in svg
    assert 'data-tag="library/seed:version1"' in svg


NASTY = [
    '"', "'", "<", "&", "<b>bold</b>", "<script>alert(1)</script>", "\\", "\\n\\l\\N\\G", "a:b:c", "}]->{",
    "\u202e\u0645\u0631", "\N{GRINNING FACE}", "x" * 128, "]]>", "<!--", "&amp;", "&#0;",
    "digraph", "a\nb", "\x00\x01\x1b", "%s{0}",
]  # fmt: skip


def named(names) -> Snapshot:
    image = V1Image("a" * 64, ("a" * 64,), 1)
    tags = dict.fromkeys(names, image.id)
    return Snapshot(
        "storage:/x", "storage-v1", {"library/x": Repository("library/x", tags)}, images={image.id: image}
    )


ALLOWED = {
    "svg": {"class", "viewBox", "width", "height", "aria-labelledby"},
    "title": {"id"},
    "desc": {"id"},
    "g": {"id", "class", "transform", "data-key", "data-tag", "data-from", "data-to"},
    "a": {"href", "aria-label", "aria-current"},
    "polygon": {"points"},
    "polyline": {"points"},
    "path": {"d"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "text": {"x", "y", "text-anchor"},
}


def assert_allowed(svg: str) -> None:
    for element in ElementTree.fromstring(svg).iter():
        assert element.tag in ALLOWED
        assert set(element.attrib) <= ALLOWED[element.tag], element.attrib


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_whatever_stands_in_a_name_is_only_text(name):
    svg = inline(draw(named([name]), None), "before", {("library/x", name): "/r/x/?pick=1"})
    assert_allowed(svg)
    assert '<a href="/r/x/?pick=1" aria-label=' in svg
    shown = "".join(e.text or "" for e in ElementTree.fromstring(svg).iter("text"))
    if name.isprintable() and len(name) < 30 and "\u202e" not in name:
        assert f"<{name}>" in shown


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=150), min_size=1, max_size=3, unique=True))
def test_any_text_gives_a_drawing_of_allowed_parts(names):
    assert_allowed(inline(draw(named(names), None), "before"))


def test_v2_with_index_and_signature(tmp_path):
    store = fill(V2Store(tmp_path))
    snapshot = open_source(store.source).scan()
    plan = make_plan(snapshot, Request(("team/app:1.0", "team/app:stable", "multi:1")), now=int(time.time()))
    drawing = draw(snapshot, plan)
    before, after = inline(drawing, "before"), inline(drawing, "after")
    assert_allowed(before)
    assert "referrer goes" in before
    assert "referrer" not in after
    assert 'class="index shared"' in after
    assert 'class="edge edge-member"' in after


def test_a_long_chain_is_folded_and_a_large_graph_shows_what_is_touched():
    letters = {f"{n:064x}": f"{n - 1:064x}" if n else None for n in range(300)}
    images = {}
    for id_ in letters:
        parent = letters[id_]
        images[id_] = V1Image(id_, (id_, *(images[parent].ancestry if parent else ())), 1_000_000)
    snapshot = Snapshot("s", "storage-v1", {"r": Repository("r", {"top": f"{299:064x}"})}, images=images)
    svg = inline(draw(snapshot, None), "before")
    assert "299 images" in svg
    assert "299.0 MB" in svg
    assert edges(svg) == 1
    many = {f"{n:064x}": V1Image(f"{n:064x}", (f"{n:064x}",), 1) for n in range(1000)}
    tags = {f"t{n}": f"{n:064x}" for n in range(1000)}
    wide = Snapshot("s", "storage-v1", {"r": Repository("r", tags)}, images=many)
    drawing = draw(wide, None)
    assert len(drawing.shapes) == 149  # an image and its tag come together
    assert "926 more" in drawing.before
    plan = make_plan(wide, Request(("r:t5", "r:t700", "r:t701")), now=NOW)
    drawing = draw(wide, plan)
    assert {shape.tag[1] for shape in drawing.shapes.values() if shape.fate == "asked"} == {"t5", "t700", "t701"}
    assert "923 more" in drawing.before


def wide(number: int, tags: int = 1) -> Snapshot:
    """That many images on one base, each with so many tags."""
    base = V1Image("f" * 64, ("f" * 64,), 1000)
    images = {base.id: base}
    named = {}
    for n in range(number):
        id_ = f"{n:064x}"
        images[id_] = V1Image(id_, (id_, base.id), 10, created=f"2024-01-01T00:00:00.{n:06}Z")
        named |= {f"t{n}.{tag}": id_ for tag in range(tags)}
    return Snapshot("s", "storage-v1", {"r": Repository("r", named)}, images=images)


@pytest.mark.parametrize("tags", [0, 1, 5, 9])
def test_never_more_than_four_hundred_are_drawn_however_much_is_asked_for(tags):
    snapshot = wide(1000, tags)
    plan = make_plan(snapshot, Request(tuple(f"r:t{n}.0" for n in range(900))), now=NOW) if tags else None
    ids = tuple(f"{n:064x}" for n in range(0, 1000, 3))
    for view in (View(), View(everything=True), View(unfolded=ids), View(focus=ids[-1])):
        drawing = draw(snapshot, plan, view=view)
        assert 50 < len(drawing.shapes) <= MOST_NODES
        assert [shape for shape in drawing.shapes.values() if shape.unfold]
    assert ids[-1] in {shape.image for shape in draw(snapshot, None, view=View(focus=ids[-1])).shapes.values()}


def test_a_fold_is_opened_by_the_id_that_it_names():
    snapshot = wide(400)
    drawing = draw(snapshot, None)
    (fold,) = [shape for shape in drawing.shapes.values() if shape.unfold]
    opened = draw(snapshot, None, view=View(unfolded=(fold.unfold,)))
    assert len(opened.shapes) > len(drawing.shapes)
    assert fold.unfold in {shape.image for shape in opened.shapes.values()}
    # The newest are shown first, and those that follow them next.
    assert int(fold.unfold, 16) == max(
        n for n in range(400) if f"{n:064x}" not in {shape.image for shape in drawing.shapes.values()}
    )


def test_what_of_a_fold_goes_is_said_before_and_is_gone_afterwards():
    snapshot = wide(1000)
    plan = make_plan(snapshot, Request(tuple(f"r:t{n}.0" for n in range(900))), now=NOW)
    drawing = draw(snapshot, plan)
    (fold,) = [shape for shape in drawing.shapes.values() if shape.unfold]
    before, after = inline(drawing, "before"), inline(drawing, "after")
    shown = sum(shape.fate == "goes" and shape.kind == "image" for shape in drawing.shapes.values())
    assert f"{900 - shown} go<" in before
    assert fold.fate == "shared"
    staying = 1000 - 900 - sum(shape.fate == "kept" and shape.kind == "image" for shape in drawing.shapes.values())
    assert f">{staying} more<" in after
    assert " go<" not in after


def test_colours_say_how_old_and_how_large_images_are():
    images = {}
    for n, (size, created) in enumerate(
        [(10, "2026-01-09T00:00:00Z"), (5 * 10**6, "2025-12-20T00:00:00Z"), (5 * 10**7, "2025-08-01T00:00:00Z"),
         (5 * 10**8, "2025-03-01T00:00:00Z"), (5 * 10**9, "2020-01-01T00:00:00Z"), (1, "0001-01-01T00:00:00Z"),
         (1, "nonsense"), (1, "2999-01-01T00:00:00Z")]
    ):  # fmt: skip
        id_ = f"{n:064x}"
        images[id_] = V1Image(id_, (id_,), size, created=created)
    snapshot = Snapshot("s", "storage-v1", {"r": Repository("r", {f"t{n}": id_ for n, id_ in enumerate(images)})},
                        images=images)  # fmt: skip

    def looks(colour):
        view = View(colour=colour, now=1_768_000_000)  # 2026-01-09
        drawing = draw(snapshot, None, view=view)
        assert_allowed(inline(drawing, "before"))
        return {shape.image: shape.look for shape in drawing.shapes.values() if shape.kind == "image"}, drawing

    ages, by_age = looks("age")
    assert list(ages.values()) == [*(f"step-{n}" for n in range(5)), *["step-none"] * 3]
    assert "2025-08-01" in by_age.before  # never by colour alone
    assert "age unknown" in by_age.before
    assert list(looks("size")[0].values())[:5] == [f"step-{n}" for n in range(5)]
    assert set(looks("fate")[0].values()) == {""}


def test_the_time_limit_holds(monkeypatch):
    monkeypatch.setattr(layout, "SECONDS", 0.05)
    dot = "digraph {" + ";".join(f"a{i}->a{(i * 7919) % 3000}" for i in range(6000)) + "}"
    with pytest.raises(LayoutFailed, match="given up"):
        run_dot(dot, "svg")


def test_nonsense_is_a_sentence():
    with pytest.raises(LayoutFailed, match="could not draw"):
        run_dot("digraph {", "svg")


def test_without_graphviz_there_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LayoutFailed, match="not installed"):
        run_dot("digraph { only_here }", "svg")


@pytest.mark.parametrize("fill_store", [seed_chain, seed_branch])
def test_the_command_writes_svg_png_and_dot(tmp_path, capsys, fill_store):
    store = V1Store(tmp_path / "v1")
    fill_store(store)
    plan = str(tmp_path / "plan.json")
    assert main(["plan", store.source, "--delete", "library/seed:version1", "--out", plan]) == 0
    for ending, magic in (("svg", b"<svg"), ("png", b"\x89PNG"), ("dot", b"digraph")):
        before, after = tmp_path / f"b.{ending}", tmp_path / f"a.{ending}"
        assert main(["draw", store.source, "--plan", plan, "--before", str(before), "--after", str(after)]) == 0
        assert before.read_bytes().startswith(magic)
        assert after.read_bytes().startswith(magic)
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    assert ("cccccccccccc" in text) == (fill_store is seed_chain)
    assert not re.search("<(script|image|foreignObject)", text)
    assert main(["draw", store.source, "--before", str(tmp_path / "x.gif")]) == 2
    assert main(["draw", store.source]) == 2
