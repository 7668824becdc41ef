"""Policies at work: schedules, proposals, guards that trip, standing approvals; and what nobody may do alone."""

import shutil
import time
import zoneinfo
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction

from prune.reclaim.trash import empty_trash
from prune.sources.stores.disk import DiskStore
from registryui.environment import mailer
from registryui.models import (
    Approval,
    AuditEntry,
    InUsePlace,
    ManifestSighting,
    Policy,
    PolicyRun,
    Proposal,
    Run,
    Scan,
    StandingApproval,
    StandingSignature,
    TagSighting,
)
from registryui.services import (
    audit,
    inventories,
    leases,
    policies,
    policy_runs,
    proposals,
    registries,
    runs,
    scans,
    standing,
)
from registryui.services.access import open_registry
from registryui.services.errors import NotNow
from tests.stores import tree
from tests.web.conftest import scan
from tests.web.test_proposals import root, work

pytestmark = pytest.mark.django_db

LOOSE = "guards: {min_age: null, min_tags_left: null, max_scan_age: null}\n"
SCHEDULE = "schedule: {cron: '0 3 * * *', tz: Europe/Berlin}\n"
ONE = "delete: [{id: old, tag: version1, repositories: [library/seed-2]}]\n" + LOOSE + SCHEDULE
STRICT = ONE.replace("max_scan_age: null", "max_scan_age: null, max_fraction: 0.1")


def activated(people, registry, text=ONE) -> Policy:
    version = policies.create(people["proposer"], "Old ones", registry.slug, text)
    policy = policies.activate(people["proposer"], version)
    Policy.objects.update(since=datetime(2026, 1, 10, tzinfo=UTC))
    type(registry).objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    policy.refresh_from_db()
    return policy


def due(at: str = "2026-01-11T12:00+00:00") -> PolicyRun:
    """Look at a moment, and do what is due as the worker would; return the newest run."""
    policy_runs.look(datetime.fromisoformat(at))
    for run in PolicyRun.objects.filter(state="queued"):
        policy_runs.perform(run.pk)
    return PolicyRun.objects.first()


def test_it_works(seed, people, client_of):
    activated(people, seed)
    run = due()
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    assert run.due_at == datetime(2026, 1, 11, 3, tzinfo=berlin)
    assert (run.state, run.trips) == ("proposed", [])
    proposal = run.proposal
    assert (proposal.state, proposal.proposer, proposal.last_editor) == (
        "proposed",
        people["proposer"],
        people["proposer"],
    )
    assert proposals.plan_of(proposal).request.delete == ("library/seed-2:version1",)
    page = client_of("approver").get(f"/proposals/{proposal.pk}/").content.decode()
    assert "Proposed by the policy" in page
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    assert not (root(seed) / "images" / ("c2" * 32)).exists()
    assert (root(seed) / "images" / ("c1" * 32)).exists()
    assert audit.verify().broken_at is None


def test_nobody_approves_what_their_own_policy_proposes(seed, people):
    version = policies.create(people["approver"], "Old ones", "seed", ONE)
    policies.activate(people["admin"], version)
    proposal = due("2030-01-01T12:00+00:00").proposal
    for who in ("approver", "admin"):
        with pytest.raises(NotNow, match="Nobody decides"):
            proposals.approve(people[who], proposal, proposal.plan.digest)
        with pytest.raises(IntegrityError, match="nobody approves"), transaction.atomic():
            Approval.objects.create(
                proposal=proposal, plan=proposal.plan, user=people[who], user_name=who, decision="approve"
            )


def test_a_missed_schedule_runs_once_and_each_time_is_due_once(seed, people):
    activated(people, seed)
    assert policy_runs.look(datetime(2026, 1, 10, 1, 59, tzinfo=UTC)) == 0
    later = datetime(2026, 2, 10, 12, tzinfo=UTC)
    assert policy_runs.look(later) == 1
    assert policy_runs.look(later) == 0
    run = PolicyRun.objects.get()
    assert run.due_at == datetime(2026, 2, 10, 2, tzinfo=UTC)
    with pytest.raises(IntegrityError), transaction.atomic():
        PolicyRun.objects.create(policy=run.policy, version=run.version, registry=seed, due_at=run.due_at)
    # In summer the same hour is another one.
    assert policy_runs.look(datetime(2026, 7, 1, 2, tzinfo=UTC)) == 1
    assert PolicyRun.objects.first().due_at == datetime(2026, 7, 1, 1, tzinfo=UTC)


