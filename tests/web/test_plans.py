"""A plan that is only looked at may be remembered; one that people decide on is made anew, each time."""

import shutil
from pathlib import Path

import pytest

from prune.model.plan import Plan
from registryui.models import RegistrySnapshot
from registryui.services import plans, proposals
from registryui.services.sweeping import Sweeping
from tests.web.conftest import scan

pytestmark = pytest.mark.django_db

REFS = ["shop/web:1.0"]


@pytest.fixture
def planned(monkeypatch) -> list[Plan]:
    """Every plan that is made, in the order of making."""
    made = []
    real = plans.make_plan

    def make_plan(*arguments, **options):
        made.append(real(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(plans, "make_plan", make_plan)
    plans._remembered.cache_clear()
    return made


def test_looking_again_makes_no_plan(shop, client_of, planned):
    client = client_of("proposer")
    for address in (
        "/r/shop/propose/?ref=shop/web:1.0",
        "/r/shop/repositories/shop/web/?tab=graph&pick=shop/web:1.0",
    ):
        pages = [client.get(address).content.decode() for _ in range(3)]
        assert len(planned) == 1
        assert all(f'value="{planned[0].freed_bytes}"' in page for page in pages)
    client.get("/r/shop/propose/?ref=shop/web:1.0&ref=shop/web:1.1")
    assert len(planned) == 2


def test_what_people_decide_on_is_made_anew(shop, people, planned, monkeypatch):
    one, two = ["shop/web:1.0"], ["shop/web:1.1"]
    looked = [plans.look(shop, refs, sweep=False).plan for refs in (one, two)]
    assert len(planned) == 2
    # Whatever may have become of what is remembered: nothing that is decided on comes from there.
    wrong = plans.Made(looked[1], shop.last_scan_id)
    monkeypatch.setattr(plans, "_remembered", lambda *key: wrong)
    assert plans.look(shop, one, sweep=False) is wrong
    proposal = proposals.create(people["proposer"], shop, one, title="", reason="", sweep=False)
    assert proposal.plan.digest == looked[0].digest()
    assert len(planned) == 3
    proposals.edit(people["proposer"], proposal, one, title="", reason="", sweep=False)
    assert len(planned) == 4
    proposals.refresh(people["proposer"], proposal)
    assert len(planned) == 5
    proposal.refresh_from_db()
    assert bytes(proposal.plan.body) == looked[0].to_json()
    proposals.approve(people["approver"], proposal, looked[0].digest())
    assert bytes(proposal.plan.body) == planned[-1].to_json()


def test_a_form_that_was_looked_at_is_planned_when_it_is_sent(shop, client_of, planned):
    client = client_of("proposer")
    client.get("/r/shop/propose/?ref=shop/web:1.0")
    answer = client.post("/r/shop/propose/", {"ref": "shop/web:1.0", "confirm": "1", "reason": "old"})
    assert answer.status_code == 302
    assert len(planned) == 2


def test_whatever_a_plan_rests_on_makes_it_another(shop, planned):
    def look(refs=REFS, **options) -> Plan:
        shop.refresh_from_db()
        return plans.look(shop, refs, **{"sweep": False, **options}).plan

    first = look()
    # Nothing new was found, and its times count from a later moment.
    scan(shop)
    look()
    assert len(planned) == 2
    shop.grace_hours += 1
    shop.save()
    assert look().request.grace != first.request.grace
    sweeps = [look(sweep=True, besides=besides) for besides in (Sweeping(), Sweeping(3), Sweeping(3, True))]
    assert len({plan.digest() for plan in sweeps}) == 3
    assert len(planned) == 6
    assert look(refs=[*REFS, "shop/web:1.1"]) != look(refs=REFS[::-1] * 2)
    assert len(planned) == 7
    tags = Path(shop.source.removeprefix("storage:")) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    shutil.rmtree(tags / "1.1")
    scan(shop)
    assert plans.look(shop, REFS, sweep=False) == plans.make(shop, REFS, sweep=False)
    assert planned[-2].scan.tags == first.scan.tags - 1


def test_a_scan_that_ends_in_between_is_looked_at_and_not_remembered(shop, planned, monkeypatch):
    old = plans.snapshots.basis(shop)
    scan(shop)
    with monkeypatch.context() as late:
        late.setattr(plans.snapshots, "basis", lambda registry: old)
        made = plans.look(shop, REFS, sweep=False)
        assert made.scan_id == RegistrySnapshot.objects.get(registry=shop).scan_id != old.scan_id
    assert plans._remembered.cache_info().currsize == 0


def test_few_plans_are_remembered(shop, planned):
    tags = [
        f"shop/web:{tag}"
        for tag in shop.repositories.get(name="shop/web").tag_sightings.values_list("tag", flat=True)
    ]
    for number in range(len(tags)):
        for other in range(number):
            plans.look(shop, [tags[number], tags[other]], sweep=False)
    info = plans._remembered.cache_info()
    assert info.currsize <= info.maxsize < len(planned)
