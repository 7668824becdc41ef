"""Every page there is, with one of everything on it: for those who cannot see it, on a desk and on a phone, light and
dark; and under the policy that forbids everything a page does not need."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.urls import resolve
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import FLAGS, ROOT, Dashboard, Visitor
from tests.web.test_pages import PAGES as TABLE

pytestmark = pytest.mark.real

#: What is opened, and by whom. `{names}` are what `tests.browser.gallery` made.
PAGES = {
    "login": ("", "/login/"),
    "registries": ("admin", "/"),
    "registry": ("admin", "/r/demo/"),
    "registry-viewer": ("viewer", "/r/demo/"),
    "registry-incomplete": ("proposer", "/r/large/"),
    "registry-failed": ("admin", "/r/missing/"),
    "registry-searched": ("viewer", "/r/demo/?q=nothing-like-it"),
    "registry-add": ("admin", "/r/add/"),
    "registry-edit": ("admin", "/r/demo/change/"),
    "registry-events": ("admin", "/r/demo/events/"),
    "registry-events-viewer": ("viewer", "/r/demo/events/"),
    "registry-events-none": ("admin", "/r/seed/events/"),
    "repository": ("proposer", "/r/demo/repositories/shop/web/"),
    "repository-viewer": ("viewer", "/r/demo/repositories/shop/api/"),
    "repository-graph": ("viewer", "/r/demo/repositories/shop/web/?tab=graph"),
    "repository-graph-v1": ("viewer", "/r/seed/repositories/library/seed-1/?tab=graph"),
    "repository-untagged": ("viewer", "/r/demo/repositories/shop/web/?tab=untagged"),
    "repository-history": ("viewer", "/r/demo/repositories/shop/web/?tab=history"),
    "repository-long": ("proposer", "/r/large/repositories/{long}/"),
    "repository-long-graph": ("viewer", "/r/large/repositories/{long}/?tab=graph"),
    "repository-broken": ("proposer", "/r/large/repositories/team/broken/"),
    "repository-empty": ("viewer", "/r/demo/repositories/tools/report/"),
    "repository-graph-looked-at": ("viewer", "/r/demo/repositories/shop/web/?tab=graph&colour=age&node={base}"),
    "image": ("viewer", "/r/demo/images/{leaf}/"),
    "image-graph": ("viewer", "/r/demo/images/{base}/graph/?colour=size"),
    "registry-graph": ("viewer", "/r/demo/graph/"),
    "image-graph-index": ("viewer", "/r/demo/images/{index}/graph/"),
    "image-base": ("viewer", "/r/demo/images/{base}/"),
    "image-index": ("viewer", "/r/demo/images/{index}/"),
    "image-sbom": ("viewer", "/r/demo/images/{sbom}/"),
    "image-inside": ("viewer", "/r/demo/images/{leaf}/?tab=inside"),
    "image-sbom-inside": ("viewer", "/r/demo/images/{sbom}/?tab=inside"),
    "compare": ("viewer", "/r/demo/compare/"),
    "compare-two": ("viewer", "/r/demo/compare/?a=shop/web:1.2&b={base}"),
    "space-all": ("viewer", "/space/"),
    "space": ("viewer", "/r/demo/space/"),
    "scrub": ("approver", "/r/demo/scrub/"),
    "scrub-bad": ("viewer", "/r/large/scrub/"),
    "scrub-none": ("approver", "/r/seed/scrub/"),
    "selection": ("admin", "/r/demo/selection/"),
    "selection-empty": ("proposer", "/r/demo/selection/"),
    "propose": ("proposer", "/r/demo/propose/?ref=shop/web:1.2&ref=shop/api:2.1"),
    "propose-nothing-freed": ("proposer", "/r/seed/propose/?ref=library/seed-1:version1"),
    "draft": ("proposer", "/r/demo/drafts/{draft}/"),
    "proposals": ("admin", "/proposals/"),
    "proposal": ("approver", "/proposals/{proposal}/"),
    "proposal-mine": ("proposer", "/proposals/{proposal}/"),
    "proposal-done": ("admin", "/proposals/2/"),
    "proposal-wide": ("approver", "/proposals/{wide}/"),
    "proposal-items": ("approver", "/proposals/{proposal}/items/"),
    "proposal-edit": ("proposer", "/proposals/{proposal}/edit/"),
    "proposal-then": ("viewer", "/proposals/{plans[0]}/plans/{plans[1]}/"),
    "run": ("admin", "/runs/{run}/"),
    "run-undo": ("approver", "/runs/{undo}/"),
    "policies": ("proposer", "/policies/"),
    "policy": ("approver", "/policies/p/{policy}/"),
    "policy-version": ("viewer", "/policies/p/{policy}/2/"),
    "policy-add": ("proposer", "/policies/add/"),
    "policy-edit": ("proposer", "/policies/p/{policy}/edit/"),
    "policy-run": ("approver", "/policies/runs/{tripped}/"),
    "search": ("viewer", "/search/?q=shop"),
    "search-nothing": ("viewer", "/search/?q=zzzz"),
    "search-empty": ("viewer", "/search/"),
    "trash": ("approver", "/trash/"),
    "history": ("viewer", "/history/"),
    "history-verified": ("viewer", "/history/?verify=1"),
    "history-nothing": ("viewer", "/history/?q=zzzz"),
    "history-deletions": ("viewer", "/history/deletions/"),
    "history-tags": ("viewer", "/history/tags/"),
    "password_change": ("viewer", "/password/"),
    "not-found": ("viewer", "/r/none/"),
    "forbidden": ("viewer", "/r/add/"),
    "admin-index": ("admin", "/admin/"),
    "admin-users": ("admin", "/admin/auth/user/"),
}
#: Parts of pages, and files.
FRAGMENTS = {
    "draft-progress",
    "scan-state",
    "scrub-progress",
    "run-progress",
    "proposal-plan",
    "repository-file",
    "image-file",
    "before-file",
    "after-file",
    "registry-graph-file",
}
#: A page is loaded once for each width, because scripts look at it when they begin; colours follow where it stands.
LOOKS = [(1280, 900), (360, 740)]
#: Django's own administration fades from one colour to another, which halfway cannot be read.
SETTLED = """Promise.all(document.getAnimations().filter((one) => one instanceof CSSTransition)
    .map((one) => one.finished.catch(() => {})))"""


class Place:
    """One dashboard and one browser for the whole module; each role logs in once."""

    def __init__(self, playwright, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        filled = subprocess.run(
            [sys.executable, "-m", "tests.browser.gallery"],
            stdout=subprocess.PIPE,
            text=True,
            env=dashboard.environment,
            cwd=ROOT,
            check=True,
        )
        self.made = json.loads(filled.stdout)
        self.visitors: dict[str, Visitor] = {}

    def visitor(self, role: str) -> Visitor:
        if role not in self.visitors:
            come = Visitor(self.browser, self.dashboard)
            come.page.add_init_script(path=Path(__file__).with_name("watch.js"))
            self.visitors[role] = come.log_in(role) if role else come
        return self.visitors[role]

    def address(self, name: str) -> str:
        return PAGES[name][1].format(**self.made)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    dashboard = Dashboard(tmp_path_factory.mktemp("place"))
    try:
        with sync_playwright() as playwright:
            yield Place(playwright, dashboard)
    finally:
        dashboard.stop()


def test_every_page_is_in_the_table(place):
    opened = {resolve(urlsplit(place.address(name)).path).url_name for name in PAGES if "admin-" not in name}
    there = {name for name, _, method, _ in TABLE if method == "get"} | {"login", "password_change"}
    assert there - FRAGMENTS <= opened


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_by_everybody(place, name):
    visitor = place.visitor(PAGES[name][0])
    page = visitor.page
    visitor.complaints.clear()
    refused = {"not-found": 404, "forbidden": 403}.get(name, 200)
    found = []
    page.emulate_media(reduced_motion="reduce")
    for width, height in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        assert page.goto(place.address(name)).status == refused
        page.wait_for_selector(".htmx-request", state="detached")
        page.evaluate(AXE_SCRIPT)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(SETTLED)
            wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            if wide[0] > wide[1]:
                found.append(f"{scheme} {width}: {wide[0]} pixels are needed")
            for one in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]:
                for node in one["nodes"]:
                    told = " ".join(node["failureSummary"].split())
                    found.append(f"{scheme} {width}: {one['id']}: {node['target'][0]}: {told}: {node['html'][:200]}")
            visitor.shot(f"pages/{name}-{width}-{scheme}")
    assert found == []
    assert [one for one in visitor.complaints if refused == 200 or "Failed to load" not in one] == []


#: The pages of Django's own administration have rings of their own.
@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("admin-")])
def test_every_stop_is_reached_by_tab_and_seen(place, name):
    page = place.visitor(PAGES[name][0]).page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(place.address(name))
    page.wait_for_selector(".htmx-request", state="detached")
    # Some controls are several stops, a date for one; and what htmx brings later has to be reached as well.
    for _ in range(2 + page.evaluate("stops().length") // 10):
        for _ in range(20):
            page.keyboard.press("Tab")
        if not page.evaluate("missed()"):
            break
    assert page.evaluate("missed()") == []
    assert page.evaluate("unseen") == []
    assert page.evaluate("unnamed()") == []


@pytest.mark.parametrize("name", ["proposal", "proposal-then", "history", "history-deletions", "run"])
def test_on_paper_it_is_black_on_white_whole_and_exact(place, name):
    visitor = place.visitor(PAGES[name][0])
    page = visitor.page
    page.goto(place.address(name))
    page.emulate_media(media="print", color_scheme="dark")
    try:
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.documentElement).backgroundColor]"
        )
        assert (ink, paper) == ("rgb(26, 36, 46)", "rgb(255, 255, 255)")
        for control in ("header.top", "button", "input"):
            assert not any(one.is_visible() for one in page.locator(control).all())
        assert page.evaluate(
            "[...document.querySelectorAll('main details li')].every((one) => one.checkVisibility())"
        )
        when = page.locator("main time").first
        exact = "getComputedStyle(one, '::after').content"
        assert when.evaluate(f"(one) => {exact}").strip('"') == when.get_attribute("title")
        visitor.shot(f"pages/{name}-paper")
    finally:
        page.emulate_media(media="screen")


def test_nothing_is_promised_that_needs_a_script(place):
    visitor = Visitor(place.browser, place.dashboard, java_script_enabled=False).log_in("viewer")
    for promised in ("#keys", "#keys-open"):
        expect(visitor.page.locator(promised)).to_be_hidden()
    visitor.close()