def test_what_was_due_before_it_applied_is_not_made_up_for(seed, shop, people):
    policy = activated(people, seed)
    Policy.objects.update(since=datetime(2026, 1, 10, 20, tzinfo=UTC))
    assert policy_runs.look(datetime(2026, 1, 11, 1, tzinfo=UTC)) == 0
    policies.pause(people["proposer"], policy)
    assert policy_runs.look(datetime(2027, 1, 1, tzinfo=UTC)) == 0


def test_the_same_proposal_is_not_made_twice_and_a_new_one_takes_its_place(seed, people):
    policy = activated(people, seed)
    first = due().proposal
    second = due("2026-01-12T12:00+00:00").proposal
    assert first == second
    assert first.plans.count() == 1
    version = policies.write(people["admin"], policy, ONE.replace("version1", "version2"))
    policy = policies.activate(people["admin"], version)
    run = policy_runs.ask(people["admin"], policy, seed)
    policy_runs.perform(run.pk)
    first.refresh_from_db()
    assert proposals.plan_of(first).request.delete == ("library/seed-2:version2",)
    assert first.last_editor == people["admin"]
    assert Proposal.objects.count() == 1


def test_a_guard_that_trips_stops_everything_and_everybody_is_told(seed, people, client_of, settings):
    settings.EMAIL_FROM = "registryui@example.com"
    people["approver"].email = "approver@example.com"
    people["approver"].save()
    before = tree(root(seed))
    activated(people, seed, STRICT)
    run = due()
    assert run.state == "tripped"
    assert [trip["guard"] for trip in run.trips] == ["max_fraction"]
    assert not Proposal.objects.exists()
    assert tree(root(seed)) == before
    for role in ("viewer", "proposer", "approver", "admin"):
        page = client_of(role).get("/").content.decode()
        assert "A guard stopped Old ones on seed" in page
    page = client_of("viewer").get(f"/policies/runs/{run.pk}/").content.decode()
    assert "<code>max_fraction</code></strong> 1 of 6 tags would go, more than 10%." in page
    assert "Set it aside" not in page


def test_the_mail_goes_to_who_may_approve(seed, people, settings, posted):
    settings.EMAIL_FROM = "registryui@example.com"
    for name in ("viewer", "approver"):
        people[name].email = f"{name}@example.com"
        people[name].save()
    activated(people, seed, STRICT)
    with posted():
        run = due()
    assert [message.to for message in mail.outbox] == [["approver@example.com"]]
    assert "max_fraction: 1 of 6 tags would go" in mail.outbox[0].body
    assert f"/policies/runs/{run.pk}/" in mail.outbox[0].body


def test_an_approver_sets_a_guard_aside_once_and_somebody_else_approves(seed, people, client_of):
    activated(people, seed, STRICT)
    run = due()
    for who, said in (("proposer", "Nobody sets a guard aside"), ("approver", "Say why")):
        with pytest.raises(NotNow, match=said):
            policy_runs.override(people[who], run, "because" if who == "proposer" else " ")
    answer = client_of("approver").post(f"/policies/runs/{run.pk}/override/", {"reason": "moved to team/new"})
    proposal = Proposal.objects.get()
    assert answer["Location"] == f"/proposals/{proposal.pk}/"
    for who in ("approver", "proposer"):
        with pytest.raises(NotNow, match="Nobody decides"):
            proposals.approve(people[who], proposal, proposal.plan.digest)
    with pytest.raises(NotNow, match="decided about it already"):
        policy_runs.override(people["admin"], run, "again")
    # Planning it again makes somebody else its last editor, and changes nothing about who set the guard aside.
    Proposal.objects.update(last_editor=people["viewer"])
    proposal.refresh_from_db()
    with pytest.raises(NotNow, match="set a guard aside for themselves"):
        proposals.approve(people["approver"], proposal, proposal.plan.digest)
    page = client_of("admin").get(f"/proposals/{proposal.pk}/").content.decode()
    assert "A guard was set aside for it" in page
    assert "A guard stopped" not in page
    entry = AuditEntry.objects.get(action="guard.overridden")
    assert (entry.actor_name, entry.reason, entry.data["guards"]) == (
        "approver",
        "moved to team/new",
        ["max_fraction"],
    )
    proposals.approve(people["admin"], proposal, proposal.plan.digest)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    # Once: the next run trips again.
    seed.refresh_from_db()
    policies.activate(
        people["proposer"],
        policies.write(people["proposer"], run.policy, STRICT.replace("version1", "version2")),
    )
    Policy.objects.update(since=datetime(2026, 1, 12, tzinfo=UTC))
    assert due("2026-01-14T00:00+00:00").state == "tripped"


