"""Who we are to an object store: what a person entered, or what the machine has."""

import configparser
import json
import os
from typing import Any

from prune.model.errors import SourceError
from prune.sources.credentials import Credentials
from prune.sources.stores.objects.address import Address

#: Where the tools of each cloud look; any of these means that somebody has given credentials to this machine.
_GIVEN = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_SKIP_SIGNATURE",
    ),
    "gs": (
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_BEARER_TOKEN",
        "GOOGLE_SKIP_SIGNATURE",
    ),
    "az": (),
}


def settings_for(address: Address, entered: Credentials | None) -> dict[str, Any]:
    """Return what `obstore` needs to know to be let in. ``entered`` is what the dashboard keeps for this registry;
    ``None`` means the environment. Raises ``SourceError`` when nothing is known and nothing can be asked.

    Without anything entered, the dashboard uses the machine's own identity, but only towards the cloud itself: never
    at an address that somebody has typed in.
    """
    if entered is not None and address.endpoint and not entered.password:
        raise SourceError("Enter credentials for this endpoint: those of the machine are for the cloud itself only.")
    if entered is not None and (entered.username or entered.password):
        return _ENTERED[address.scheme](entered)
    if any(os.environ.get(name) for name in _GIVEN[address.scheme]):
        return {}
    if address.scheme == "s3":
        found = _profile()
        if not found and endpoint_of(address):
            raise SourceError(
                "No credentials for the bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
            )
        return found
    return {}


def endpoint_of(address: Address) -> str:
    """Return the endpoint that the SOURCE or the environment names; empty for the cloud's own."""
    names = {
        "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        "gs": ("GOOGLE_BASE_URL",),
        "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    }[address.scheme]
    return address.endpoint or next(filter(None, map(os.environ.get, names)), "")


def _s3(entered: Credentials) -> dict[str, Any]:
    # An own provider: a session token that the environment holds must not be mixed with another's key.
    keys = {"access_key_id": entered.username, "secret_access_key": entered.password}
    given = {**keys, "token": None, "expires_at": None}
    return {"credential_provider": lambda: given}


def _gs(entered: Credentials) -> dict[str, Any]:
    try:
        json.loads(entered.password)
    except ValueError:
        raise SourceError("The key of a service account of Google is a JSON document; enter all of it.") from None
    return {"service_account_key": entered.password}


def _az(entered: Credentials) -> dict[str, Any]:
    name = {"account_name": entered.username} if entered.username else {}
    if not entered.password:
        return name  # and who we are there, the machine knows
    if "sig=" in entered.password:
        return {**name, "sas_key": entered.password.lstrip("?"), "credential_type": "sas_token"}
    return {**name, "account_key": entered.password, "credential_type": "access_key"}


_ENTERED = {"s3": _s3, "gs": _gs, "az": _az}


def _profile() -> dict[str, Any]:
    """Return the keys of ``AWS_PROFILE`` (or ``default``) in the file that the AWS command keeps them in."""
    home = os.path.join(os.path.expanduser("~"), ".aws", "credentials")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home, encoding="utf-8")
        section = parser[os.environ.get("AWS_PROFILE") or "default"]
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
        if os.environ.get("AWS_PROFILE"):
            raise SourceError("AWS_PROFILE names a profile that the file of AWS credentials does not have.") from None
        return {}
    names = {
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
    }
    return {ours: section[theirs] for ours, theirs in names.items() if section.get(theirs)}
