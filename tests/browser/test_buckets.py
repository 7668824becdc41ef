"""A registry in a bucket in a real browser: added by its form, scanned, and cleaned; its secret never comes back."""

import pytest

from tests.browser.waiting import says
from tests.buckets import KEY, REGION, SECRET, BucketRegistry
from tests.objects.memory import pulled
from tests.servers import push_examples

pytestmark = pytest.mark.real

PREFIX = "some/where"


@pytest.fixture
def filled(bucket, tmp_path, monkeypatch):
    """What the real registry wrote into a bucket; the dashboard, started after this, is told nothing of keys."""
    registry = BucketRegistry(bucket.server, bucket.name, tmp_path, PREFIX)
    registry.start()
    try:
        push_examples(registry, tmp_path)
    finally:
        registry.stop()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT_URL", "REGION"):
        monkeypatch.delenv(f"AWS_{name}")
    return bucket


def tags(bucket) -> set[tuple[str, str]]:
    """What the registry would serve: every tag of which each blob is there."""
    return set(pulled({key.removeprefix(f"{PREFIX}/"): body for key, body in bucket.objects().items()}))


def test_a_bucket_from_the_form_to_the_cleanup(filled, visit, dashboard):
    before = tags(filled)
    admin = visit("admin", viewport={"width": 1200, "height": 900})
    page = admin.page
    page.goto("/r/add/")
    page.fill("#id_title", "Images in the cloud")
    page.fill("#id_slug", "cloud")
    page.select_option("#id_place", "s3")
    for shown, name in (("bucket", "Bucket"), ("username", "Access key ID"), ("new_password", "Secret access key")):
        assert page.locator(f"label[for=id_{shown}]").inner_text().startswith(name)
    for hidden in ("#id_source", "#id_token_realm"):
        assert not page.locator(hidden).is_visible()
    assert "identity token" not in page.locator("fieldset.place").inner_text()
    page.fill("#id_bucket", "no-such-bucket")
    page.fill("#id_folder", PREFIX)
    page.fill("#id_endpoint", filled.server.url)
    page.fill("#id_region", REGION)
    page.fill("#id_username", KEY)
    page.fill("#id_new_password", SECRET)
    page.fill("#id_grace_hours", "0")  # all of it was pushed a moment ago
    page.click("button:has-text('Test connection')")
    says(page, "there is no such bucket")
    admin.shot("form-bucket-wrong")
    page.fill("#id_bucket", filled.name)
    page.click("button:has-text('Test connection')")
    says(page, "can be read: V2 storage")
    admin.shot("form-bucket")
    page.click("button:has-text('Save and scan')")
    page.wait_for_selector("a:has-text('team/app')")
    assert SECRET not in page.content()
    admin.shot("registry-bucket")

    page.goto("/r/cloud/change/")
    assert page.input_value("#id_bucket") == filled.name
    assert page.input_value("#id_new_password") == ""
    assert SECRET not in page.content()
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    admin.shot("form-bucket-narrow")

    proposer = visit("proposer")
    proposer.page.goto("/r/cloud/repositories/team/app/")
    proposer.page.check("input[type=checkbox][value='team/app:2.0']")
    proposer.page.click("button:has-text('Propose to delete selected')")
    proposer.page.click("button:has-text('Propose')")
    proposer.page.wait_for_url("**/proposals/1/")
    proposer.shot("proposal-bucket")
    approver = visit("approver")
    approver.page.goto("/proposals/1/")
    approver.page.click("button:has-text('Approve')")
    approver.page.locator("button:has-text('Approve')").wait_for(state="detached")
    page.goto("/proposals/1/")
    page.fill("#stopped", "its registry is stopped")
    page.click("button:has-text('Start the cleanup')")
    page.wait_for_selector(".state.big.done")
    assert tags(filled) == before - {("team/app", "2.0")}
    admin.shot("run-bucket-narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
