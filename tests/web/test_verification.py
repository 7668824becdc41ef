"""What stays is verified after every cleanup, and what is not whole stands where people look."""

import json

import pytest

from prune.sources.stores.disk import DiskStore
from registryui.models import AuditEntry, Run
from registryui.services import proposals, registries, runs
from registryui.services.errors import NotNow
from tests.stores import V2Store
from tests.web.conftest import scan
from tests.web.test_proposals import propose, root, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def harmed(shop, people, monkeypatch):
    """A cleanup during which the disk lost a layer of an image that stays."""
    shop.control_statement = "Nobody serves it."
    registries.change(None, shop)
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    victim = max((root(shop) / "docker/registry/v2/blobs").rglob("data"), key=lambda path: path.stat().st_size)
    move = DiskStore.move

    def harm(store, source, target, **only):
        move(store, source, target, **only)
        if victim.exists():
            victim.rename(root(shop) / "aside")

    monkeypatch.setattr(DiskStore, "move", harm)
    runs.start(people["admin"], proposal, "")
    work()
    monkeypatch.undo()
    proposal.refresh_from_db()
    return proposal, victim


def test_a_good_one_stands_on_the_page_and_on_the_record(seed, people, client_of):
    seed.verify_depth = "full"
    registries.change(people["admin"], seed)
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    run = proposal.runs.get()
    assert (run.state, run.verified["state"], run.verified["tags"], run.verified["depth"]) == (
        "done",
        "good",
        5,
        "full",
    )
    assert "Everything that stays is there" in client_of("viewer").get(f"/runs/{run.pk}/").content.decode()
    entry = AuditEntry.objects.filter(action="run.finished").first()
    assert entry.data["verified"]["state"] == "good"
    assert AuditEntry.objects.filter(
        action="registry.changed", data__changed__verify_depth=["sizes", "full"]
    ).exists()


def test_a_bad_one_fails_loudly_empties_nothing_and_offers_the_way_back(harmed, people, client_of):
    proposal, victim = harmed
    run = proposal.runs.get()
    assert (proposal.state, run.state, run.trash, run.verified["state"]) == ("failed", "failed", "held", "bad")
    page = client_of("approver").get(f"/runs/{run.pk}/").content.decode()
    assert "Not everything that should have stayed was found whole" in page
    assert victim.parent.name in page
    assert "cannot be pulled" in page
    assert "Undo this cleanup" in page
    entry = AuditEntry.objects.filter(action="run.finished").first()
    assert entry.data["verified"]["state"] == "bad"
    assert victim.parent.name in entry.data["verified_missing"][0]["item"]
    runs.empty(people["admin"], run)
    work()
    assert "not found whole" in Run.objects.get(kind="empty").message
    run.refresh_from_db()
    assert run.trash == "held"
    runs.restore(people["approver"], run)
    work()
    run.refresh_from_db()
    assert run.trash == "restored"


def test_put_right_it_is_verified_again_and_its_trash_counts_once(harmed, people):
    proposal, victim = harmed
    (root(proposal.registry) / "aside").rename(victim)
    runs.start(people["admin"], proposal, "")
    work()
    first, second = Run.objects.order_by("pk")
    assert (first.trash, second.trash) == ("none", "held")
    assert (second.state, second.verified["state"], second.engine_run) == ("done", "good", first.engine_run)
    scan(proposal.registry)
    with pytest.raises(NotNow):
        runs.empty(people["admin"], first)


def test_an_admin_accepts_what_is_missing_with_a_reason_and_then_the_trash_can_go(harmed, people, client_of):
    proposal, _ = harmed
    run = proposal.runs.get()
    page = client_of("admin").get(f"/runs/{run.pk}/").content.decode()
    assert "Accept what is missing" in page
    assert "Accept what is missing" not in client_of("approver").get(f"/runs/{run.pk}/").content.decode()

    def accept(reason="The disk was replaced.", seen=run.losses_mark):
        answer = client_of("admin").post(f"/runs/{run.pk}/accept/", {"reason": reason, "seen": seen}, follow=True)
        return answer.content.decode()

    assert "Say why" in accept(reason=" ")
    assert "verified again since you looked" in accept(seen="")
    assert "The disk was replaced." in accept()
    entry = AuditEntry.objects.get(action="run.losses_accepted")
    assert (entry.actor_name, entry.reason, entry.data["losses"]) == ("admin", "The disk was replaced.", 1)
    assert "nothing here that could be accepted" in accept()
    runs.empty(people["admin"], run)
    work()
    run.refresh_from_db()
    assert (run.trash, Run.objects.get(kind="empty").state) == ("emptied", "done")
    assert "accepted what is missing after" in client_of("viewer").get("/history/").content.decode()


