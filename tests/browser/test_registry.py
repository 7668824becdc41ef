"""A live registry behind htpasswd and TLS: from "add a registry" to undo, in a real browser."""

import json

import pytest

from tests.browser.waiting import says
from tests.layouts import Layout
from tests.servers import Guarded

pytestmark = pytest.mark.real


def test_from_adding_it_to_undo(tmp_path, visit, dashboard):
    server = Guarded(tmp_path)
    server.start()
    try:
        layout = Layout(tmp_path / "layout")
        base = layout.layer("base")
        layout.image(base, tag="one")
        layout.image(base, layout.layer("more"), tag="two")
        server.push(layout, "one", "team/app:1.0")
        server.push(layout, "one", "team/app:stable")
        server.push(layout, "two", "team/app:2.0")
        before = server.pull_all()

        admin = visit("admin")
        page = admin.page
        page.goto("/r/add/")
        page.fill("#id_title", "Live")
        page.fill("#id_slug", "live")
        page.fill("#id_source", f"https://{server.host}")
        page.click("button:has-text('Test connection')")
        says(page, "not trusted")
        page.fill("#id_ca_certificate", server.authority)
        page.click("button:has-text('Test connection')")
        says(page, "credentials")
        page.fill("#id_username", "me")
        page.fill("#id_new_password", server.password)
        page.click("button:has-text('Test connection')")
        says(page, "can be reached: registry API; it lists its repositories")
        # What was typed is still there: the test stands beside the form, which was not sent back.
        assert page.input_value("#id_new_password") == server.password
        page.click("button:has-text('Save and scan')")
        page.wait_for_selector("a:has-text('team/app')", timeout=20_000)
        admin.shot("registry-live")

        proposer = visit("proposer")
        proposer.page.goto("/r/live/repositories/team/app/")
        proposer.page.check("input[type=checkbox][value='team/app:1.0']")
        proposer.page.check("input[type=checkbox][value='team/app:2.0']")
        proposer.page.click("button:has-text('Propose to delete selected')")
        assert "stable points to it" in proposer.page.inner_text("main")
        proposer.page.click("button:has-text('Propose')")
        proposer.page.wait_for_url("**/proposals/1/")

        approver = visit("approver")
        approver.page.goto("/proposals/1/")
        approver.page.click("button:has-text('Approve')")
        page.goto("/proposals/1/")
        page.click("button:has-text('Start the cleanup')")
        page.wait_for_selector(".state.big.done", timeout=30_000)
        admin.shot("run-live")
        assert server.tags("team/app") == ["stable"]
        assert server.pull_all() == {("team/app", "stable"): before["team/app", "stable"]}

        approver.page.goto("/runs/1/")
        approver.page.click("button:has-text('Undo this cleanup')")
        approver.page.wait_for_selector("h1:has-text('Undo')")
        approver.page.wait_for_selector(".state.big.done", timeout=30_000)
        assert server.pull_all() == before

        # The secret is nowhere to be seen: not in the pages, not in the record, not in the clear in the database.
        page.goto("/r/live/change/")
        assert server.password not in page.content()
        record = page.request.get(f"{dashboard.url}/history/?format=json").text()
        assert server.password not in record
        assert "registry.added" in {entry["action"] for entry in json.loads(record)}
        for file in dashboard.data.glob("registryui.sqlite3*"):
            assert server.password.encode() not in file.read_bytes()
        assert server.password not in "".join(dashboard.lines)
    finally:
        server.stop()
