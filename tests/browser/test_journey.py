"""The seed, end to end, in a real browser: propose, approve, watch, look, undo, verify."""

import pytest

from tests.stores import tree

pytestmark = pytest.mark.real


def propose(visitor, repository: str, tag: str, reason: str) -> None:
    page = visitor.page
    page.goto(f"/r/seed/repositories/{repository}/")
    page.check(f"input[name=ref][value='{repository}:{tag}']")
    page.click("button:has-text('Propose to delete selected')")
    page.wait_for_selector("h1:has-text('What this deletion would do')")
    page.fill("#reason", reason)


def nodes(visitor, figure: int) -> set[str]:
    """The first letters of the images in a drawing."""
    shapes = visitor.page.locator("figure.drawing").nth(figure).locator("g.image")
    return {text.strip()[0] for text in shapes.locator("text:nth-of-type(1)").all_text_contents()}


@pytest.mark.parametrize("javascript", [True, False])
def test_the_seed_from_proposal_to_undo(visit, dashboard, javascript):
    store = dashboard.data / "demo/seed"
    before = tree(store)
    suffix = "" if javascript else "-without-javascript"
    proposer = visit("proposer", java_script_enabled=javascript)
    proposer.shot(f"registries{suffix}")

    # A <- B <- C <- D: deleting version1 frees nothing.
    propose(proposer, "library/seed-1", "version1", "old")
    text = proposer.page.inner_text("main")
    assert "Frees nothing, because image c1c1c1c1c1c1 stays: d1d1d1d1d1d1 is based on it" in text
    assert "version2 and latest point to d1d1d1d1d1d1" in text
    assert nodes(proposer, 0) == nodes(proposer, 1) == set("abcd")
    proposer.shot(f"propose-frees-nothing{suffix}")
    proposer.page.click("button:has-text('Propose')")
    proposer.page.wait_for_url("**/proposals/1/")

    # A <- B <- D, B <- C: C goes.
    propose(proposer, "library/seed-2", "version1", "nobody uses version 1 any more")
    text = proposer.page.inner_text("main")
    assert "c2c2c2c2c2c2 goes." in text
    assert nodes(proposer, 0) == set("abcd")
    assert nodes(proposer, 1) == set("abd")
    proposer.page.click("button:has-text('Propose')")
    proposer.page.wait_for_url("**/proposals/2/")
    assert proposer.page.locator("button:has-text('Approve')").count() == 0
    assert "Somebody else has to approve this" in proposer.page.inner_text("main")
    proposer.shot(f"proposal-of-ones-own{suffix}")

    approver = visit("approver", java_script_enabled=javascript)
    for number, letters in ((1, "abcd"), (2, "abd")):
        page = approver.page
        page.goto("/proposals/?state=open")
        page.click(f"a:has-text('#{number} ')")
        approver.shot(f"proposal-{number}{suffix}")
        page.fill("#verdict", "looks right")
        page.click("button:has-text('Approve')")
        # With JavaScript the page follows by itself, without it the browser loads it anew every few seconds.
        page.wait_for_selector(".state.big.done", timeout=120_000)
        assert page.inner_text(".state.big") == "Done"
        page.click("a:has-text('done')")
        approver.shot(f"run-{number}{suffix}")
        page.goto(f"/r/seed/repositories/library/seed-{number}/?tab=graph")
        assert nodes(approver, 0) == set(letters)
        tags = page.locator("figure.drawing g.tag text").all_text_contents()
        assert sorted(tag.strip() for tag in tags) == ["<latest>", "<version2>"]
        approver.shot(f"graph-after-{number}{suffix}")
    assert not (store / "images" / ("c2" * 32)).exists()
    assert (store / "images" / ("c1" * 32)).exists()

    # Undo, the newest first.
    page.goto("/trash/")
    approver.shot(f"trash{suffix}")
    for number in (2, 1):
        page.goto(f"/runs/{number}/")
        page.click("button:has-text('Undo this cleanup')")
        page.wait_for_selector("h1:has-text('Undo')")
        page.wait_for_selector(".state.big.done", timeout=120_000)
    assert tree(store) == before
    page.goto("/r/seed/repositories/library/seed-2/?tab=graph")
    assert nodes(approver, 0) == set("abcd")

    page.goto("/history/?verify=1")
    assert "The record is whole" in page.inner_text("main")
    approver.shot(f"history{suffix}")
    verified = dashboard.manage("verify_audit")
    assert verified.returncode == 0, verified.stderr
    assert "whole" in verified.stdout


def test_a_second_start_takes_seconds_and_loses_nothing(dashboard, visit, chromium):
    visitor = visit("proposer")
    propose(visitor, "library/seed-1", "version1", "old")
    visitor.page.click("button:has-text('Propose')")
    visitor.page.wait_for_url("**/proposals/1/")
    dashboard.stop()
    from tests.browser.conftest import Dashboard, Visitor

    again = Dashboard(dashboard.data)
    try:
        assert again.passwords == dashboard.passwords
        back = Visitor(chromium, again).log_in("proposer")
        back.page.goto("/proposals/1/")
        assert "Frees nothing" in back.page.inner_text("main")
        back.close()
        second = again.manage("serve")
        assert second.returncode == 1
        assert "running already" in second.stderr
    finally:
        again.stop()
        dashboard.process.wait()
