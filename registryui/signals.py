"""Logging in, and failing to, goes on the record."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver

from registryui.services import audit


@receiver(user_logged_in)
def logged_in(sender: object, user: User, **kwargs: Any) -> None:
    """Remember who came."""
    audit.record(user, audit.Action.LOGGED_IN, user)


@receiver(user_login_failed)
def login_failed(sender: object, credentials: dict[str, Any], **kwargs: Any) -> None:
    """Remember who tried; never with which password."""
    audit.record(None, audit.Action.LOGIN_FAILED, name=str(credentials.get("username", ""))[:150])
