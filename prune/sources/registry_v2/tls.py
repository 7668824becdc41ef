"""Trust in a registry's certificate, and a certificate of our own."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prune.model.errors import SourceError
from prune.sources.credentials import Credentials


def context(ca_file: str, certificate: str, key: str, credentials: Credentials) -> ssl.SSLContext:
    """Return the settings for connections. ``certificate`` and ``key`` are files; what ``credentials`` hold comes
    first. Raises ``SourceError`` when something cannot be read."""
    try:
        made = ssl.create_default_context()
        if ca_file:
            made.load_verify_locations(ca_file)
        if credentials.client_pem:
            with _file(credentials.client_pem) as path:
                made.load_cert_chain(path, password=_nobody_to_ask)
        elif certificate:
            made.load_cert_chain(certificate, key or None, password=_nobody_to_ask)
    except (OSError, ValueError, ssl.SSLError):
        raise SourceError(
            "The CA certificate, the client certificate or its key cannot be read: each must be PEM, and the key "
            "that of the certificate, without a password."
        ) from None
    return made


def _nobody_to_ask() -> str:
    """Answer for a key with a password; without this OpenSSL would ask on the terminal."""
    return ""


@contextmanager
def _file(text: str) -> Iterator[str]:
    """Give ``text`` a name for the moment, in memory where the system can: a key is never written to a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        os.write(descriptor, text.encode())
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
