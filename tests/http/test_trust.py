"""Whom a connection believes: the system's certificates and another beside them, for the host that was asked."""

import contextlib
import datetime
import socket
import ssl
import struct
from collections.abc import Callable

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from prune.model.errors import SourceError
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from prune.sources.registry_v2.client import Unreachable
from tests.http.raw import Raw, ok


class Secured(Raw):
    """Over TLS; with ``clients`` only for those that this authority knows."""

    def __init__(
        self,
        certificate: trustme.LeafCert,
        clients: trustme.CA | None = None,
        newest=None,
        *,
        needed: bool = True,
        answer: Callable = lambda *_: ok(),
    ) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self._context)
        if clients is not None:
            clients.configure_trust(self._context)
            self._context.verify_mode = ssl.CERT_REQUIRED if needed else ssl.CERT_OPTIONAL
        if newest is not None:
            self._context.maximum_version = newest
        self.accepted: list[int] = []
        self.shown: list[bool] = []
        """Whether a certificate came with each connection."""
        super().__init__(answer)
        self.url = self.url.replace("http:", "https:")

    def secured(self, made):
        self.accepted.append(1)
        secured = self._context.wrap_socket(made, server_side=True, do_handshake_on_connect=False)
        self._open.append(secured)  # the plain one is nothing any more
        try:
            secured.do_handshake()
        except ssl.SSLError:
            while socket.socket.recv(secured, 65536):
                pass  # whoever ends a connection in which something is unread takes back what it said
            raise
        with contextlib.suppress(AttributeError):  # nobody is there any more
            self.shown.append(bool(secured.getpeercert()))
        return secured


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def asked(server, *paths, ca=None, credentials=None, url="", **options):
    async def work(client):
        return [(await client.send("GET", path)).status for path in paths or ("/v2/",)]

    access = Access(credentials if credentials is not None else Credentials(), ca_file=str(ca or ""), **options)
    return open_source(url or server.url, kind="registry-v2", timeout=10.0, access=access).run(work)


def test_a_private_authority_is_believed_and_the_connection_kept(authority, tmp_path):
    with Secured(authority.issue_cert("127.0.0.1")) as server:
        assert asked(server, "/v2/one", "/v2/two", ca=tmp_path / "ca.pem") == [200, 200]
    assert {number for number, _ in server.requests} == {1}


@pytest.mark.parametrize("both", [False, True])
def test_the_systems_authorities_are_believed_also_beside_a_private_one(authority, tmp_path, monkeypatch, both):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with Secured(authority.issue_cert("127.0.0.1")) as server:
        assert asked(server, ca=tmp_path / "other.pem" if both else None) == [200]


def test_what_redirects_from_http_to_https_is_judged_there(authority, tmp_path, monkeypatch):
    with Secured(authority.issue_cert("127.0.0.1")) as there:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {there.url}/x\r\nContent-Length: 0\r\n\r\n".encode()
        with Raw(lambda *_: moved) as here:
            allowed = there.url.removeprefix("https://")
            with pytest.raises(Unreachable, match="not trusted"):
                asked(here, allowed_hosts=allowed)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            assert asked(here, allowed_hosts=allowed) == [200]


def test_our_certificate_is_shown_to_the_registry_and_to_nobody_it_redirects_to(authority, tmp_path):
    """Not even to itself, when another host sends us back: what it lets us do nobody else may ask for."""
    pem = authority.issue_cert("me@example.com").private_key_and_cert_chain_pem.bytes().decode()

    def moved(where: str) -> bytes:
        return f"HTTP/1.1 307 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()

    def here(request, _):
        path = request.split()[1]
        return moved(f"{store.url}{path}") if path in ("/v2/away", "/v2/back") else ok()

    def there(request, _):
        return moved(f"{server.url}/v2/end") if "/v2/back" in request else ok()

    certificate = authority.issue_cert("127.0.0.1")
    with (
        Secured(certificate, authority, needed=False, answer=here) as server,
        Secured(certificate, authority, needed=False, answer=there) as store,
    ):
        allowed = store.url.removeprefix("https://")
        paths = ("/v2/", "/v2/away", "/v2/back", "/v2/")
        mine = Credentials(client_pem=pem)
        assert asked(server, *paths, ca=tmp_path / "ca.pem", credentials=mine, allowed_hosts=allowed) == [200] * 4
    assert store.shown == [False]
    assert server.shown == [True, False]
    assert [(number, request.split()[1]) for number, request in server.requests] == [
        (1, "/v2/"),
        (1, "/v2/away"),
        (1, "/v2/back"),
        (3, "/v2/end"),
        (1, "/v2/"),
    ]


