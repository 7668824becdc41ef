"""Every role does its part: on a phone without a script, and on a desk with one; each page is seen in both widths,
light and dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

pytestmark = pytest.mark.real

LOOKS = {
    "phone": {"viewport": {"width": 360, "height": 740}, "java_script_enabled": False},
    "desk": {"viewport": {"width": 1280, "height": 900}},
}
#: An admin has to start it, so that each role is needed.
ASK_ADMIN = "from registryui.models import Registry; Registry.objects.update(run_on_approval=False)"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def seen(visitor: Visitor, look: str, name: str) -> None:
    """Keep a picture in each width and scheme; nothing may be wider than its window."""
    page = visitor.page
    for other, options in LOOKS.items():
        page.set_viewport_size(options["viewport"])
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            visitor.shot(f"roles/{look}-{name}-{other}-{scheme}")
        assert page.evaluate(WIDE) <= 0, f"{name} as on a {other}"
    page.set_viewport_size(LOOKS[look]["viewport"])


def test_each_role_does_its_part(visit, dashboard):
    asked = dashboard.manage("shell", "-c", ASK_ADMIN)
    assert asked.returncode == 0, asked.stderr
    journeys = (("phone", "seed", "library/seed-2", "version1"), ("desk", "demo", "tools/migrate", "once"))
    for number, (look, slug, repository, tag) in enumerate(journeys, 1):
        options = LOOKS[look]
        viewer = visit("viewer", **options)
        page = viewer.page
        seen(viewer, look, "registries")
        page.goto(f"/search/?q={repository}")
        page.get_by_role("link", name=repository, exact=True).first.click()
        page.wait_for_url(f"**/{repository}/**")
        expect(page.get_by_role("button", name="Propose to delete selected")).to_have_count(0)
        seen(viewer, look, "repository-viewer")
        page.goto(f"/r/{slug}/repositories/{repository}/?tab=graph")
        expect(page.locator("svg.graph a").first).to_be_attached()
        seen(viewer, look, "graph")

        proposer = visit("proposer", **options)
        page = proposer.page
        page.goto(f"/r/{slug}/repositories/{repository}/")
        page.get_by_label(f"Select {tag}", exact=True).check()
        seen(proposer, look, "selected")
        page.get_by_role("button", name="Propose to delete selected").click()
        page.get_by_label("Why can it go?").fill("nobody uses it any more")
        seen(proposer, look, "propose")
        page.get_by_role("button", name="Propose", exact=True).click()
        page.wait_for_url(f"**/proposals/{number}/")
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        seen(proposer, look, "proposal-proposer")

        approver = visit("approver", **options)
        page = approver.page
        page.goto(f"/proposals/{number}/")
        seen(approver, look, "proposal-approver")
        page.get_by_role("link", name="To the decision").click()
        page.get_by_label("Comment (optional)").fill("right")
        page.get_by_role("button", name="Approve", exact=True).click()
        expect(page.locator(".state.big")).to_have_text("Approved", timeout=60_000)
        expect(page.get_by_role("button", name="Start the cleanup")).to_have_count(0)
        seen(approver, look, "approved")

        admin = visit("admin", **options)
        page = admin.page
        page.goto(f"/proposals/{number}/")
        seen(admin, look, "proposal-admin")
        page.get_by_role("button", name="Start the cleanup").click()
        page.wait_for_selector(".state.big.done")
        page.goto("/trash/")
        seen(admin, look, "trash")
        page.get_by_role("link", name=f"Delete {repository}:{tag}").click()
        page.wait_for_selector("text=Undo this cleanup")
        page.locator("summary", has_text="Empty the trash").click()
        seen(admin, look, "run")
        page.get_by_role("button", name="Empty it for good").click()
        page.wait_for_selector("h1:has-text('mptying')")
        page.wait_for_selector(".state.big.done")
        seen(admin, look, "emptied")
        page.goto("/history/deletions/")
        expect(page.locator("main")).to_contain_text(f"{repository}:{tag}")
        seen(admin, look, "deletions")
        for one in (viewer, proposer, approver, admin):
            one.page.close()
