"""Graphs in a real browser: moved by mouse and keys, and a proposal that is picked in the picture."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.real

WEB = "/r/demo/repositories/shop/web/?tab=graph"
LONG = 30_000


def at(page) -> str:
    """What has the focus."""
    return page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.tagName")


def view(page, which: int = 0) -> list[float]:
    shown = page.locator("figure.drawing svg.graph").nth(which).get_attribute("viewBox")
    return [float(number) for number in shown.split()]


def tag(page, name: str):
    return page.locator(f'svg.graph a:has(g[data-tag="{name}"])')


def test_arrows_follow_the_edges_and_keys_zoom(visit):
    page = visit("viewer").page
    page.goto(WEB)
    expect(page.locator("figure.drawing.live")).to_be_visible(timeout=LONG)
    # One stop for Tab, whatever the picture holds.
    assert page.locator("svg.graph a[tabindex='0']").count() == 1
    tag(page, "base/python:3.13").focus()
    page.keyboard.press("ArrowUp")
    name = at(page)
    assert "linux/amd64" in name
    python = page.locator(f'svg.graph a[aria-label="{name}"]')
    page.keyboard.press("ArrowDown")
    assert at(page) == "tag base/python:3.13"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert at(page).startswith("tag base/debian")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert at(page) == name
    page.keyboard.press("ArrowRight")
    assert "linux/amd64" in at(page)
    page.keyboard.press("ArrowLeft")
    assert at(page) == name
    whole = view(page)
    page.keyboard.press("+")
    assert view(page)[2] < whole[2]
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert view(page)[2] > whole[2]
    page.keyboard.press("0")
    page.get_by_role("button", name="Closer").click()
    near = view(page)
    assert near[2] < whole[2]
    # Dragged, it moves and no link is followed.
    box = python.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 65, box["y"] + 45, steps=4)
    page.mouse.up()
    assert view(page)[0] < near[0]
    assert page.url.endswith(WEB)
    python.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_contain_text("base/python:3.13", timeout=LONG)
    page.wait_for_url("**node=sha256**")
    assert at(page) == name
    page.go_back()
    expect(page.locator("#facts")).to_have_count(0, timeout=LONG)


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_tags_are_picked_in_the_graph_and_become_a_proposal(visit, script):
    visitor = visit("proposer", java_script_enabled=script, viewport={"width": 1280, "height": 900})
    page = visitor.page
    page.goto(WEB)
    tag(page, "shop/web:1.2").click()
    expect(page.locator(".picked")).to_contain_text("1 tag picked", timeout=LONG)
    expect(page.locator("figure.drawing")).to_have_count(2, timeout=LONG)
    after = page.locator("figure.drawing").nth(1)
    expect(after).not_to_contain_text("<shop/web:1.2>")
    tag(page, "shop/web:1.3").first.click()
    expect(page.locator(".picked")).to_contain_text("2 tags picked", timeout=LONG)
    expect(page.locator("figure.drawing").nth(1)).not_to_contain_text("<shop/web:1.3>", timeout=LONG)
    if script:
        assert at(page) == "tag shop/web:1.3 (asked to go)"
        assert view(page, 0) == view(page, 1)
        page.keyboard.press("Enter")
        expect(page.locator(".picked")).to_contain_text("1 tag picked", timeout=LONG)
    else:
        tag(page, "shop/web:1.3").first.click()
        expect(page.locator(".picked")).to_contain_text("1 tag picked", timeout=LONG)
    visitor.shot(f"graph-picked{'' if script else '-no-script'}")
    freed = page.inner_text(".picked strong")
    page.get_by_role("button", name="Propose to delete what is picked").click()
    page.wait_for_url("**/propose/")
    assert freed in page.inner_text(".verdict")
    page.fill("#reason", "picked in the graph")
    page.get_by_role("button", name="Propose", exact=True).click()
    page.wait_for_url("**/proposals/1/")
    assert "shop/web:1.2" in page.inner_text("h1")


def test_a_large_graph_has_a_map_and_can_be_read_at_once(visit, dashboard):
    page = visit("viewer", viewport={"width": 360, "height": 740}, color_scheme="dark").page
    page.goto(WEB + "&colour=age")
    expect(page.locator("figure.drawing.live .map")).to_be_visible(timeout=LONG)
    scale = page.evaluate(
        "(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)(document.querySelector('svg.graph'))"
    )
    assert scale >= 0.8
    # What one moves it by stands beside the picture, never on it.
    picture = page.locator("svg.graph").bounding_box()
    for name in (".map", ".zoom"):
        beside = page.locator(name).bounding_box()
        assert any(
            one[at] + one[size] <= other[at]
            for at, size in (("x", "width"), ("y", "height"))
            for one, other in ((beside, picture), (picture, beside))
        ), name
    before = view(page)
    page.locator(".map").click(position={"x": 3, "y": 3})
    assert view(page)[1] < before[1]


def test_of_a_pair_what_is_left_is_in_sight(visit):
    """Of a picture that is larger than its window, something is seen of what goes and of what stays."""
    page = visit("proposer", viewport={"width": 360, "height": 500}).page
    tags = ("latest", *(f"1.{number}" for number in range(6)))
    page.goto(f"{WEB}&{'&'.join(f'pick=shop/web:{tag}' for tag in tags)}")
    expect(page.locator("figure.drawing.live")).to_have_count(2, timeout=LONG)
    seen = """(which) => {
      const svg = document.querySelectorAll("svg.graph")[which], window = svg.getBoundingClientRect();
      const within = (box) => box.left >= window.left && box.right <= window.right
        && box.top >= window.top && box.bottom <= window.bottom;
      return [...svg.querySelectorAll("g[id]")].filter((node) => within(node.getBoundingClientRect()))
        .map((node) => node.getAttribute("class"));
    }"""
    assert any("goes" in one or "asked" in one for one in page.evaluate(seen, 0))
    assert page.evaluate(seen, 1)