def test_another_guard_than_the_one_that_was_seen_is_not_set_aside(seed, people):
    activated(people, seed, STRICT)
    run = due()
    PolicyRun.objects.update(trips=[{"guard": "max_count", "message": "x"}])
    with pytest.raises(NotNow, match="max_fraction would trip as well"):
        policy_runs.override(people["approver"], run, "because")
    assert not Proposal.objects.exists()
    policy_runs.dismiss(people["approver"], run, "fine")
    assert policy_runs.open_trips() == []


def granted(people, policy, registry) -> StandingApproval:
    asked = standing.ask(people["approver"], policy.active, registry, "ran well for a year")
    standing.sign(people["admin"], asked)
    return asked


def test_a_standing_approval_takes_two_and_then_nobody_is_asked(seed, people, client_of):
    policy = activated(people, seed)
    asked = standing.ask(people["approver"], policy.active, seed, "ran well for a year")
    for who in ("approver", "proposer"):
        with pytest.raises(NotNow, match="Nobody signs"):
            standing.sign(people[who], asked)
        with pytest.raises(IntegrityError, match="nobody signs"), transaction.atomic():
            StandingSignature.objects.create(standing=asked, user=people[who], user_name=who)
    assert standing.holding(policy.active, seed) is None
    client_of("admin").post(f"/policies/standing/{asked.pk}/sign/")
    assert standing.holding(policy.active, seed) == asked
    run = due()
    assert (run.state, run.standing) == ("proposed", asked)
    work()
    cleanup = Run.objects.get()
    assert (cleanup.state, cleanup.standing) == ("done", asked)
    assert not (root(seed) / "images" / ("c2" * 32)).exists()
    for page in (f"/runs/{cleanup.pk}/", f"/policies/runs/{run.pk}/"):
        text = client_of("viewer").get(page).content.decode()
        assert "standing approval" in text
        assert "<strong>approver</strong>" in text
        assert "<strong>admin</strong>" in text
    page = client_of("viewer").get("/policies/p/old-ones/").content.decode()
    assert "Guards: max_in_use_age 1h</p>" in page
    assert AuditEntry.objects.get(action="run.queued").actor_name == audit.SYSTEM


def test_it_ends_when_it_is_revoked(seed, people):
    policy = activated(people, seed)
    asked = granted(people, policy, seed)
    standing.revoke(people["approver"], asked)
    assert due().proposal.state == "proposed"
    assert not Run.objects.exists()
    with pytest.raises(IntegrityError, match="can only be revoked"), transaction.atomic():
        StandingApproval.objects.update(revoked_at=None, revoked_by=None)
    with pytest.raises(NotNow, match="revoked"):
        standing.sign(people["admin"], asked)


def test_it_is_about_one_version_one_registry_and_what_was_protected_then(seed, shop, people):
    policy = activated(people, seed)
    granted(people, policy, seed)
    assert standing.holding(policy.active, shop) is None
    seed.protection = "protect: [{tag: nothing}]"
    seed.save()
    assert standing.holding(policy.active, seed) is None
    seed.protection = ""
    seed.save()
    assert standing.holding(policy.active, seed) is not None
    seed.required_approvals = 2
    seed.save()
    assert standing.holding(policy.active, seed) is None
    seed.required_approvals = 1
    seed.save()
    other = policies.write(people["proposer"], policy, ONE + "# the same\n")
    policies.activate(people["proposer"], other)
    assert standing.holding(other, seed) is None
    assert due("2030-01-01T00:00+00:00").proposal.state == "proposed"


