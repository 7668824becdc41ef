"""From a registry of the dashboard to a source of the engine."""

import hashlib
from pathlib import Path
from typing import cast

from django.conf import settings

from prune.model.errors import SourceError
from prune.model.snapshot import SourceKind
from prune.sources.base import Source
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from registryui.models import Registry
from registryui.secrets import decrypt

#: As a user name: what goes with it is an identity token (as in the protocol of Docker's credential helpers).
IDENTITY = "<token>"


def open_registry(registry: Registry, *, anew: bool = False) -> Source:
    """Open the source of a registry with its own credentials; raise ``SourceError`` with what is wrong. What kind it
    is, is remembered, unless it is to be found out ``anew``."""
    network = registry.source.startswith(("http://", "https://"))
    return open_source(
        registry.source,
        access=access_of(registry),
        kind=cast(SourceKind, registry.kind) if registry.kind and not anew else None,
        concurrency=registry.concurrency if network else None,
        repositories=registry.chosen_repositories if network else "",
    )


def access_of(registry: Registry) -> Access:
    """Return the credentials of a registry; raise ``SourceError`` when they cannot be read."""
    try:
        password = decrypt(registry.password)
        key = decrypt(registry.client_key)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return Access(
        # Never those of the machine that the dashboard runs on: a registry has what its operator gave it.
        _credentials(registry.username, password, f"{registry.client_certificate}\n{key}" if key else ""),
        token_realm=registry.token_realm,
        allowed_hosts=registry.allowed_hosts,
        ca_file=ca_file_of(registry.ca_certificate),
        state=str(settings.DATA_DIR / "runs"),
    )


def _credentials(username: str, password: str, client_pem: str) -> Credentials:
    if username == IDENTITY:
        return Credentials(identity_token=password, client_pem=client_pem)
    return Credentials(username, password, client_pem=client_pem)


def ca_file_of(pem: str) -> str:
    """Return a file with the certificate, named by what is in it; empty when there is none."""
    if not pem.strip():
        return ""
    folder = Path(settings.DATA_DIR) / "certificates"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(pem.encode()).hexdigest()[:32]}.pem"
    if not path.exists():
        path.write_text(pem)
    return str(path)
