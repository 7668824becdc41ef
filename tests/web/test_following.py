"""A page that follows work asks again, or says what became of it, wherever in its reading the work ended."""

import pytest
from django.db import connection
from django.utils import timezone

from registryui.models import Proposal, Registry, Run, Scan, Scrub
from registryui.services import proposals
from tests.web.test_proposals import propose

pytestmark = pytest.mark.django_db


class Meanwhile:
    """Does something, once, right after the n-th query that somebody else makes."""

    def __init__(self, after: int, do) -> None:
        self.left = after
        self.do = do

    def __call__(self, execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        self.left -= 1
        if self.left == 0:
            self.do()
        return answer


def every_moment(client, address, begin, end):
    """Yield the page as it is when the work of `begin` ends, by `end`, after each of its queries in turn."""
    after = 0
    while True:
        begin()
        after += 1
        meanwhile = Meanwhile(after, end)
        with connection.execute_wrapper(meanwhile):
            page = client.get(address).content.decode()
        if meanwhile.left > 0:
            return
        yield page


def check(client, address, begin, end, *, asks: str, done: str) -> None:
    asking, ended = 0, 0
    for page in every_moment(client, address, begin, end):
        assert asks in page or done in page
        asking += asks in page
        ended += asks not in page
    assert asking
    assert ended
    end()
    page = client.get(address).content.decode()
    assert done in page
    assert asks not in page


def test_a_proposal_whose_cleanup_ends(seed, people, client_of):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    run = proposal.runs.get()

    def set_to(state):
        Run.objects.filter(pk=run.pk).update(state=state)
        Proposal.objects.filter(pk=proposal.pk).update(state=state)

    check(
        client_of("viewer"),
        f"/proposals/{proposal.pk}/",
        lambda: set_to("running"),
        lambda: set_to("done"),
        asks=f'hx-get="/runs/{run.pk}/progress/"',
        done='<span class="state big done">',
    )


def test_a_registry_whose_scan_ends(seed, client_of):
    first = seed.last_scan
    second = Scan.objects.create(registry=seed, state="running")
    Scan.objects.filter(pk=second.pk).update(summary=first.summary, finished_at=timezone.now())

    def set_to(state, last):
        Scan.objects.filter(pk=second.pk).update(state=state)
        Registry.objects.filter(pk=seed.pk).update(last_scan=last, title=f"last read by scan {last.pk}")

    check(
        client_of("viewer"),
        "/r/seed/",
        lambda: set_to("running", first),
        lambda: set_to("complete", second),
        asks='hx-get="/r/seed/scan/',
        done=f"<h1>last read by scan {second.pk}</h1>",
    )


def test_a_scrub_that_ends(seed, client_of):
    Scrub.objects.create(registry=seed, state="done", verdict="bad", result={"depth": "full"})
    second = Scrub.objects.create(registry=seed, state="running", result={"depth": "full"})

    def set_to(state, verdict):
        Scrub.objects.filter(pk=second.pk).update(state=state, verdict=verdict)

    check(
        client_of("viewer"),
        "/r/seed/scrub/",
        lambda: set_to("running", ""),
        lambda: set_to("done", "good"),
        asks='hx-get="/r/seed/scrub/progress/"',
        done="Nothing is damaged",
    )
