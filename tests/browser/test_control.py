"""A registry in a container: held for a cleanup, given back by the next worker, swept by us and by itself."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.browser.waiting import says
from tests.control.conftest import fill_by_pushes
from tests.engines import RegistryContainer
from tests.servers import skopeo

pytestmark = pytest.mark.real


@pytest.fixture
def live(engine, tmp_path):
    server = RegistryContainer(engine, "main", labels={"team": "platform"})
    server.before = fill_by_pushes(server, tmp_path)
    return server


def add(admin, live, **chosen) -> None:
    """Add the registry's volume, held through its container, and wait for the first scan."""
    page = admin.page
    page.goto("/r/add/")
    for field, text in (("title", "Live"), ("slug", "live"), ("source", live.source), ("grace_hours", "0")):
        page.fill(f"#id_{field}", text)
    assert not page.is_visible("#id_control_container")
    page.select_option("#id_control", "docker")
    assert page.is_visible("#id_control_container")
    assert not page.is_visible("#id_control_statement")
    page.fill("#id_control_container", "nobody")
    page.fill("#id_control_engine", live.engine.url)
    page.check("#id_run_on_approval")
    page.click("button:has-text('Test connection')")
    says(page, "There is no container nobody")
    page.fill("#id_control_container", "label=team")
    settings(page, **chosen)
    page.click("button:has-text('Test connection')")
    says(page, "was found (registry:2, running), and it has this storage")
    admin.shot("control-settings")
    page.click("button:has-text('Save and scan')")
    page.wait_for_selector("a:has-text('team/app')", timeout=20_000)


def settings(page, mode="stop", collects=False) -> None:
    page.select_option("#id_control_mode", mode)
    page.set_checked("#id_registry_collects", collects)


def propose_and_approve(visit, tag: str, number: int):
    proposer = visit("proposer")
    proposer.page.goto("/r/live/repositories/team/app/")
    proposer.page.check(f"input[name=ref][value='team/app:{tag}']")
    proposer.page.click("button:has-text('Propose to delete selected')")
    proposer.page.click("button:has-text('Propose')")
    proposer.page.wait_for_url(f"**/proposals/{number}/")
    approver = visit("approver")
    approver.page.goto(f"/proposals/{number}/")
    return approver


def worker_of(dashboard) -> int:
    """The process that holds the registry: the only one whose command is `worker`, below this dashboard."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"worker" in command and parent == dashboard.process.pid:
                return int(entry.name)
    raise AssertionError("there is no worker")


def frozen_while_held(live, dashboard) -> int:
    """Wait until the registry's container stands still, and freeze the worker that holds it."""
    worker = worker_of(dashboard)
    over = time.monotonic() + 120
    while time.monotonic() < over:
        # Frozen first, and then looked at: so it cannot go on in between, however long the look takes.
        os.kill(worker, signal.SIGSTOP)
        running = live.engine.api.inspect_container(live.container.id)["State"]["Running"]
        if not running and (live.root / ".registryui/control.json").exists():
            return worker
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.005)
    raise AssertionError("the registry was never held")


def wait_until(true, seconds=30.0) -> None:
    over = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < over
        time.sleep(0.05)


def test_approve_stop_sweep_start_and_a_worker_that_dies_in_between(live, visit, dashboard):
    admin = visit("admin")
    add(admin, live)
    was = live.attributes()
    approver = propose_and_approve(visit, "2.0", 1)
    assert "the container labelled team is stopped" in approver.page.inner_text("main")
    approver.page.click("button:has-text('Approve')")
    worker = frozen_while_held(live, dashboard)
    viewer, phone = visit("viewer"), visit("viewer", viewport={"width": 360, "height": 740}, color_scheme="dark")
    for address in ("/", "/proposals/", "/trash/", "/history/", "/r/live/"):
        viewer.page.goto(address)
        assert "Live is held" in viewer.page.inner_text(".held")
    viewer.shot("held")
    phone.page.goto("/")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    phone.shot("held-phone")
    assert not live.serves()
    os.kill(worker, signal.SIGKILL)
    # The next worker gives it back before anything else, and then goes on with the run.
    wait_until(live.serves)
    page = admin.page
    page.goto("/runs/1/")
    page.wait_for_selector(".state.big.done", timeout=60_000)
    assert "Registry held" in page.inner_text("main")
    admin.shot("run-held")
    wait_until(live.serves)
    assert live.attributes() == was
    kept = {key: what for key, what in live.before.items() if key != ("team/app", "2.0")}
    assert live.pull_all() == kept
    viewer.page.goto("/")
    assert viewer.page.query_selector(".held") is None
    page.goto("/history/")
    record = page.inner_text("main")
    assert "kept pushes out of" in record
    assert "gave back" in record
    # Pushes work again, and the undo brings the image back.
    skopeo(f"docker://{live.host}/team/app:1.0", f"docker://{live.host}/team/app:again")
    page.goto("/runs/1/")
    page.click("button:has-text('Undo this cleanup')")
    page.wait_for_selector("h1:has-text('Undo')")
    page.wait_for_selector(".state.big.done", timeout=30_000)
    assert live.pull("team/app", "2.0") == live.before["team/app", "2.0"]


def test_read_only_with_its_own_garbage_collection_and_one_that_does_not_come_back(live, visit, dashboard):
    admin = visit("admin")
    add(admin, live, mode="readonly", collects=True)
    was = live.attributes()
    approver = propose_and_approve(visit, "2.0", 1)
    assert "cannot be undone" in approver.page.inner_text("#decide")
    assert "cannot be undone" in approver.page.inner_text("#final")
    approver.shot("approve-with-own-collection")
    approver.page.click("button:has-text('Approve')")
    page = admin.page
    page.goto("/runs/1/")
    page.wait_for_selector(".state.big.done", timeout=60_000)
    admin.shot("run-own-collection")
    assert "Undo this cleanup" not in page.inner_text("main")
    assert "cannot be undone" in page.inner_text("#final")
    assert page.inner_text(".figures div:last-child") == "Trash\nGone for good"
    wait_until(live.serves)
    assert live.attributes() == was
    kept = {key: what for key, what in live.before.items() if key != ("team/app", "2.0")}
    assert live.pull_all() == kept
    assert not any(live.root.glob(".registryui/runs/*/files"))

    # Stopped, and then somebody takes the container away.
    page.goto("/r/live/change/")
    settings(page)
    page.click("button:has-text('Save and scan')")
    page.wait_for_url("**/r/live/")
    approver = propose_and_approve(visit, "1.0", 2)
    approver.page.click("button:has-text('Approve')")
    worker = frozen_while_held(live, dashboard)
    live.engine.api.remove_container(live.container.id)
    os.kill(worker, signal.SIGCONT)
    viewer = visit("viewer")
    page.goto("/runs/2/")
    page.wait_for_selector(".state.big.done", timeout=60_000)
    for address in ("/", "/proposals/", "/trash/", "/history/", "/r/live/"):
        viewer.page.goto(address)
        assert "Live did not come back" in viewer.page.inner_text("[role=alert]")
    page.goto("/r/live/")
    admin.shot("did-not-come-back")
    page.click("button:has-text('It runs as it should again')")
    assert page.query_selector(".held") is None
    assert "looked after" in (page.goto("/history/"), page.inner_text("main"))[1]