def test_what_could_not_be_undone_keeps_the_trash_until_an_admin_accepts_it(shop, people, client_of):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    runs.start(people["admin"], proposal, "stopped")
    work()
    run = proposal.runs.get()
    stay = V2Store(root(shop))
    stay.image("shop/web", "1.0", layers=[stay.layer(99)])
    for _ in range(2):
        runs.restore(people["approver"], run)
        work()
    first, undo = Run.objects.filter(kind="restore").order_by("pk")
    assert (undo.state, [one["item"] for one in undo.skipped]) == ("partial", ["shop/web:1.0"])

    def emptied():
        runs.empty(people["admin"], run)
        work()
        run.refresh_from_db()
        return run.trash, Run.objects.filter(kind="empty").first().state

    assert emptied() == ("held", "failed")
    for one, offered in ((first, False), (undo, True)):
        page = client_of("admin").get(f"/runs/{one.pk}/").content.decode()
        assert ("Accept what is missing" in page) is offered
    assert "Accept what is missing" not in client_of("approver").get(f"/runs/{undo.pk}/").content.decode()
    form = {"reason": "The newer one is right.", "seen": undo.losses_mark}
    page = client_of("admin").post(f"/runs/{undo.pk}/accept/", form, follow=True).content.decode()
    assert "The newer one is right." in page
    assert "Accept what is missing" not in page
    assert AuditEntry.objects.get(action="run.losses_accepted").data["losses"] == 1
    assert emptied() == ("emptied", "done")


def test_more_than_is_kept_by_name_is_accepted_at_once(shop, people, client_of, monkeypatch):
    monkeypatch.setattr(runs, "MOST_SKIPPED", 1)
    proposal = propose(people["proposer"], shop, "shop/web:1.0", "shop/web:1.1", "shop/web:1.2")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    runs.start(people["admin"], proposal, "stopped")
    work()
    run = proposal.runs.get()
    stay = V2Store(root(shop))
    for tag in ("1.0", "1.1", "1.2"):
        stay.image("shop/web", tag, layers=[stay.layer(99)])
    runs.restore(people["approver"], run)
    work()
    undo = Run.objects.get(kind="restore")
    assert (undo.state, len(undo.skipped), undo.skipped_count) == ("partial", 1, 3)
    assert "<dt>Skipped</dt><dd>3</dd>" in client_of("viewer").get(f"/runs/{undo.pk}/").content.decode()

    def accept():
        undo.refresh_from_db()
        form = {"reason": "The newer ones are right.", "seen": undo.losses_mark}
        return client_of("admin").post(f"/runs/{undo.pk}/accept/", form, follow=True).content.decode()

    # Something else was left behind by a restore that nobody saw here.
    digest = undo.skipped_digest
    Run.objects.filter(pk=undo.pk).update(skipped_digest="0" * 64)
    assert "verified again since you looked" in accept()
    Run.objects.filter(pk=undo.pk).update(skipped_digest=digest)
    assert "verified again" not in accept()
    assert AuditEntry.objects.get(action="run.losses_accepted").data["losses"] == 3
    runs.empty(people["admin"], run)
    work()
    run.refresh_from_db()
    assert run.trash == "emptied"


def test_what_is_not_kept_by_name_is_not_told_as_deleted(shop, people, client_of):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    runs.start(people["admin"], proposal, "stopped")
    work()

    def outcomes():
        told = b"".join(client_of("viewer").get("/history/deletions/?format=json"))
        return {one["outcome"] for one in json.loads(told)}

    assert outcomes() == {"deleted"}
    Run.objects.update(skipped_number=7000)
    assert outcomes() == {"unknown"}
