"""Telling people by e-mail, where the dashboard may send some. What failed to be sent still stands on the pages.

Whatever happens is told when it is in the database for good, and sent by the worker: a mail server that is slow or
gone holds up no page and no cleanup.
"""

import logging
import smtplib
from collections.abc import Collection
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from registryui.models import PolicyRun, Proposal, Registry, Run
from registryui.permissions import APPROVE, who_may

log = logging.getLogger(__name__)


def tripped(run: PolicyRun) -> None:
    """Tell everybody who may approve that a guard has stopped a run."""
    lines = [f"{run.version} was stopped on {run.registry}. Nothing was deleted."]
    lines += [f"- {trip['guard']}: {trip['message']}" for trip in run.trips]
    _tell(f"A guard stopped {run.policy} on {run.registry}", lines, reverse("policy-run", args=[run.pk]))


def waiting(proposal: Proposal) -> None:
    """Tell those who may approve a proposal that it waits for them, unless it is decided when this is committed."""
    transaction.on_commit(partial(_waiting, proposal.pk), robust=True)


def _waiting(pk: int) -> None:
    rows = Proposal.objects.select_related("registry", "proposer", "last_editor", "plan")
    proposal = rows.filter(pk=pk, state=Proposal.State.PROPOSED).first()
    if proposal is None:
        return
    lines = [f"{proposal.title} ({proposal.registry})", f"Proposed by {proposal.proposer.get_username()}."]
    if proposal.reason:
        lines.append(proposal.reason)
    path = reverse("proposal", args=[proposal.pk])
    own = {proposal.proposer_id, proposal.last_editor_id}
    _tell(f"Proposal #{proposal.pk} on {proposal.registry} waits for approval", lines, path, without=own)


def failed(run: Run) -> None:
    """Tell everybody who may approve that a run failed, or that its verification did not find all that stays."""
    names = {Run.Kind.APPLY: "cleanup", Run.Kind.RESTORE: "undo", Run.Kind.EMPTY: "emptying of a trash"}
    what = names[Run.Kind(run.kind)]
    lines = [run.message or "No reason is known."]
    if run.verified is not None:
        lines += [f"- {missing['item']}: {missing['what']}" for missing in run.verified["missing"][:_MOST_NAMED]]
    _tell(f"The {what} on {run.registry} failed", lines, reverse("run", args=[run.pk]))


def lost(registry: Registry, problem: str) -> None:
    """Tell everybody who may approve that a registry did not come back after it was held."""
    lines = [problem, "Nobody can push there, and perhaps nobody can pull, until it is put right. It is tried again."]
    _tell(f"{registry} did not come back", lines, reverse("registry", args=[registry.slug]))


def back(registry: Registry) -> None:
    """Tell the same people that it is over."""
    _tell(f"{registry} is back", ["It serves again."], reverse("registry", args=[registry.slug]))


#: What a verification found missing, as far as a letter says it: the page has it all.
_MOST_NAMED = 20


def _tell(subject: str, lines: list[str], path: str, *, without: Collection[int | None] = ()) -> None:
    """Have a letter with a link to ``path`` sent to everybody who may approve and has an address, except those whose
    account is in ``without``, as soon as what it tells of is committed."""
    if not settings.EMAIL_FROM:
        return
    people = who_may(APPROVE).exclude(email="").exclude(pk__in=[pk for pk in without if pk])
    to = sorted(set(people.values_list("email", flat=True)))
    body = "\n".join([*lines, f"{settings.BASE_URL}{path}"]) + "\n"
    if to:
        from registryui.tasks import send

        transaction.on_commit(partial(send.enqueue, " ".join(subject.split())[:200], body, to), robust=True)


def deliver(subject: str, body: str, to: Collection[str]) -> None:
    """Send a letter to each address; what cannot be sent is logged."""
    for address in to:
        try:
            send_mail(subject, body, settings.EMAIL_FROM, [address])
        except (OSError, smtplib.SMTPException) as error:
            log.warning("No e-mail could be sent to %s: %s", address, error)
