"""Trust in a registry's certificate, and a certificate of our own."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prune.model.errors import SourceError
from prune.sources.credentials import Credentials


class Trust:
    """Whom to believe and what to show. ``ca_file`` names a file that is there until ``close``, ``ca_folder`` a
    folder of certificates; ``certificate`` and ``key`` are PEM, and empty when there is none of our own."""

    def __init__(self, ca_file: str, certificate: str, key: str, credentials: Credentials) -> None:
        """Read the files; what ``credentials`` hold comes first. Raises ``SourceError`` when one cannot be read."""
        self._open = ExitStack()
        try:
            text = credentials.client_pem.encode() or (Path(certificate).read_bytes() if certificate else b"")
            secret = Path(key).read_bytes() if key and certificate and not credentials.client_pem else text
            more = Path(ca_file).read_bytes() if ca_file else b""
            _check(more, text, secret)
        except (OSError, ValueError, ssl.SSLError):
            raise SourceError(
                "The CA certificate, the client certificate or its key cannot be read: each must be PEM, and the key "
                "that of the certificate, without a password."
            ) from None
        self.certificate, self.key = text, secret
        # The system's own, and another beside them: a registry and its token server need not have the same.
        system = ssl.get_default_verify_paths()
        self.ca_file = system.cafile or ""
        # Certificates of one file are kept for the next connection, those of a folder are looked for again each time.
        self.ca_folder = (system.capath or "") if not system.cafile or "SSL_CERT_DIR" in os.environ else ""
        if more:
            known = Path(self.ca_file).read_bytes() if self.ca_file else b""
            self.ca_file = self._open.enter_context(_file(known + b"\n" + more))

    def close(self) -> None:
        """Take away what was made for it."""
        self._open.close()


def _check(ca: bytes, certificate: bytes, key: bytes) -> None:
    """Raise ``ssl.SSLError`` for what is no PEM, for a key of another certificate, or one with a password."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        with _file(ca) as path:
            made.load_verify_locations(path)
    if certificate:
        with _file(certificate) as path, _file(key) as other:
            made.load_cert_chain(path, other, password=_nobody_to_ask)


def _nobody_to_ask() -> str:
    """Answer for a key with a password; without this OpenSSL would ask on the terminal."""
    return ""


@contextmanager
def _file(text: bytes) -> Iterator[str]:
    """Give ``text`` a name for a while, in memory where the system can: a key is never written to a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(text)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