def test_a_guard_stops_what_has_a_standing_approval(seed, people):
    policy = activated(people, seed, STRICT)
    granted(people, policy, seed)
    assert due().state == "tripped"
    assert not Proposal.objects.exists()


def test_what_came_into_use_after_the_approval_stays(seed, people):
    activated(people, seed)
    proposal = due().proposal
    seed.protection = "protect: [{tag: version1}]"
    seed.save()
    before = tree(root(seed))
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "stale"
    assert "The policy keeps library/seed-2:version1 by now" in proposal.runs.get().message
    assert tree(root(seed)) == before
    with pytest.raises(NotNow, match="lets nothing go"):
        proposals.refresh(people["approver"], proposal)


def proposed(people, registry, text):
    """Return what a run of a policy proposes."""
    activated(people, registry, text)
    policy_runs.ask(people["proposer"], Policy.objects.get(), registry)
    due()
    run = PolicyRun.objects.get()
    assert run.proposal is not None, (run.state, run.message, run.trips)
    return run.proposal


def test_what_a_rule_counts_is_counted_anew_before_a_cleanup_begins(shop, people):
    """Two are kept; while the proposal waits, somebody deletes one of those by hand, and nobody scans."""
    text = "keep: [{id: k, newest: {n: 2}}]\ndelete: [{id: d, tag: '.*', repositories: [shop/web]}]\n" + LOOSE
    proposal = proposed(people, shop, text)
    plan = proposals.plan_of(proposal)
    gone = {tag.tag for tag in plan.delete.tags}
    tags = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    stay = sorted({path.name for path in tags.iterdir()} - gone)
    assert gone
    shutil.rmtree(tags / stay[0])
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    if not proposal.runs.exists():
        runs.start(people["admin"], proposal, "stopped")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "stale", proposal.runs.get().message
    assert gone <= {path.name for path in tags.iterdir()}


