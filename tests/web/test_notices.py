"""Who is told by e-mail of what, with a link; and a mail server that is down, which stops nothing."""

import smtplib

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from registryui.environment import mailer
from registryui.models import Proposal, Registry
from registryui.services import control, proposals, registries, runs
from tests.servers import free_port
from tests.web.test_control import carried_out, operated  # noqa: F401  # a fixture
from tests.web.test_proposals import propose, work
from tests.web.test_verification import harmed  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def addresses(settings, people):
    settings.EMAIL_FROM = "registryui@example.com"
    settings.BASE_URL = "https://registries.example.com"
    for name, person in people.items():
        person.email = f"{name}@example.com"
        person.save()


def told() -> list[tuple[str, str]]:
    """Return address and subject of what was sent, in order of both."""
    return sorted((message.to[0], message.subject) for message in mail.outbox)


def test_a_proposal_is_told_to_those_who_may_approve_it(seed, people, posted):
    with posted():
        proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    subject = f"Proposal #{proposal.pk} on seed waits for approval"
    assert told() == [("admin@example.com", subject), ("approver@example.com", subject)]
    body = mail.outbox[0].body
    assert f"https://registries.example.com/proposals/{proposal.pk}/\n" in body
    assert "Proposed by proposer." in body
    mail.outbox.clear()
    # Who edits it may not approve it any more.
    with posted():
        proposals.edit(
            people["approver"], proposal, ["library/seed-2:version2"], title="", reason="better", sweep=False
        )
    assert [to for to, _ in told()] == ["admin@example.com"]
    assert "better" in mail.outbox[0].body


def test_one_that_is_decided_in_the_same_moment_waits_for_nobody(seed, people, posted):
    with posted():
        proposal = propose(people["proposer"], seed, "library/seed-2:version1")
        Proposal.objects.filter(pk=proposal.pk).update(state="withdrawn")
    assert told() == []


def test_what_goes_well_is_told_to_nobody(seed, people, posted):
    proposal = propose(people["proposer"], seed, "library/seed-2:version1")
    with posted():
        proposals.approve(people["approver"], proposal, proposal.plan.digest)
        work()
    assert proposal.runs.get().state == "done"
    assert told() == []


def test_a_verification_that_misses_something_is_told_with_what_it_misses(request, posted):
    with posted():
        proposal, victim = request.getfixturevalue("harmed")
    failures = [message for message in mail.outbox if "failed" in message.subject]
    assert {message.to[0] for message in failures} == {"admin@example.com", "approver@example.com"}
    assert {message.subject for message in failures} == {"The cleanup on shop failed"}
    assert victim.parent.name in failures[0].body
    assert f"/runs/{proposal.runs.get().pk}/\n" in failures[0].body


def test_an_emptying_that_fails_is_told_too(seed, people, posted, tmp_path):
    run = carried_out(people, seed)
    root = tmp_path / "seed"
    root.rename(tmp_path / "elsewhere")
    with posted():
        runs.empty(people["admin"], run)
        work()
    assert {subject for _, subject in told()} == {"The emptying of a trash on seed failed"}


def test_a_registry_that_does_not_come_back_is_told_once_and_when_it_is_back(operated, people, posted):  # noqa: F811
    Registry.objects.update(control_commands=operated.control_commands.replace("rm,", "/bin/false,"))
    with posted():
        carried_out(people, operated)
        control.put_all_right()
    lost = [message for message in mail.outbox if "did not come back" in message.subject]
    assert sorted(message.to[0] for message in lost) == ["admin@example.com", "approver@example.com"]
    assert "https://registries.example.com/r/seed/\n" in lost[0].body
    mail.outbox.clear()
    Registry.objects.update(control_commands=operated.control_commands)
    with posted():
        assert control.put_all_right() == 1
    assert told() == [("admin@example.com", "seed is back"), ("approver@example.com", "seed is back")]


def down(monkeypatch, settings):
    settings.MAILERS = {"default": mailer(f"smtp://127.0.0.1:{free_port()}")}


def refusing(monkeypatch, settings):
    def refuse(self, messages):
        raise smtplib.SMTPRecipientsRefused({})

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)


@pytest.mark.parametrize("broken", [down, refusing])
def test_a_mail_server_that_is_down_stops_nothing(operated, people, posted, settings, monkeypatch, caplog, broken):  # noqa: F811
    Registry.objects.update(control_commands=operated.control_commands.replace("rm,", "/bin/false,"))
    broken(monkeypatch, settings)
    with posted():
        run = carried_out(people, operated)
    assert run.state == "done"
    assert "did not come back" in run.message
    assert told() == []
    assert "No e-mail could be sent to admin@example.com" in caplog.text
    assert "No e-mail could be sent to approver@example.com" in caplog.text


def test_a_queue_that_takes_nothing_stops_nothing(operated, people, posted, monkeypatch):  # noqa: F811
    from registryui import tasks

    def broken(*args):
        raise RuntimeError("no queue")

    monkeypatch.setattr(type(tasks.send), "enqueue", lambda task, *args: broken() if task == tasks.send else None)
    with posted():
        assert carried_out(people, operated).state == "done"
    registries.change(people["admin"], Registry.objects.get())


def test_without_a_sender_nothing_is_queued(seed, people, posted, settings):
    settings.EMAIL_FROM = ""
    with posted():
        propose(people["proposer"], seed, "library/seed-2:version1")
    assert told() == []
