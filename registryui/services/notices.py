"""Telling people by e-mail, where the dashboard may send some. What failed to be sent still stands on the pages."""

import logging
import smtplib

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.urls import reverse

from registryui.models import PolicyRun
from registryui.permissions import APPROVE

log = logging.getLogger(__name__)


def tripped(run: PolicyRun) -> None:
    """Tell everybody who may approve that a guard has stopped a run."""
    lines = [f"{run.version} was stopped on {run.registry}. Nothing was deleted."]
    lines += [f"- {trip['guard']}: {trip['message']}" for trip in run.trips]
    lines.append(f"{settings.BASE_URL}{reverse('policy-run', args=[run.pk])}")
    _send(f"A guard stopped {run.policy} on {run.registry}", "\n".join(lines) + "\n")


def _send(subject: str, body: str) -> None:
    if not settings.EMAIL_FROM:
        return
    people = User.objects.with_perm(APPROVE, backend="django.contrib.auth.backends.ModelBackend")
    to = sorted(set(people.filter(is_active=True).exclude(email="").values_list("email", flat=True)))
    for address in to:
        try:
            send_mail(" ".join(subject.split())[:200], body, settings.EMAIL_FROM, [address])
        except (OSError, smtplib.SMTPException) as error:
            log.warning("No e-mail could be sent to %s: %s", address, error)
