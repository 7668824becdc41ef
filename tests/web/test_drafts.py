"""A sweep that is too large for a page is worked out by the worker."""

from datetime import UTC, datetime, timedelta

import pytest

from registryui.models import Draft, Proposal
from registryui.services import drafts, leases, proposals

pytestmark = pytest.mark.django_db


@pytest.fixture
def large(shop, monkeypatch):
    monkeypatch.setattr(drafts, "LARGE", 3)
    return shop


def ask(client, **more):
    data = {"sweep": "on", "confirm": "1", "title": "", "reason": "tidy", **more}
    return client.post("/r/shop/propose/", data)


def test_it_works(large, people, client_of):
    expected = proposals.create(people["admin"], large, ["shop/web:1.0"], title="", reason="", sweep=True).plan.digest
    client = client_of("proposer")
    page = client.get("/r/shop/propose/?sweep=on&ref=shop/web:1.0").content.decode()
    assert "worked out in the background" in page
    assert "deletes 1 thing" in page
    assert Proposal.objects.count() == 1
    answer = ask(client, ref="shop/web:1.0")
    draft = Draft.objects.get()
    assert answer["Location"] == f"/r/shop/drafts/{draft.pk}/"
    assert "Waiting for the worker" in client.get(answer["Location"]).content.decode()
    drafts.perform(draft.pk)
    drafts.perform(draft.pk)
    proposal = Proposal.objects.first()
    assert Proposal.objects.count() == 2
    assert (proposal.plan.digest, proposal.reason, proposal.proposer) == (expected, "tidy", people["proposer"])
    assert client.get(answer["Location"])["Location"] == f"/proposals/{proposal.pk}/"
    assert client.get(f"{answer['Location']}progress/")["HX-Redirect"] == f"/proposals/{proposal.pk}/"


def test_what_is_no_sweep_or_small_is_shown_at_once(large, client_of, monkeypatch):
    client = client_of("proposer")
    assert "What this deletion would do" in client.get("/r/shop/propose/?ref=shop/web:1.0").content.decode()
    monkeypatch.setattr(drafts, "LARGE", 50_000)
    assert "What this deletion would do" in client.get("/r/shop/propose/?sweep=on").content.decode()


def test_one_at_a_time_and_the_selection_goes_with_it(large, client_of):
    client = client_of("proposer")
    client.post("/r/shop/propose/", {"shown": "shop/web:1.0", "ref": "shop/web:1.0", "sweep": "on"})
    ask(client, selected="on")
    assert Draft.objects.get().refs == ["shop/web:1.0"]
    again = client.post("/r/shop/propose/", {"sweep": "on", "confirm": "1"}, follow=True).content.decode()
    assert "being worked out already" in again


def test_when_nothing_can_go_it_says_so(large, people, client_of):
    client = client_of("proposer")
    draft = drafts.request(people["proposer"], large, ["shop/none:1"], title="", reason="")
    people["proposer"].is_active = False
    people["proposer"].save()
    drafts.perform(draft.pk)
    draft.refresh_from_db()
    assert (draft.state, draft.proposal) == ("failed", None)
    assert "may not propose any more" in draft.message
    people["proposer"].is_active = True
    people["proposer"].save()
    assert "may not propose any more" in client.get(f"/r/shop/drafts/{draft.pk}/").content.decode()
    assert not Proposal.objects.exists()


def test_one_whose_worker_died_is_worked_out_by_another(large, people):
    draft = drafts.request(people["proposer"], large, [], title="", reason="")
    past = datetime.now(UTC) - timedelta(hours=1)
    Draft.objects.update(state="running", lease_owner="dead", lease_until=past)
    assert leases.recover() == 1
    drafts.perform(draft.pk)
    draft.refresh_from_db()
    assert draft.state == "done"


def test_a_worker_that_lost_its_lease_proposes_nothing(large, people, monkeypatch):
    draft = drafts.request(people["proposer"], large, [], title="", reason="")
    create = proposals.create

    def overtaken(*arguments, **more):
        Draft.objects.update(lease_owner="another")
        return create(*arguments, **more)

    monkeypatch.setattr(proposals, "create", overtaken)
    drafts.perform(draft.pk)
    assert not Proposal.objects.exists()
