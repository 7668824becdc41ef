"""What a sweep takes besides: chosen by who proposes, shown to who approves, and carried out."""

import os
import time

import pytest

from registryui.models import Draft, Proposal
from registryui.services import drafts, proposals
from registryui.services.proposals import plan_of
from registryui.services.sweeping import Sweeping
from tests.stores import V2Store, age, tree
from tests.web.conftest import watched
from tests.web.test_proposals import work

pytestmark = pytest.mark.django_db
DAY = 86400


@pytest.fixture
def store(tmp_path) -> V2Store:
    v2 = V2Store(tmp_path / "swept")
    v2.image("app", "1", layers=[v2.layer()])
    (v2.repository_path("empty") / "_manifests/tags").mkdir(parents=True)
    now = time.time()
    age(v2.root)
    for name, old in (("days", 3 * DAY), ("month", 31 * DAY)):
        folder = v2.upload("app", name)
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (now - old, now - old))
    return v2


@pytest.fixture
def swept(db, store):
    return watched(store.source, "swept", run_on_approval=True, control_statement="Nobody serves this test store.")


def goes(proposal: Proposal) -> tuple[list[str], tuple[str, ...]]:
    delete = plan_of(proposal).delete
    return [upload.id for upload in delete.uploads], delete.repositories


def test_from_the_form_to_the_cleanup(swept, store, client_of):
    client = client_of("proposer")
    look = {"sweep": "on", "uploads_days": "30", "empty_repositories": "on"}
    page = client.post("/r/swept/propose/", {"sweep": "on"}).content.decode()
    assert 'name="uploads_days"' in page
    assert "Uploads only when" not in page
    page = client.post("/r/swept/propose/", {**look, "look": "1", "reason": "for tidiness"}).content.decode()
    assert "Uploads only when they were left alone for 30 days." in page
    assert "Repositories in which nothing is left go too." in page
    assert 'value="30"' in page
    assert "for tidiness" in page
    assert not Proposal.objects.exists()
    client.post("/r/swept/propose/", {**look, "confirm": "1", "title": "", "reason": "tidy"})
    proposal = Proposal.objects.get()
    assert goes(proposal) == (["month"], ("empty",))
    reviewer = client_of("approver")
    page = reviewer.get(f"/proposals/{proposal.pk}/").content.decode()
    assert "Uploads only when they were left alone for 30 days." in page
    assert "Repositories in which nothing is left go too." in page
    assert "empty" in page
    items = reviewer.get(f"/proposals/{proposal.pk}/items/").content.decode()
    assert "nothing referenced it" in items
    reviewer.post(f"/proposals/{proposal.pk}/approve/", {"plan": proposal.plan.digest})
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    assert not store.repository_path("empty").exists()
    assert {path.name for path in (store.repository_path("app") / "_uploads").iterdir()} == {"days"}


def test_without_a_choice_all_is_as_it_was(swept, people, client_of):
    client_of("proposer").post("/r/swept/propose/", {"sweep": "on", "uploads_days": "", "confirm": "1"})
    proposal = Proposal.objects.get()
    assert goes(proposal) == (["days", "month"], ())
    request = plan_of(proposal).request
    assert b"uploads_older_than" not in bytes(proposal.plan.body)
    assert not request.sweeps_repositories


def test_planning_again_and_editing_keep_the_choice(swept, people, client_of):
    choice = Sweeping(30, repositories=True)
    proposal = proposals.create(people["proposer"], swept, [], title="", reason="", sweep=True, besides=choice)
    digest = proposal.plan.digest
    assert proposals.refresh(people["proposer"], proposal).plan.digest == digest
    page = client_of("proposer").get(f"/proposals/{proposal.pk}/edit/").content.decode()
    assert 'value="30"' in page
    assert 'name="empty_repositories" checked' in page
    client_of("proposer").post(
        f"/proposals/{proposal.pk}/edit/", {"refs": "", "sweep": "on", "uploads_days": "2", "reason": ""}
    )
    proposal.refresh_from_db()
    assert goes(proposal) == (["days", "month"], ())
    assert plan_of(proposal).request.uploads_older_than == 2 * DAY


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "3651", "99999999999999999999", "ten", "٣"])
def test_a_number_of_days_that_is_none_is_said(swept, client_of, days):
    client = client_of("proposer")
    form = {"sweep": "on", "uploads_days": days, "confirm": "1"}
    answer = client.post("/r/swept/propose/", form, follow=True).content.decode()
    assert "whole days, from 1 to 3650" in answer
    assert not Proposal.objects.exists()


def test_a_large_sweep_keeps_the_choice_for_the_worker(swept, client_of, monkeypatch):
    monkeypatch.setattr(drafts, "LARGE", 1)
    client = client_of("proposer")
    assert 'name="uploads_days"' in client.get("/r/swept/propose/?sweep=on").content.decode()
    form = {"sweep": "on", "uploads_days": "30", "empty_repositories": "on", "confirm": "1"}
    client.post("/r/swept/propose/", form)
    drafts.perform(Draft.objects.get().pk)
    assert goes(Proposal.objects.get()) == (["month"], ("empty",))


def test_what_is_no_sweep_or_cannot_choose_has_no_such_fields(swept, seed, shop, client_of):
    client = client_of("proposer")
    for address in ("/r/shop/propose/?ref=shop/web:1.0", "/r/seed/propose/?sweep=on&ref=library/seed-1:version1"):
        assert 'name="uploads_days"' not in client.get(address).content.decode()
    # Without a sweep the choice means nothing.
    client.post("/r/shop/propose/", {"ref": "shop/web:1.0", "uploads_days": "30", "confirm": "1"})
    assert b"uploads_older_than" not in bytes(Proposal.objects.get().plan.body)


def test_it_can_be_undone(swept, store, people):
    before = tree(store.root)
    choice = Sweeping(30, repositories=True)
    proposal = proposals.create(people["proposer"], swept, [], title="", reason="", sweep=True, besides=choice)
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    from registryui.services import runs

    runs.restore(people["approver"], proposal.runs.get())
    work()
    assert tree(store.root) == before
