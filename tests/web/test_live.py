"""Work under way: how far it is, how often one asks, and that it can be called off where that is safe."""

from datetime import timedelta

import pytest
from django.utils import timezone

from prune.sources.base import Progress
from registryui.models import AuditEntry, Proposal, Registry, Run, Scan, Scrub
from registryui.services import leases, proposals, runs, scans, scrubs
from registryui.services.errors import NotNow
from tests.stores import tree
from tests.web.test_proposals import propose, root, work

pytestmark = pytest.mark.django_db


def test_a_page_asks_less_often_the_longer_it_takes():
    now = timezone.now()
    ages = (0, 29, 31, 299, 301, 86_400)
    assert [Scan(created_at=now - timedelta(seconds=age)).poll_seconds for age in ages] == [1, 1, 3, 3, 10, 10]


def test_when_a_step_ends_is_told_once_it_is_more_than_a_guess():
    began = timezone.now() - timedelta(seconds=60)
    half = Scan(step_at=began, done=50, total=100)
    assert 58 < (half.step_until - timezone.now()).total_seconds() < 61
    for guess in (
        Scan(done=50, total=100),
        Scan(step_at=began, done=50),
        Scan(step_at=began, done=1, total=1000),
        Scan(step_at=timezone.now(), done=50, total=100),
    ):
        assert guess.step_until is None


def test_each_step_of_a_scan_has_its_own_beginning(seed):
    scan = scans.request(None, seed)
    with leases.held(Scan, scan.pk) as lease:
        lease.report(Progress("reading", 1, 10))
        lease.show()
        scan.refresh_from_db()
        first = scan.step_at
        lease.report(Progress("reading", 2, 10))
        lease.show()
        scan.refresh_from_db()
        assert (scan.done, scan.step_at) == (2, first)
        lease.report(Progress("checking", 1, 5))
        lease.show()
        scan.refresh_from_db()
        assert scan.step_at > first


def test_a_fragment_brings_the_title_of_the_page(seed, client_of):
    scan = scans.request(None, seed)
    Scan.objects.filter(pk=scan.pk).update(state="running", what="reading", done=3, total=9)
    client = client_of("viewer")
    fragment = client.get("/r/seed/scan/state/?was=open", headers={"HX-Request": "true"}).content.decode()
    assert "<title>3/9 seed · registryui</title>" in fragment
    assert "3 of 9" in fragment
    assert "<title>3/9 seed · registryui</title>" in client.get("/r/seed/").content.decode()
    assert "call-off" not in fragment
    assert "call-off" in client_of("proposer").get("/r/seed/").content.decode()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_scan_is_called_off_and_what_was_known_stays(seed, people, client_of, state):
    last = seed.last_scan_id
    scan = scans.request(None, seed)
    Scan.objects.filter(pk=scan.pk).update(state=state)
    client_of("proposer").post("/r/seed/scan/call-off/")
    scan.refresh_from_db()
    assert (scan.state, scan.message) == ("failed", "It was called off.")
    scans.perform(scan.pk)
    assert Registry.objects.get().last_scan_id == last
    assert AuditEntry.objects.filter(action="scan.called_off", actor_name="proposer").count() == 1
    with pytest.raises(NotNow, match="No scan is under way"):
        scans.call_off(people["proposer"], seed)
    assert scans.request(None, seed).pk != scan.pk


def test_who_works_on_what_was_called_off_stops_and_writes_nothing_down(seed, people, monkeypatch):
    last = seed.last_scan_id
    scan = scans.request(None, seed)
    read = scans.open_registry

    def called_off_meanwhile(registry):
        scans.call_off(people["proposer"], registry)
        return read(registry)

    monkeypatch.setattr(scans, "open_registry", called_off_meanwhile)
    scans.perform(scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.message) == ("failed", "It was called off.")
    assert Registry.objects.get().last_scan_id == last
    with leases.held(Scan, scans.request(None, seed).pk) as lease:
        lease.report(Progress("reading", 1, 10))
        scans.call_off(people["proposer"], seed)
        lease.show()
        with pytest.raises(leases.LeaseLost):
            lease.report(Progress("reading", 2, 10))


def test_a_scrub_is_called_off(seed, people):
    row = scrubs.request(people["approver"], seed, "full")
    scrubs.call_off(people["approver"], seed)
    scrubs.perform(row.pk)
    row.refresh_from_db()
    assert (row.state, row.result, row.message) == ("failed", None, "It was called off.")
    assert Scrub.objects.count() == 1


def test_a_cleanup_is_called_off_only_before_it_began(seed, people, client_of):
    before = tree(root(seed))
    made = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], made, made.plan.digest)
    run = made.runs.get()
    assert "call-off" in client_of("admin").get(f"/runs/{run.pk}/").content.decode()
    client_of("admin").post(f"/runs/{run.pk}/call-off/")
    run.refresh_from_db()
    made.refresh_from_db()
    assert (run.state, run.message, made.state) == ("failed", "It was called off before it began.", "approved")
    work()
    runs.perform(run.pk)
    assert tree(root(seed)) == before
    # It can be started again, and once a worker had it, even if that one died, it cannot be called off.
    again = runs.start(people["admin"], Proposal.objects.get(pk=made.pk), "nobody serves it")
    Run.objects.filter(pk=again.pk).update(started_at=timezone.now())
    with pytest.raises(NotNow, match="It has begun"):
        runs.call_off(people["admin"], again)
    Run.objects.filter(pk=again.pk).update(started_at=None)
    work()
    again.refresh_from_db()
    assert again.state == "done"
    with pytest.raises(NotNow, match="It has begun"):
        runs.call_off(people["admin"], again)
