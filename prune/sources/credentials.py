"""Credentials for registries: from the environment, or the Docker config. Never from argv, never shown."""

import base64
import binascii
import json
import os
import shutil
import subprocess
from typing import Any

from prune.model.errors import SourceError

_DOCKER_HUB = "https://index.docker.io/v1/"
#: Seconds that a credential helper may take.
HELPER_SECONDS = 20


class Credentials:
    """A name with a password, or an identity token, and a client certificate with its key, in PEM. ``repr`` shows
    none of it."""

    def __init__(
        self, username: str = "", password: str = "", identity_token: str = "", client_pem: str = ""
    ) -> None:
        self.username = username
        self.password = password
        self.identity_token = identity_token
        self.client_pem = client_pem

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token)

    def __repr__(self) -> str:
        return f"Credentials({'set' if self else 'none'})"

    def basic(self) -> str:
        """Return the value of an ``Authorization`` header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Access:
    """How to reach a registry over a network: who we are, which CA to trust, where else tokens may be asked for, to
    which other hosts it may redirect, and the local folder where the bytes of deleted manifests are kept for an undo.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        token_realm: str = "",
        allowed_hosts: str = "",
        ca_file: str = "",
        client_certificate: str = "",
        client_key: str = "",
        state: str = "",
    ) -> None:
        self.credentials = credentials
        self.token_realm = token_realm
        self.allowed_hosts = tuple(allowed_hosts.lower().replace(",", " ").split())
        self.ca_file = ca_file
        self.client_certificate = client_certificate
        self.client_key = client_key
        self.state = state or default_state()


def default_state() -> str:
    """Return ``PRUNE_STATE``, or the place that the XDG base directory specification names."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.environ.get("PRUNE_STATE") or os.path.join(base, "prune")


def access_from_environment() -> Access:
    """Return what ``PRUNE_TOKEN_REALM``, ``PRUNE_ALLOWED_HOSTS``, ``PRUNE_CA_FILE``, ``PRUNE_CLIENT_CERTIFICATE`` and
    ``PRUNE_CLIENT_KEY`` say; credentials are looked up by host later."""
    get = os.environ.get
    return Access(
        token_realm=get("PRUNE_TOKEN_REALM", ""),
        allowed_hosts=get("PRUNE_ALLOWED_HOSTS", ""),
        ca_file=get("PRUNE_CA_FILE", ""),
        client_certificate=get("PRUNE_CLIENT_CERTIFICATE", ""),
        client_key=get("PRUNE_CLIENT_KEY", ""),
    )


def find_credentials(host: str) -> Credentials:
    """Return what is known for ``host`` (with its port): ``PRUNE_USERNAME`` with ``PRUNE_PASSWORD`` or
    ``PRUNE_PASSWORD_FILE``, else the Docker config's helpers and ``auths``. Raises ``SourceError`` when a file or
    helper that is named cannot be used."""
    username = os.environ.get("PRUNE_USERNAME", "")
    if username:
        return Credentials(username, _password())
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.loads(file.read(1 << 20))
    except FileNotFoundError:
        return Credentials()
    except (OSError, ValueError):
        raise SourceError(f"The Docker config in {folder} cannot be read.") from None
    return _from_docker(config, host) if isinstance(config, dict) else Credentials()


def _password() -> str:
    file = os.environ.get("PRUNE_PASSWORD_FILE", "")
    if not file:
        return os.environ.get("PRUNE_PASSWORD", "")
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read(1 << 16).rstrip("\r\n")
    except (OSError, ValueError):
        raise SourceError("The file named by PRUNE_PASSWORD_FILE cannot be read.") from None


def _from_docker(config: dict[str, Any], host: str) -> Credentials:
    names = [host, f"https://{host}", f"http://{host}", f"https://{host}/v1/", f"https://{host}/v2/"]
    if host in ("registry-1.docker.io", "docker.io"):
        names.append(_DOCKER_HUB)
    helpers = config.get("credHelpers")
    for name in names:
        if isinstance(helpers, dict) and isinstance(helpers.get(name), str):
            return _helper(helpers[name], name)
    auths = config.get("auths")
    for name in names:
        entry = auths.get(name) if isinstance(auths, dict) else None
        if isinstance(entry, dict) and (found := _entry(entry)):
            return found
    store = config.get("credsStore")
    if isinstance(store, str) and store:
        for name in names:
            if found := _helper(store, name):
                return found
    return Credentials()


def _entry(entry: dict[str, Any]) -> Credentials:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(identity_token=token)
    try:
        text = base64.b64decode(str(entry.get("auth", "")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return Credentials()
    username, colon, password = text.partition(":")
    return Credentials(username, password.rstrip("\0")) if colon else Credentials()


def _helper(name: str, server: str) -> Credentials:
    """Ask ``docker-credential-<name>`` (docker-credential-helpers protocol): server on stdin, JSON on stdout."""
    if not name.replace("-", "").replace("_", "").isalnum() or shutil.which(f"docker-credential-{name}") is None:
        raise SourceError(f"The credential helper docker-credential-{name} of the Docker config is not installed.")
    try:
        done = subprocess.run(
            [f"docker-credential-{name}", "get"], input=server.encode(), capture_output=True, timeout=HELPER_SECONDS
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return Credentials()
    username, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
    if username == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(username, secret)
