"""The whole way without a mouse: log in, find, select, propose, approve, follow. Tab, Enter, Space and letters."""

import pytest
from playwright.sync_api import TimeoutError, expect

from tests.browser.conftest import Visitor

pytestmark = pytest.mark.real

#: Whether what has the focus is what is looked for, and whether one can see that it has it.
LOOK = """([selector, text]) => {
  const here = document.activeElement, style = getComputedStyle(here);
  return {
    found: here.matches(selector) && here.textContent.includes(text),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    graph: Boolean(here.closest("svg")),
    what: here.outerHTML.slice(0, 150),
  };
}"""


def to(page, selector: str, text: str = "") -> None:
    """Press Tab until something has the focus; each stop on the way shows that it has it."""
    for _ in range(200):
        page.keyboard.press("Tab")
        here = page.evaluate(LOOK, [selector, text])
        assert here["ring"] or here["graph"] or here["what"].startswith("<body"), here["what"]
        if here["found"]:
            return
    raise AssertionError(f"Tab never came to {selector} {text}")


def log_in(page, dashboard, name: str) -> None:
    to(page, "#id_username")
    page.keyboard.type(name)
    to(page, "#id_password")
    page.keyboard.type(dashboard.passwords[name])
    page.keyboard.press("Enter")
    expect(page.locator("#find")).to_be_visible(timeout=30_000)


def test_from_the_login_to_the_end_of_a_cleanup(chromium, dashboard):
    visitor = Visitor(chromium, dashboard)
    page = visitor.page
    page.goto("/login/")
    log_in(page, dashboard, "proposer")

    # The first stop leads past the menu.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")

    page.reload()
    to(page, "#find")
    page.keyboard.type("seed-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/**")
    to(page, "main a", "library/seed-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/repositories/library/seed-2/**")
    to(page, "[name=ref][value='library/seed-2:version1']")
    page.keyboard.press("Space")
    expect(page.locator("#selected")).to_contain_text("1 selected", timeout=60_000)
    to(page, "button", "Propose to delete selected")
    page.keyboard.press("Enter")
    page.wait_for_selector("#reason")
    to(page, "#reason")
    page.keyboard.type("nobody uses it")
    to(page, "button", "Propose")
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/1/")
    to(page, "button", "Log out")
    page.keyboard.press("Enter")
    page.wait_for_selector("#id_username")

    log_in(page, dashboard, "approver")
    to(page, "nav a", "Proposals")
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/")
    to(page, "main a", "#1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/proposals/1/")
    to(page, "button", "Approve")
    page.keyboard.press("Enter")
    page.wait_for_selector(".state.big.done")
    to(page, "main a", "done")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/1/")
    page.wait_for_selector(".state.big.done")
    visitor.close()


def go(page, key: str, address: str) -> None:
    """Press g and then the key; again, when the machine was too busy to do so within two seconds."""
    for _ in range(6):
        page.keyboard.press("g")
        page.keyboard.press(key)
        try:
            page.wait_for_url(f"**{address}", timeout=10_000)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"g {key} did not lead to {address}")


def test_keys_for_those_who_know_the_place(visit):
    visitor = visit("viewer")
    page = visitor.page
    sheet = page.locator("#keys")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    visitor.shot("keys")
    # While the sheet is open nothing else happens, and Escape closes it.
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert page.url == visitor.dashboard.url + "/"
    for key, address in (("p", "/proposals/"), ("s", "/space/"), ("o", "/policies/"), ("h", "/history/")):
        go(page, key, address)
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    # Letters are letters where one writes.
    page.keyboard.type("g?p/")
    expect(page.locator("#find")).to_have_value("g?p/")
    expect(sheet).to_be_hidden()
    page.goto("/r/demo/repositories/shop/web/")
    page.keyboard.press("u")
    page.wait_for_url("**/r/demo/?in=shop")

    # Who speaks to their computer, or leans on the keyboard, switches them off.
    page.get_by_role("button", name="Keyboard").click()
    page.get_by_label("Keys of one letter").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(page.locator("#find")).not_to_be_focused()
    expect(sheet).to_be_hidden()
