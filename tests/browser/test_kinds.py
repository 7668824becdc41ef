"""An OCI layout and a V1 registry in a real browser: the form shows what each needs, the pages say what is so."""

import pytest

from tests.browser.waiting import says
from tests.http.registry_v1 import RegistryV1Server
from tests.reclaim.naive import layout_pulled
from tests.sources.conformance.subjects import TWO, fill_layout, fill_v1
from tests.stores import V1Store

pytestmark = pytest.mark.real


def test_an_oci_layout_from_the_form_to_the_undo(tmp_path, visit, dashboard):
    layout = fill_layout(tmp_path / "images")
    whole = layout_pulled(layout.root)
    admin = visit("admin", viewport={"width": 360, "height": 740}, color_scheme="dark")
    page = admin.page
    page.goto("/r/add/")
    page.fill("#id_title", "Built images")
    page.fill("#id_slug", "images")
    page.select_option("#id_place", "docker")
    assert page.locator("label[for=id_source]").inner_text().startswith("Engine")
    admin.shot("form-docker-narrow")
    page.select_option("#id_place", "oci")
    assert page.locator("label[for=id_source]").inner_text().startswith("Folder")
    for hidden in ("#id_username", "#id_new_password", "#id_bucket", "#id_token_realm"):
        assert not page.locator(hidden).is_visible()
    page.fill("#id_source", str(layout.root))
    admin.shot("form-oci-narrow")
    page.click("button:has-text('Test connection')")
    says(page, "can be read: OCI layout")
    page.click("button:has-text('Save and scan')")
    page.wait_for_selector("a:has-text('shop/app')", timeout=20_000)
    assert "written in one piece" in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    admin.shot("registry-oci-narrow")

    proposer = visit("proposer")
    proposer.page.goto("/r/images/repositories/shop/app/")
    proposer.page.check(f"input[type=checkbox][value='{':'.join(TWO)}']")
    proposer.page.click("button:has-text('Propose to delete selected')")
    proposer.page.click("button:has-text('Propose')")
    proposer.page.wait_for_url("**/proposals/1/")
    approver = visit("approver")
    approver.page.goto("/proposals/1/")
    approver.page.click("button:has-text('Approve')")
    page.goto("/proposals/1/")
    page.fill("#stopped", "nothing writes to it")
    page.click("button:has-text('Start the cleanup')")
    page.wait_for_selector(".state.big.done", timeout=30_000)
    assert layout_pulled(layout.root).keys() == whole.keys() - {TWO}
    assert "trash of the layout" in page.inner_text("main")
    admin.shot("run-oci-narrow")
    page.click("button:has-text('Undo this cleanup')")
    page.wait_for_selector(".state.big.done", timeout=30_000)
    assert layout_pulled(layout.root) == whole


def test_a_v1_registry_says_that_its_images_stay(tmp_path, visit, dashboard):
    server = RegistryV1Server(fill_v1(V1Store(tmp_path / "v1")).root)
    server.start()
    try:
        admin = visit("admin")
        page = admin.page
        page.goto("/r/add/")
        page.fill("#id_title", "Old registry")
        page.fill("#id_slug", "old")
        page.fill("#id_source", server.url)
        page.click("button:has-text('Test connection')")
        says(page, "V1 registry API; it lists its repositories")
        page.click("button:has-text('Save and scan')")
        page.wait_for_selector("a:has-text('shop/app')", timeout=20_000)
        assert "all of them stay on its disk" in page.inner_text("main")
        admin.shot("registry-v1")
        page.goto("/r/old/repositories/shop/app/")
        page.check("input[type=checkbox][value='shop/app:2.0']")
        page.click("button:has-text('Propose to delete selected')")
        assert "Frees nothing" in page.inner_text("main")
        assert "stays on the disk" in page.inner_text("main")
        admin.shot("plan-v1")
    finally:
        server.stop()