def past(days: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(days)


UNTRUSTED = {
    "nobody knows its authority": lambda ca: trustme.CA().issue_cert("127.0.0.1"),
    "it is another host's": lambda ca: ca.issue_cert("registry.example"),
    "it is another address's": lambda ca: ca.issue_cert("127.0.0.2"),
    "it names its host only as its subject": lambda ca: ca.issue_cert("other.example", common_name="127.0.0.1"),
    "it has ended": lambda ca: ca.issue_cert("127.0.0.1", not_before=past(9), not_after=past(2)),
}


@pytest.mark.parametrize("name", UNTRUSTED)
def test_a_certificate_that_is_not_trusted_is_met_once(authority, tmp_path, name):
    with (
        Secured(UNTRUSTED[name](authority)) as server,
        pytest.raises(Unreachable, match=r"not trusted.*PRUNE_CA_FILE") as error,
    ):
        asked(server, ca=tmp_path / "ca.pem")
    assert (server.accepted, server.requests) == ([1], [])
    assert "SSL" not in str(error.value)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("mine", ["none", "stranger", "known"])
def test_a_server_that_wants_a_certificate(authority, tmp_path, newest, mine):
    """That ours is missing is said after the connection stands, with TLS 1.3: no reason to try again."""
    issuer = {"none": None, "stranger": trustme.CA(), "known": authority}[mine]
    pem = issuer.issue_cert("me@example.com").private_key_and_cert_chain_pem.bytes().decode() if issuer else ""
    with Secured(authority.issue_cert("127.0.0.1"), authority, newest) as server:
        if mine == "known":
            assert asked(server, ca=tmp_path / "ca.pem", credentials=Credentials(client_pem=pem)) == [200]
        else:
            with pytest.raises(Unreachable, match="PRUNE_CLIENT_CERTIFICATE"):
                asked(server, ca=tmp_path / "ca.pem", credentials=Credentials(client_pem=pem))
    assert server.accepted == [1]


def test_a_server_that_ends_a_connection_as_soon_as_it_is_secured(authority, tmp_path):
    """What it said may be lost then."""

    class Ending(Secured):
        def secured(self, made):
            secured = super().secured(made)
            secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            secured.close()
            return secured

    with Ending(authority.issue_cert("127.0.0.1")) as server, pytest.raises(Unreachable) as error:
        asked(server, ca=tmp_path / "ca.pem")
    assert "it may want a client certificate (PRUNE_CLIENT_CERTIFICATE)" in str(error.value)
    assert len(server.accepted) == 2


def test_a_server_without_tls_is_not_trusted():
    class Plain(Raw):
        def secured(self, made):
            made.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return made

    with Plain(lambda *_: ok()) as server, pytest.raises(Unreachable, match="not trusted"):
        asked(server, url=server.url.replace("http:", "https:"))
    assert server.requests == []


def test_certificates_and_keys_that_cannot_be_read(authority, tmp_path):
    one, other = (authority.issue_cert("me@example.com") for _ in range(2))
    one.cert_chain_pems[0].write_to_path(tmp_path / "me.pem")
    one.private_key_pem.write_to_path(tmp_path / "me.key")
    other.private_key_pem.write_to_path(tmp_path / "other.key")
    secret = load_pem_private_key(one.private_key_pem.bytes(), None)
    (tmp_path / "locked.key").write_bytes(
        secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    (tmp_path / "nonsense").write_text("nonsense")
    with Secured(authority.issue_cert("127.0.0.1"), authority) as server:

        def given(ca="ca.pem", certificate="me.pem", key="me.key"):
            mine = {"client_certificate": str(tmp_path / certificate), "client_key": str(tmp_path / key)}
            return asked(server, ca=tmp_path / ca, **mine)

        assert given() == [200]
        for wrong in (
            {"ca": "nonsense"},
            {"ca": "missing"},
            {"certificate": "nonsense"},
            {"certificate": "missing"},
            {"key": "missing"},
            {"key": "other.key"},
            {"key": "locked.key"},
            {"key": "nonsense"},
        ):
            with pytest.raises(SourceError, match="cannot be read"):
                given(**wrong)
    assert len(server.requests) == 1
