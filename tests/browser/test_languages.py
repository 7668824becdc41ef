"""The language of the pages, in a real browser: chosen, kept, and understood by scripts and the content policy."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

pytestmark = pytest.mark.real


def test_a_person_chooses_german_and_keeps_it(dashboard, chromium):
    visitor = Visitor(chromium, dashboard, locale="en-US")
    page = visitor.page
    page.set_default_timeout(60_000)
    page.goto("/login/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_label("Name").fill("proposer")
    page.get_by_label("Passwort").fill(dashboard.passwords["proposer"])
    page.get_by_role("main").get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Registrys")
    page.goto("/r/seed/repositories/library/seed-1/?tab=graph")
    expect(page.get_by_role("button", name="Näher heran")).to_be_visible()
    visitor.shot("german-graph")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Closer")).to_be_visible()
    expect(page).to_have_url(re.compile(r"tab=graph$"))
    assert visitor.complaints == []
    visitor.close()


def test_without_javascript_the_browser_decides_until_somebody_chooses(dashboard, chromium):
    visitor = Visitor(chromium, dashboard, locale="de-DE", java_script_enabled=False)
    page = visitor.page
    page.set_default_timeout(60_000)
    page.goto("/login/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto("/login/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    visitor.close()
