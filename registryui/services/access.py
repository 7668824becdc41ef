"""From a registry of the dashboard to a source of the engine."""

import hashlib
from pathlib import Path

from django.conf import settings

from prune.model.errors import SourceError
from prune.sources.base import Source
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from registryui.models import Registry
from registryui.secrets import decrypt


def open_registry(registry: Registry) -> Source:
    """Open the source of a registry with its own credentials; raise ``SourceError`` with what is wrong."""
    return open_source(registry.source, access=access_of(registry))


def access_of(registry: Registry) -> Access:
    """Return the credentials of a registry; raise ``SourceError`` when they cannot be read."""
    try:
        password = decrypt(registry.password)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return Access(
        # Never those of the machine that the dashboard runs on: a registry has what its operator gave it.
        Credentials(registry.username, password),
        token_realm=registry.token_realm,
        ca_file=_ca_file(registry.ca_certificate),
        state=str(settings.DATA_DIR / "runs"),
    )


def _ca_file(pem: str) -> str:
    """Return a file with the certificate, named by what is in it."""
    if not pem.strip():
        return ""
    folder = Path(settings.DATA_DIR) / "certificates"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(pem.encode()).hexdigest()[:32]}.pem"
    if not path.exists():
        path.write_text(pem)
    return str(path)
