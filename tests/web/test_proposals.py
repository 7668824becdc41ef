"""From a selection to a cleanup and back, through the services."""

import errno
import os
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from prune.sources.stores.disk import DiskStore
from registryui.models import Approval, Proposal, Run
from registryui.services import approvals, audit, proposals, runs
from registryui.services.errors import Moved, NotNow
from tests.stores import tree
from tests.web.conftest import scan

pytestmark = pytest.mark.django_db


def propose(person, registry, *refs, sweep=False) -> Proposal:
    return proposals.create(person, registry, refs, title="", reason="why not", sweep=sweep)


def work() -> None:
    """What the worker would do."""
    for run in Run.objects.filter(state="queued"):
        runs.perform(run.pk)


def root(registry) -> Path:
    return Path(registry.source.removeprefix("storage:"))


def test_it_works(seed, people):
    before = tree(root(seed))
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    assert proposal.plan.freed_bytes > 0
    assert "c2c2c2c2c2c2" in proposal.plan.before
    assert "c2c2c2c2c2c2" not in proposal.plan.after
    proposals.approve(people["approver"], proposal, proposal.plan.digest, "fine")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    assert not (root(seed) / "images" / ("c2" * 32)).exists()
    run = proposal.runs.get()
    assert (run.trash, run.freed_bytes) == ("held", proposal.plan.freed_bytes)
    runs.restore(people["approver"], run)
    work()
    run.refresh_from_db()
    assert run.trash == "restored"
    assert tree(root(seed)) == before
    assert audit.verify().broken_at is None
    with pytest.raises(NotNow, match="no longer there"):
        runs.restore(people["approver"], run)


