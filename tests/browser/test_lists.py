"""Lists of a large registry in a real browser: with and without a script, on a desk and on a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Dashboard
from tests.stores import V2Store, age

pytestmark = pytest.mark.real


@pytest.fixture
def dashboard(tmp_path):
    """A registry of 130 tags in one repository, beside the demo's."""
    store = V2Store(tmp_path / "many")
    base = [store.layer(5000)]
    store.image("base/debian", "12", layers=base)
    for number in range(130):
        store.image("team/app", f"v{number:03}", layers=[*base, store.layer(100 + number)])
    age(tmp_path / "many")
    started = Dashboard(tmp_path / "data", "--source", store.source)
    yield started
    started.stop()


def address(page) -> str:
    """The repository's page in whatever the dashboard called the registry."""
    page.goto("/search/?q=team/app")
    page.get_by_role("link", name="team/app", exact=True).click()
    return page.url.partition("?")[0]


def test_ticks_survive_paging_without_a_script(visit, dashboard):
    visitor = visit("proposer", java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = visitor.page
    page.goto("/")
    here = address(page)
    page.goto(f"{here}?sort=tag")
    page.get_by_label("Select v003").check()
    page.get_by_role("button", name="Keep, and to the next page").click()
    page.get_by_label("Select v055").check()
    page.get_by_role("button", name="Keep, and to the previous page").click()
    expect(page.get_by_label("Select v003")).to_be_checked()
    expect(page.locator("#selected")).to_contain_text("2 selected")
    visitor.shot("selection-phone-no-script")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Propose to delete selected").click()
    expect(page.get_by_role("heading", name="What this deletion would do")).to_be_visible()
    page.get_by_label("Why can it go?").fill("old builds")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.locator("#review")).to_contain_text("team/app")
    visitor.shot("review-phone")


def test_with_a_script_each_tick_is_kept_at_once(visit, dashboard):
    visitor = visit("proposer", color_scheme="dark", viewport={"width": 1280, "height": 900})
    page = visitor.page
    here = address(page)
    page.goto(f"{here}?sort=tag")
    page.get_by_label("Select v003").check()
    expect(page.locator("#selected")).to_contain_text("1 selected")
    page.get_by_label("Select everything on this page").check()
    expect(page.locator("#selected")).to_contain_text("50 selected")
    page.get_by_role("button", name="Select all 130").click()
    expect(page.locator("#selected")).to_contain_text("130 selected")
    visitor.shot("repository-dark")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("debian")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Base images")).to_be_visible()
    visitor.shot("search-dark")


def test_an_image_its_build_and_its_base(visit, dashboard):
    visitor = visit("viewer", viewport={"width": 1280, "height": 900})
    page = visitor.page
    page.goto("/search/?q=team/app:v007")
    page.get_by_role("link", name="team/app:v007").click()
    expect(page.get_by_text("Based on")).to_be_visible()
    page.get_by_text("130 other images").click()
    visitor.shot("image")
    page.get_by_role("link", name="Compare with its base").click()
    expect(page.get_by_role("heading", name="Layers")).to_be_visible()
    visitor.shot("compare")
    page.go_back()
    page.get_by_role("link", name="How it was built").click()
    expect(page.get_by_text("Its config has no history")).to_be_visible()
