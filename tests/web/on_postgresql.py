"""Two at once, each with a connection of its own. Run by `test_postgresql`, with that database in the settings."""

import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from prune.model.snapshot import Repository, Snapshot
from registryui.models import Approval, AuditEntry, Image, Proposal, RegistrySnapshot, Run, Scan
from registryui.services import audit, leases, lineage, proposals, scans, snapshots
from registryui.services.errors import NotNow
from tests.web.test_proposals import propose

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def swept(transactional_db) -> Iterator[None]:
    """Let the database be emptied afterwards: the guards of the record refuse that to everybody else."""
    assert connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all at the same moment; return what each returned or raised."""
    ready = threading.Barrier(len(works))
    results: list[object] = [None] * len(works)

    def do(number: int, work: Callable[[], object]) -> None:
        try:
            ready.wait(10)
            results[number] = work()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_who_approve_at_once_begin_one_run(seed, people):
    people["admin"].groups.set(people["approver"].groups.all())
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    digest = proposal.plan.digest
    results = at_once(
        *(lambda who=who: proposals.approve(people[who], proposal, digest) for who in ("approver", "admin"))
    )
    assert sorted(type(result) for result in results if isinstance(result, Exception)) == [NotNow]
    assert Run.objects.count() == 1
    assert Approval.objects.count() == 1
    assert audit.verify().broken_at is None


def test_two_scans_that_end_at_once_leave_one_of_their_snapshots_and_no_mixture(shop):
    """The worker of one was taken for dead, and came to its end all the same."""
    whole = scans.latest_snapshot(shop)
    first, second = sorted(whole.repositories)[:2]

    def without(*names: str) -> Snapshot:
        emptied = {name: Repository(name) for name in names}
        return msgspec.structs.replace(whole, repositories={**whole.repositories, **emptied})

    now = timezone.now()
    for _ in range(4):
        results = at_once(*(lambda one=one: scans.keep(shop.last_scan, one) for one in map(without, (first, second))))
        assert results == [None, None]
        kept = scans.latest_snapshot(shop)
        assert kept in (without(first), without(second))
        assert snapshots.surroundings_of(kept) == snapshots.some(shop, [first]).around
        scans.keep(shop.last_scan, whole)
    assert RegistrySnapshot.objects.get(registry=shop).taken_at > now


def test_what_refers_to_a_registry_does_not_wait_until_a_scan_is_written(shop):
    def other() -> Scan:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
        return Scan.objects.create(registry=shop, state="failed")

    with transaction.atomic():
        scans.keep(shop.last_scan, scans.latest_snapshot(shop))
        [made] = at_once(other)
        assert isinstance(made, Scan), made


def test_a_plan_that_meets_a_scan_is_of_before_or_after_it(shop):
    whole = scans.latest_snapshot(shop)
    name = min(whole.repositories)
    other = msgspec.structs.replace(whole, repositories={**whole.repositories, name: Repository(name)})

    def scanned() -> None:
        for one in (other, whole) * 5:
            scans.keep(shop.last_scan, one)

    def read() -> list[Snapshot]:
        return [part.snapshot for _ in range(60) if (part := snapshots.some(shop, [name])) is not None]

    def read_all() -> list[Snapshot]:
        return [scans.latest(shop)[0] for _ in range(60)]

    kept, found, all_found = at_once(scanned, read, read_all)
    assert isinstance(all_found, list), all_found
    assert all(one in (whole, other) for one in all_found)
    assert kept is None
    assert isinstance(found, list), found
    assert {len(part.repositories[name].tags) for part in found} <= {0, len(whole.repositories[name].tags)}


def test_an_edit_and_an_approval_that_meet_leave_no_approval_of_what_was_not_seen(seed, people):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    digest = proposal.plan.digest
    at_once(
        lambda: proposals.approve(people["approver"], proposal, digest),
        lambda: proposals.edit(
            people["proposer"], proposal, ["library/seed-2:version1"], title="", reason="", sweep=False
        ),
    )
    proposal.refresh_from_db()
    for approval in Approval.objects.all():
        assert approval.plan.digest == digest
    if proposal.plan.digest != digest:
        assert not Approval.objects.filter(plan=proposal.plan).exists()
        assert proposal.state in (Proposal.State.PROPOSED, Proposal.State.RUNNING)


def test_entries_written_at_once_make_one_chain(seed, people):
    before = AuditEntry.objects.count()
    at_once(*(lambda n=n: audit.record(None, audit.Action.PROPOSED, reason=str(n)) for n in range(8)))
    assert AuditEntry.objects.count() == before + 8
    assert audit.verify().broken_at is None


def test_two_workers_take_a_scan_once(seed):
    waiting = scans.request(None, seed)
    taken = []

    def work() -> None:
        with leases.held(Scan, waiting.pk) as lease:
            taken.append(lease)

    at_once(work, work, work)
    assert len([lease for lease in taken if lease is not None]) == 1


def test_two_requests_for_a_scan_are_one(seed):
    found = at_once(*(lambda: scans.request(None, seed).pk for _ in range(4)))
    assert len(set(found)) == 1
    assert Scan.objects.filter(registry=seed, state="queued").count() == 1


def test_the_record_can_not_be_emptied(seed):
    for verb in ("TRUNCATE registryui_auditentry CASCADE", "DELETE FROM registryui_auditentry"):
        with (
            pytest.raises(IntegrityError, match="never changed"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(verb)


def test_of_a_base_of_thousands_no_more_is_read_than_is_shown(shop):
    """So few rows are read whole in any case; of many the index gives the first ones, in order."""
    above = lineage.above_of(shop, [Image.objects.filter(registry=shop).exclude(base="").first().base])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        way = above.order_by("-dependents", *lineage.NEWEST).values_list("pk")[:50].explain()
        assert "image_base" in way
        assert "Sort" not in way