def test_emptying_the_trash_ends_the_way_back(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    run = proposal.runs.get()
    runs.empty(people["admin"], run)
    work()
    run.refresh_from_db()
    assert run.trash == "emptied"
    assert Run.objects.latest("pk").freed_bytes == proposal.plan.freed_bytes
    with pytest.raises(NotNow):
        runs.restore(people["approver"], run)


@pytest.mark.parametrize("superuser", [False, True])
def test_nobody_decides_on_their_own(seed, people, superuser):
    person = people["admin"]
    person.is_superuser = superuser
    person.save()
    proposal = propose(person, seed, "library/seed-1:version1")
    for decide in (proposals.approve, proposals.reject):
        with pytest.raises(NotNow, match="Nobody decides"):
            decide(person, proposal, proposal.plan.digest)


def test_nor_on_what_they_edited(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    old = proposal.plan.digest
    proposals.edit(people["admin"], proposal, ["library/seed-2:version1"], title="", reason="", sweep=False)
    proposal.refresh_from_db()
    assert proposal.plan.digest != old
    for who in ("proposer", "admin"):
        with pytest.raises(NotNow):
            proposals.approve(people[who], proposal, proposal.plan.digest)
    with pytest.raises(Moved):
        proposals.approve(people["approver"], proposal, old)
    assert Approval.objects.count() == 0


def test_the_database_itself_refuses_an_approval_of_ones_own(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    approval = {"proposal": proposal, "plan": proposal.plan, "user_name": "x", "decision": "approve"}
    with pytest.raises(IntegrityError, match="nobody approves"), transaction.atomic():
        Approval.objects.create(user=people["proposer"], **approval)
    Proposal.objects.filter(pk=proposal.pk).update(last_editor=people["admin"])
    with pytest.raises(IntegrityError, match="nobody approves"), transaction.atomic():
        Approval.objects.create(user=people["admin"], **approval)
    made = Approval.objects.create(user=people["approver"], **approval)
    for change in (lambda: Approval.objects.filter(pk=made.pk).update(decision="reject"), made.delete):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()


def test_the_database_itself_refuses_to_change_a_plan(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    proposal.plan.freed_bytes = 1
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        proposal.plan.save()


def test_one_open_run_for_each_registry(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    Run.objects.create(registry=seed, kind="apply", started_by=people["admin"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(registry=seed, kind="apply", started_by=people["admin"])
    with pytest.raises(NotNow, match="not finished"):
        proposals.approve(people["approver"], proposal, proposal.plan.digest)
    proposal.refresh_from_db()
    assert proposal.state == "proposed"


def test_as_many_approvals_as_the_registry_asks_for(seed, people):
    seed.required_approvals = 2
    seed.save()
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    proposal.refresh_from_db()
    assert proposal.state == "proposed"
    with pytest.raises(NotNow, match="already"):
        proposals.approve(people["approver"], proposal, proposal.plan.digest)
    proposals.approve(people["admin"], proposal, proposal.plan.digest)
    proposal.refresh_from_db()
    assert proposal.state == "running"


def test_approvals_are_counted_again_when_the_cleanup_begins(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    shop.required_approvals = 2
    shop.save()
    with pytest.raises(NotNow, match="1 more approval"):
        runs.start(people["admin"], proposal, "stopped")
    proposal.refresh_from_db()
    assert (proposal.state, Run.objects.count()) == ("proposed", 0)
    proposals.approve(people["admin"], proposal, proposal.plan.digest)
    runs.start(people["admin"], proposal, "stopped")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"


def test_whose_account_was_closed_counts_no_more(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    people["approver"].is_active = False
    people["approver"].save()
    with pytest.raises(NotNow, match="1 more approval"):
        runs.start(people["admin"], proposal, "stopped")
    assert not Run.objects.exists()


def test_who_may_approve_no_more_does_not_count(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    role = people["approver"].groups.get()
    people["approver"].groups.set(people["viewer"].groups.all())
    with pytest.raises(NotNow, match="1 more approval"):
        runs.start(people["admin"], proposal, "stopped")
    proposal.refresh_from_db()
    assert (proposal.state, Run.objects.count()) == ("proposed", 0)
    people["approver"].groups.add(role)
    assert approvals.count(proposal) == 1


def test_without_a_standing_word_an_admin_starts_it_with_one(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    proposal.refresh_from_db()
    assert proposal.state == "approved"
    with pytest.raises(NotNow, match="Say why"):
        runs.start(people["admin"], proposal, "  ")
    runs.start(people["admin"], proposal, "stopped it at noon")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    entry = audit.AuditEntry.objects.get(action="run.queued")
    assert (entry.reason, entry.actor_name) == ("stopped it at noon", "admin")


def test_a_plan_that_no_longer_holds_is_stale(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    tags = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    (tags / "1.0/current/link").write_text((tags / "1.1/current/link").read_text())
    (tags / "kept/current").mkdir(parents=True)
    (tags / "kept/current/link").write_text(
        proposal.plan.body and (tags / "1.0/index").glob("*/*").__next__().name.join(["sha256:", ""])
    )
    runs.start(people["admin"], proposal, "stopped")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "stale"
    proposals.refresh(people["proposer"], proposal)
    proposal.refresh_from_db()
    assert proposal.state == "proposed"


def test_what_was_skipped_is_on_the_run(shop, people):
    proposal = propose(people["proposer"], shop, "shop/web:1.0", "shop/web:1.1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    tags = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    (tags / "1.0/current/link").write_text((tags / "1.2/current/link").read_text())
    run = runs.start(people["admin"], proposal, "stopped")
    work()
    run.refresh_from_db()
    assert run.state == "partial"
    assert run.skipped[0]["item"] == "shop/web:1.0"


def test_a_run_is_done_once_whoever_asks(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    run = proposal.runs.get()
    runs.perform(run.pk)
    runs.perform(run.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert audit.AuditEntry.objects.filter(action="run.finished").count() == 1


def test_a_registry_that_went_away_fails_the_run_and_it_can_be_tried_again(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    away = root(seed).with_name("away")
    root(seed).rename(away)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "failed"
    assert "does not exist" in proposal.runs.get().message
    away.rename(root(seed))
    runs.start(people["admin"], proposal, "")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"


def test_what_stopped_half_way_can_be_undone_by_whoever_will_not_go_on(seed, people, monkeypatch):
    before = tree(root(seed))
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    move, done = DiskStore.move, []

    def broken(self, source, target, **only):
        if len(done) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        done.append(source)
        move(self, source, target, **only)

    monkeypatch.setattr(DiskStore, "move", broken)
    work()
    monkeypatch.setattr(DiskStore, "move", move)
    first = proposal.runs.get()
    assert (first.state, first.trash) == ("failed", "held"), first.message
    # Its approver leaves: it goes back to the people, and they do not want it any more.
    people["approver"].is_active = False
    people["approver"].save()
    with pytest.raises(NotNow, match="1 more approval"):
        runs.start(people["admin"], proposal, "")
    proposals.withdraw(people["proposer"], proposal)
    runs.restore(people["admin"], first)
    work()
    first.refresh_from_db()
    assert first.trash == "restored"
    assert tree(root(seed)) == before


def test_where_nothing_was_moved_there_is_nothing_to_undo(shop, people, client_of, monkeypatch):
    proposal = propose(people["proposer"], shop, "shop/web:1.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    runs.start(people["admin"], proposal, "stopped")

    def broken(self, source, target, **only):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(DiskStore, "move", broken)
    work()
    monkeypatch.undo()
    run = proposal.runs.get()
    assert (run.state, run.trash) == ("failed", "none"), run.message
    assert "Undo this cleanup" not in client_of("admin").get(f"/runs/{run.pk}/").content.decode()
    with pytest.raises(NotNow):
        runs.restore(people["admin"], run)
    runs.start(people["admin"], proposal, "stopped")
    work()
    assert proposal.runs.order_by("-pk").first().state == "done"


@pytest.mark.parametrize(
    ("refs", "why"),
    [
        ([], "Select"),
        (["nothing:1"], "no repository"),
        (["library/seed-1:none"], "no tag"),
        (["UPPER CASE"], "not a repository name"),
        ([f"a:{n}" for n in range(20_001)], "at most"),
    ],
)
def test_what_cannot_be_proposed(seed, people, refs, why):
    with pytest.raises(NotNow, match=why):
        propose(people["proposer"], seed, *refs)
    assert Proposal.objects.count() == 0


def test_a_registry_that_was_never_scanned(people, db):
    from registryui.models import Registry

    registry = Registry.objects.create(slug="new", title="new", source="storage:/nowhere")
    with pytest.raises(NotNow, match="not scanned"):
        propose(people["proposer"], registry, "a")


def test_withdrawing_and_commenting(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    with pytest.raises(NotNow, match="Write something"):
        proposals.comment(people["viewer"], proposal, "  ")
    proposals.comment(people["viewer"], proposal, "are you sure?")
    with pytest.raises(NotNow, match="Only the person"):
        proposals.withdraw(people["approver"], proposal)
    proposals.withdraw(people["proposer"], proposal)
    with pytest.raises(NotNow, match="withdrawn"):
        proposals.approve(people["approver"], proposal, proposal.plan.digest)


def test_a_rejection_ends_it(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    proposals.reject(people["approver"], proposal, proposal.plan.digest, "still in use")
    proposal.refresh_from_db()
    assert proposal.state == "rejected"


def test_planning_again_on_the_same_registry_keeps_approvals(seed, people):
    seed.required_approvals = 2
    seed.save()
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    scan(seed)
    proposals.refresh(people["proposer"], proposal)
    assert approvals.count(proposal) == 1


def test_a_registry_that_starts_by_itself_needs_a_statement(db):
    from registryui.models import Registry

    with pytest.raises(IntegrityError), transaction.atomic():
        Registry.objects.create(slug="x", title="x", source="storage:/x", run_on_approval=True)


# ---- the record -------------------------------------------------------------------------------------------


def three_entries():
    for number in range(3):
        audit.record(None, audit.Action.LOGIN_FAILED, name=str(number))


def test_the_record_refuses_to_be_changed(db):
    three_entries()
    for change in (
        lambda: audit.AuditEntry.objects.filter(pk=2).update(reason="x"),
        lambda: audit.AuditEntry.objects.filter(pk=2).delete(),
    ):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()
    assert audit.verify() == (3, None, "")


TAMPERING = {
    "edited": "UPDATE registryui_auditentry SET reason = 'x' WHERE id = 2",
    "renamed": "UPDATE registryui_auditentry SET actor_name = 'mallory' WHERE id = 1",
    "removed": "DELETE FROM registryui_auditentry WHERE id = 2",
    "first removed": "DELETE FROM registryui_auditentry WHERE id = 1",
    "last removed": "DELETE FROM registryui_auditentry WHERE id = 3",
    "all removed": "DELETE FROM registryui_auditentry",
    "reordered": "UPDATE registryui_auditentry SET id = CASE id WHEN 1 THEN 102 WHEN 2 THEN 101 ELSE id + 100 END",
    "moved in time": "UPDATE registryui_auditentry SET at = '2020-01-01 00:00:00' WHERE id = 3",
}


def tamper(sql: str) -> None:
    """Do what only the owner of the database can: take the guards away, and change the record."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for verb in ("update", "delete"):
                cursor.execute(f"DROP TRIGGER registryui_auditentry_no_{verb}")
        else:
            cursor.execute("ALTER TABLE registryui_auditentry DISABLE TRIGGER USER")
        cursor.execute(sql)


@pytest.mark.parametrize("how", TAMPERING)
def test_behind_the_triggers_tampering_is_found(db, how):
    three_entries()
    tamper(TAMPERING[how])
    assert audit.verify().broken_at is not None


def test_the_command_says_the_same(db, capsys):
    from django.core.management import CommandError, call_command

    three_entries()
    call_command("verify_audit")
    assert "whole: 3" in capsys.readouterr().out
    tamper("DELETE FROM registryui_auditentry WHERE id = 2")
    with pytest.raises(CommandError, match="entry 2 is missing"):
        call_command("verify_audit")
