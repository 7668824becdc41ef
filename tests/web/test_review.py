"""A reviewer in front of a large proposal."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from registryui.models import Comment, PlanItem, PlanRecord
from registryui.services import proposals, review
from tests.stores import V2Store, age
from tests.web.conftest import watched
from tests.web.test_proposals import propose

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(people, tmp_path):
    """500 builds in five repositories, a release among them, a base of others, and garbage."""
    store = V2Store(tmp_path / "lab")
    base = [store.layer(100)]
    store.image("base", "12", layers=base)
    for repo in range(5):
        for number in range(100):
            store.image(f"team/r{repo}", f"pr-{number:03}", layers=[*base, store.layer(10)])
        store.image(f"team/r{repo}", "keep", layers=[*base, store.layer(10)])
    store.image("team/r1", "v1.4.0", layers=[*base, store.layer(10)])
    store.image("team/r2", layers=[store.layer(10)])
    age(tmp_path)
    return watched(store.source, "lab")


def everything(lab) -> list[str]:
    refs = [f"team/r{repo}:pr-{number:03}" for repo in range(5) for number in range(100)]
    return [*refs, "team/r1:v1.4.0", "base:12"]


def test_it_works(lab, people, client_of):
    proposal = propose(people["proposer"], lab, *everything(lab))
    page = client_of("approver").get(f"/proposals/{proposal.pk}/").content.decode()
    first = re.search(r"Look at these first.*?</ul>", page, re.DOTALL)[0]
    assert "base:12" in first
    assert "directly based on it" in first
    glance = re.search(r"At a glance.*?</table>", page, re.DOTALL)[0]
    groups = re.findall(r'<th scope="row"><a[^>]*>([^<]+)</a></th><td[^>]*>([^<]+)</td><td[^>]*>(\d+)</td>', glance)
    assert ("team/r3", "was asked for", "100") in groups
    assert groups[0][0] == "base"


def test_what_goes_of_one_repository_stands_together(lab, people, client_of):
    proposal = propose(people["proposer"], lab, *everything(lab), sweep=True)
    every = review.groups(proposal.plan, 100)
    names = [group["repository"] for group in every]
    assert len(names) > len(set(names))
    assert names == sorted(names, key=names.index)
    assert any(group["outliers"] for group in every if group["repository"] == names[0])
    # What a page has no room for is the end of the list, never a part of a repository in its middle.
    assert all(review.groups(proposal.plan, most) == every[:most] for most in range(len(every)))


def test_every_item_says_why_it_goes_and_what_spoke_against_it(lab, people):
    proposal = propose(people["proposer"], lab, *everything(lab), sweep=True)
    rows = PlanItem.objects.filter(plan=proposal.plan)
    assert rows.filter(kind="tag").count() == proposal.plan.tags == 502
    assert set(rows.filter(kind="tag").values_list("cause", flat=True)) == {"asked"}
    release = rows.get(name="v1.4.0")
    assert "its name looks like a release" in release.signals
    base = rows.get(repository="base", kind="tag")
    assert any("501" in text or "directly based" in text for text in base.signals)
    assert "no tag of its repository is left" in base.signals
    assert rows.filter(repository="team/r1", kind="manifest", cause="follows").count() == 101


def test_items_are_filtered_sorted_and_searched_over_all_of_them(lab, people, client_of):
    proposal = propose(people["proposer"], lab, *everything(lab))
    client = client_of("viewer")

    def shown(query: str) -> str:
        return client.get(f"/proposals/{proposal.pk}/items/{query}").content.decode()

    assert f"2 of {PlanItem.objects.filter(plan=proposal.plan).count():,}" in shown("?q=v1.4.0") + shown("?q=base")
    assert "v1.4.0" in shown("?in=team/r1&sort=-weight")
    assert "team/r2" not in shown("?in=team/r1")
    assert "pr-000" not in shown("?only=outliers")
    assert "Nothing matches" in shown("?q=zzz")


def test_what_changed_since_the_reviewer_looked(lab, people, client_of):
    lab.required_approvals = 2
    lab.save()
    proposal = propose(people["proposer"], lab, "team/r0:pr-001", "team/r0:pr-002")
    assert review.since_review(proposal, people["approver"]) is None
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    seen = proposal.plan
    for refs in (["team/r0:pr-002"], ["team/r0:pr-002", "team/r0:pr-003"]):
        proposals.edit(people["proposer"], proposal, refs, title="", reason="", sweep=False)
    proposal.refresh_from_db()
    change = review.since_review(proposal, people["approver"])
    assert change.earlier == seen
    assert change.by == "approver"
    assert {item.name for item in change.came if item.kind == "tag"} == {"pr-003"}
    assert {item.name for item in change.went if item.kind == "tag"} == {"pr-001"}
    # Nobody else has decided on any, so the others see the difference to what the approver saw.
    assert review.since_review(proposal, people["admin"]).earlier == seen
    page = client_of("approver").get(f"/proposals/{proposal.pk}/").content.decode()
    assert "Since approver decided on it" in page


def test_without_a_verdict_it_is_the_plan_before(lab, people):
    proposal = propose(people["proposer"], lab, "team/r0:pr-001")
    first = proposal.plan
    proposals.edit(people["proposer"], proposal, ["team/r0:pr-002"], title="", reason="", sweep=False)
    proposal.refresh_from_db()
    change = review.since_review(proposal, people["approver"])
    assert (change.earlier, change.by) == (first, "")


def test_people_talk_about_single_items(lab, people, client_of):
    proposal = propose(people["proposer"], lab, "team/r0:pr-001", "team/r0:pr-002")
    address = f"/proposals/{proposal.pk}/items/"
    client = client_of("viewer")
    said = {"text": "we still demo this", "item": "team/r0:pr-001", "next": address}
    assert client.post(f"/proposals/{proposal.pk}/comment/", said)["Location"] == address
    assert Comment.objects.get().item == "team/r0:pr-001"
    page = client.get(address).content.decode()
    assert page.count("we still demo this") == 1
    whole = client.get(f"/proposals/{proposal.pk}/").content.decode()
    assert "we still demo this" in whole
    assert "team/r0:pr-001</a>" in whole
    evil = {**said, "next": "https://evil.example/"}
    assert client.post(f"/proposals/{proposal.pk}/comment/", evil)["Location"] == "/proposals/"


def test_who_may_decide_is_said(lab, people, client_of):
    proposal = propose(people["approver"], lab, "team/r0:pr-001")
    assert review.may_approve(proposal) == ["admin"]
    people["proposer"].is_superuser = True
    people["proposer"].save()
    User.objects.create_user("away", is_active=False).groups.add(Group.objects.get(name="approver"))
    assert review.may_approve(proposal) == ["admin", "proposer"]
    proposals.edit(people["admin"], proposal, ["team/r0:pr-002"], title="", reason="", sweep=False)
    proposal.refresh_from_db()
    assert review.may_approve(proposal) == ["proposer"]
    people["proposer"].is_superuser = False
    people["proposer"].save()
    page = client_of("viewer").get(f"/proposals/{proposal.pk}/").content.decode()
    assert "Nobody may decide on this." in page


def test_one_that_waits_too_long_says_so(lab, people, client_of, monkeypatch):
    proposal = propose(people["proposer"], lab, "team/r0:pr-001")
    page = f"/proposals/{proposal.pk}/"
    assert "waits for a decision" not in client_of("viewer").get(page).content.decode()
    later = timezone.now() + timedelta(days=9)
    monkeypatch.setattr("registryui.views.review.timezone.now", lambda: later)
    assert "waits for a decision for 9 days" in client_of("viewer").get(page).content.decode()
    assert PlanRecord.objects.count() == 1


def test_a_plan_for_v1_has_its_images(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    kinds = dict(PlanItem.objects.filter(plan=proposal.plan).values_list("kind", "cause"))
    assert kinds == {"tag": "asked", "image": "follows"}
