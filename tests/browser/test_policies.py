"""A policy in a real browser: written with a live preview, due, approved, done; stopped by a guard; left alone."""

import re
import subprocess
import sys

import pytest

from tests.browser.conftest import ROOT

pytestmark = pytest.mark.real

POLICY = """\
delete:
  - {{id: old, tag: version1, repositories: [library/seed-2]}}
guards: {{min_age: null, min_tags_left: null, max_fraction: {fraction}}}
schedule: {{cron: '0 3 * * *', tz: Europe/Berlin}}
"""

#: The text has the keyboard, and in it a line is selected, after what stands before that line.
MARKED = """([line, before]) => {
  const text = document.activeElement;
  return text.id === "text" && text.value.slice(text.selectionStart, text.selectionEnd) === line
    && text.value.slice(0, text.selectionStart) === before;
}"""

#: What the worker finds when it comes back after a night: the policy was due meanwhile.
A_NIGHT_LATER = """
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from registryui.models import Policy, Registry
from registryui.services import policy_runs
yesterday = timezone.now() - timedelta(days=2)
Policy.objects.update(since=yesterday)
Registry.objects.update(created_at=yesterday)
print(policy_runs.look())
"""


def a_night_later(dashboard) -> None:
    done = subprocess.run(
        [sys.executable, "-c", A_NIGHT_LATER],
        env=dashboard.environment | {"DJANGO_SETTINGS_MODULE": "registryui.settings"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.strip() in ("0", "1")  # the worker may have seen it first


def wait_for_run(visitor, words: str) -> None:
    """Look at the policy until its newest run has come to something, then load the page once more.

    What the head of a page says was read a moment before its rows: the two agree for certain only when the run had
    ended before either.
    """
    page = visitor.page
    for _ in range(120):
        page.goto("/policies/p/old-versions/")
        newest = page.locator("h2:has-text('Runs') + div tbody tr").first
        if re.search(words, newest.inner_text()):
            page.reload()
            return
        page.wait_for_timeout(500)
    raise AssertionError(newest.inner_text())


def write(visitor, fraction: str) -> None:
    page = visitor.page
    page.goto("/policies/add/?start=few&registry=seed")
    page.wait_for_selector("#preview .figures")
    page.fill("#title", "Old versions")
    page.select_option("#on", "seed")
    page.fill("#text", "delete:\n  - {id: old, tagg: version1}\n")
    page.wait_for_selector("text=did you mean 'tag'?")
    visitor.shot("policy-faults")
    page.click("button[data-line='2']")
    page.wait_for_function(MARKED, arg=["  - {id: old, tagg: version1}", "delete:\n"], timeout=30_000)
    page.fill("#text", POLICY.format(fraction=fraction))
    page.wait_for_selector("#preview strong:has-text('library/seed-2:version1')")
    page.wait_for_selector("#freed data")
    page.wait_for_selector(".tabs button[aria-pressed]:has-text('Goes 1')")


def test_from_the_text_to_the_cleanup(visit, dashboard):
    proposer = visit("proposer")
    write(proposer, "0.5")
    proposer.shot("policy-editor")
    proposer.page.click("button:has-text('Save and activate')")
    proposer.page.wait_for_selector(".state.big:has-text('version 1 active')")
    a_night_later(dashboard)
    wait_for_run(proposer, "proposed #1")
    proposer.shot("policy")

    approver = visit("approver")
    approver.page.goto("/proposals/1/")
    assert "Proposed by the policy Old versions, version 1" in approver.page.inner_text("main")
    approver.page.click("button:has-text('Approve')")
    approver.page.wait_for_selector(".state.big.done", timeout=30_000)
    assert not (dashboard.data / "demo/seed/images" / ("c2" * 32)).exists()
    assert (dashboard.data / "demo/seed/images" / ("c1" * 32)).exists()


def test_a_guard_trips_and_is_set_aside_once(visit, dashboard):
    proposer = visit("proposer")
    write(proposer, "0.1")
    assert "The guard max_fraction would stop it" in proposer.page.inner_text("#preview")
    proposer.page.click("button:has-text('Save and activate')")
    proposer.page.wait_for_selector(".state.big:has-text('version 1 active')")
    a_night_later(dashboard)
    wait_for_run(proposer, "stopped by a guard")
    proposer.page.click("a:has-text('See which, and decide')")
    assert "1 of 6 tags would go, more than 10%" in proposer.page.inner_text("main")
    assert proposer.page.locator("button:has-text('Set it aside')").count() == 0

    approver = visit("approver", viewport={"width": 360, "height": 740}, color_scheme="dark")
    approver.page.goto("/")
    approver.page.click("a:has-text('See which, and decide')")
    approver.shot("policy-tripped-narrow-dark")
    approver.page.fill("#reason", "moved to another registry")
    approver.page.click("button:has-text('Set it aside once, and propose')")
    approver.page.wait_for_selector("text=A guard was set aside for it")
    assert approver.page.locator("button:has-text('Approve')").count() == 0

    admin = visit("admin")
    admin.page.goto("/proposals/1/")
    admin.page.click("button:has-text('Approve')")
    admin.page.wait_for_selector(".state.big.done", timeout=30_000)
    assert not (dashboard.data / "demo/seed/images" / ("c2" * 32)).exists()


def test_two_people_let_it_run_without_being_asked(visit, dashboard):
    proposer = visit("proposer")
    write(proposer, "0.5")
    proposer.page.click("button:has-text('Save and activate')")
    proposer.page.wait_for_selector(".state.big:has-text('version 1 active')")
    approver, admin = visit("approver"), visit("admin")
    approver.page.goto("/policies/p/old-versions/")
    approver.page.click("summary:has-text('Ask for one')")
    approver.page.fill("#standing-reason", "ran well for a year")
    approver.page.click("button:has-text('Ask a colleague to sign')")
    approver.page.wait_for_selector("text=1 signature missing")
    assert approver.page.locator("button:text-is('Sign')").count() == 0
    admin.page.goto("/policies/p/old-versions/")
    admin.page.click("button:text-is('Sign')")
    admin.page.wait_for_selector(".standing .state:has-text('holds')")
    a_night_later(dashboard)
    wait_for_run(admin, "standing approval")
    admin.shot("policy-standing")
    admin.page.goto("/proposals/1/")
    admin.page.wait_for_selector(".state.big.done", timeout=30_000)
    admin.page.goto("/runs/1/")
    assert "asked for by approver, signed by admin" in admin.page.inner_text("main")
    admin.page.goto("/policies/p/old-versions/")
    admin.page.click("button:has-text('Revoke')")
    admin.page.wait_for_selector(".standing .state:has-text('revoked')")