def test_a_scan_that_another_worker_is_at_is_waited_for(seed, people, monkeypatch):
    """What was found before it is not what the registry holds now."""
    activated(people, seed)
    other = scans.request(None, seed)
    later = datetime.now(UTC) + timedelta(hours=1)
    Scan.objects.filter(pk=other.pk).update(state="running", lease_owner="another", lease_until=later)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 2:  # it died
            Scan.objects.filter(pk=other.pk).update(lease_until=later - timedelta(hours=2))

    monkeypatch.setattr(policy_runs, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    run = due()
    assert (run.state, run.proposal.plan.scan_id, len(waited)) == ("proposed", other.pk, 2)
    Scan.objects.filter(pk=scans.request(None, seed).pk).update(
        state="running", lease_owner="another", lease_until=later
    )
    monkeypatch.setattr(policy_runs, "PATIENCE", -1)
    policy_runs.ask(people["proposer"], Policy.objects.get(), seed)
    failed = due()
    assert (failed.state, "try again" in failed.message) == ("failed", True)


def test_a_guard_that_trips_by_now_stops_a_cleanup_before_it_begins(shop, people):
    """It left enough when it was proposed; then somebody deleted others by hand."""
    tags = root(shop) / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    names = sorted(path.name for path in tags.iterdir() if not path.name.startswith("sha256-"))
    text = f"delete: [{{id: d, tag: '{names[0]}', repositories: [shop/web]}}]\n"
    text += f"guards: {{min_age: null, max_scan_age: null, min_tags_left: {len(names) - 1}}}\n"
    proposal = proposed(people, shop, text)
    shutil.rmtree(tags / names[1])
    before = tree(root(shop))
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    if not proposal.runs.exists():
        runs.start(people["admin"], proposal, "stopped")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "stale", proposal.runs.get().message
    assert "A guard of the policy trips by now" in proposal.runs.get().message
    assert tree(root(shop)) == before


def test_what_was_seen_at_another_address_says_nothing_about_age(seed, people, tmp_path):
    activated(people, seed, ONE.replace("min_age: null", "min_age: 30d"))
    long_ago = datetime.now(UTC) - timedelta(days=90)
    TagSighting.objects.update(first_seen=long_ago, pushed_at=None)
    ManifestSighting.objects.update(first_seen=long_ago)
    assert min(_first_seen(seed)) == int(long_ago.timestamp())
    here = root(seed)
    shutil.copytree(here, tmp_path / "elsewhere", ignore=shutil.ignore_patterns(".registryui"))
    for source in (tmp_path / "elsewhere", here):
        seed.source = f"storage:{source}"
        registries.change(people["admin"], seed)
        scan(seed)
        assert min(_first_seen(seed)) >= int(seed.moved_at.timestamp())


def _first_seen(registry) -> list[int]:
    registry.refresh_from_db()
    facts = inventories.of_registry(registry).inventory.facts
    return [
        times.first_seen for found in (*facts.tags.values(), *facts.manifests.values()) for times in found.values()
    ]


class Killed(BaseException):
    """The end of a worker, as far as a test in one process can have it."""


def died_after(monkeypatch, moves: int, run: Run) -> None:
    """Let a worker die after so many moves, and its lease run out."""
    move, done = DiskStore.move, []

    def dying(self, source, target, **only):
        if len(done) == moves:
            raise Killed
        done.append(source)
        move(self, source, target, **only)

    monkeypatch.setattr(DiskStore, "move", dying)
    with pytest.raises(Killed):
        runs.perform(run.pk)
    monkeypatch.setattr(DiskStore, "move", move)
    Run.objects.filter(state="running").update(lease_until=datetime.now(UTC) - timedelta(hours=1))
    assert leases.recover() == 1


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_policy_is_asked_again_when_a_run_goes_on_whose_worker_died(seed, people, monkeypatch, moves):
    before = tree(root(seed))
    activated(people, seed)
    proposal = due().proposal
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    died_after(monkeypatch, moves, proposal.runs.get())
    seed.protection = "protect: [{tag: version1}]"
    seed.save()
    work()
    proposal.refresh_from_db()
    run = proposal.runs.get()
    assert (proposal.state, run.state) == ("stale", "failed")
    assert "The policy keeps library/seed-2:version1 by now" in run.message
    assert ("half-way" in run.message) is bool(moves)
    if moves:
        runs.restore(people["approver"], run)
        work()
    run.refresh_from_db()
    assert run.trash == ("restored" if moves else "none")
    assert tree(root(seed)) == before


def test_what_had_moved_completely_is_only_written_down(seed, people, monkeypatch):
    activated(people, seed)
    proposal = due().proposal
    proposals.approve(people["approver"], proposal, proposal.plan.digest)

    def killed(*_):
        raise Killed

    monkeypatch.setattr(runs, "_finish", killed)
    with pytest.raises(Killed):
        runs.perform(proposal.runs.get().pk)
    monkeypatch.undo()
    Run.objects.update(lease_until=datetime.now(UTC) - timedelta(hours=1))
    assert leases.recover() == 1
    seed.protection = "protect: [{tag: version1}]"
    seed.save()
    work()
    proposal.refresh_from_db()
    assert (proposal.state, proposal.runs.get().trash) == ("done", "held")


def test_a_signature_of_a_closed_account_counts_no_more(seed, people):
    policy = activated(people, seed)
    asked = standing.ask(people["approver"], policy.active, seed, "ran well for a year")
    standing.sign(people["admin"], asked)
    assert standing.holding(policy.active, seed) == asked
    people["admin"].is_active = False
    people["admin"].save()
    assert standing.holding(policy.active, seed) is None


def test_a_signature_of_somebody_who_may_approve_no_more_does_not_count(seed, people):
    policy = activated(people, seed)
    asked = standing.ask(people["approver"], policy.active, seed, "ran well for a year")
    standing.sign(people["admin"], asked)
    assert standing.holding(policy.active, seed) == asked
    people["admin"].groups.set(people["proposer"].groups.all())
    assert standing.holding(policy.active, seed) is None


def test_a_run_that_was_undone_and_emptied_is_asked_about_anew(seed, people):
    activated(people, seed)
    first = due().proposal
    proposals.approve(people["approver"], first, first.plan.digest)
    work()
    runs.restore(people["approver"], first.runs.get(kind="apply"))
    work()
    empty_trash(open_registry(seed), older_than=None, now=0)
    policy = Policy.objects.get()
    policy_runs.perform(policy_runs.ask(people["proposer"], policy, seed).pk)
    again = Proposal.objects.exclude(pk=first.pk).get()
    assert again.plan.digest == first.plan.digest
    before = tree(root(seed))
    seed.protection = "protect: [{tag: version1}]"
    seed.save()
    proposals.approve(people["approver"], again, again.plan.digest)
    work()
    again.refresh_from_db()
    assert again.state == "stale"
    assert tree(root(seed)) == before


def test_a_standing_approval_is_counted_when_an_admin_starts_it(seed, people):
    seed.run_on_approval = False
    seed.save()
    policy = activated(people, seed)
    leave = granted(people, policy, seed)
    proposal = due().proposal
    assert proposal.state == "approved"
    standing.revoke(people["admin"], leave)
    with pytest.raises(NotNow, match="1 more approval"):
        runs.start(people["admin"], proposal, "stopped")
    proposal.refresh_from_db()
    assert (proposal.state, Run.objects.count()) == ("proposed", 0)


def test_an_admin_starts_what_a_standing_approval_approves(seed, people):
    seed.run_on_approval = False
    seed.save()
    policy = activated(people, seed)
    granted(people, policy, seed)
    proposal = due().proposal
    runs.start(people["admin"], proposal, "stopped")
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"


def test_an_engine_that_cannot_be_asked_keeps_everything(seed, people, client_of, tmp_path):
    seed.in_use_places = f"docker:unix://{tmp_path}/none"
    InUsePlace.objects.create(registry=seed, place=seed.in_use_places)
    seed.save()
    activated(people, seed, ONE + "protect: [{id: running, in_use: true}]\n")
    run = due()
    assert run.state == "nothing"
    page = client_of("viewer").get("/r/seed/").content.decode()
    assert "could not tell" in page
    assert "take everything that they could mean as in use" in page


def test_a_run_whose_worker_died_is_done_by_another(seed, people):
    activated(people, seed)
    policy_runs.look(datetime(2026, 1, 11, 12, tzinfo=UTC))
    past = datetime.now(UTC) - timedelta(hours=1)
    PolicyRun.objects.update(state="running", lease_owner="dead", lease_until=past)
    assert leases.recover() == 1
    run = PolicyRun.objects.get()
    policy_runs.perform(run.pk)
    policy_runs.perform(run.pk)
    run.refresh_from_db()
    assert run.state == "proposed"
    assert Proposal.objects.count() == 1


def test_the_notice_goes_with_the_next_run_and_can_always_be_taken_away(seed, people, client_of):
    policy = activated(people, seed, STRICT)
    first = due()
    assert policy_runs.open_trips() == [first]
    second = due("2026-01-12T12:00+00:00")
    assert policy_runs.open_trips() == [second]
    with pytest.raises(NotNow, match="has run again since"):
        policy_runs.override(people["approver"], first, "because")
    policies.pause(people["proposer"], policy)
    with pytest.raises(NotNow, match="Another version"):
        policy_runs.override(people["approver"], second, "because")
    client_of("approver").post(f"/policies/runs/{second.pk}/dismiss/", {"reason": "not any more"})
    assert policy_runs.open_trips() == []
    policies.activate(people["proposer"], policies.write(people["proposer"], policy, ONE))
    run = policy_runs.ask(people["proposer"], Policy.objects.get(), seed)
    policy_runs.perform(run.pk)
    run.refresh_from_db()
    assert run.state == "proposed"


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "ssl"),
    [
        ("smtp://mail", "mail", 25, False, False),
        ("smtp+tls://me:s%40crt@mail:2525", "mail", 2525, True, False),
        ("smtps://mail", "mail", 465, False, True),
    ],
)
def test_mail_servers(url, host, port, tls, ssl):
    options = mailer(url)["OPTIONS"]
    assert (options["host"], options["port"], options["use_tls"], options["use_ssl"]) == (host, port, tls, ssl)
    assert options["password"] == ("s@crt" if "@" in url else "")
    with pytest.raises(ImproperlyConfigured, match="REGISTRYUI_EMAIL_URL"):
        mailer("http://mail")
