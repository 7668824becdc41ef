"""One transfer of libcurl's at a time: what it may do, what goes out, and an answer within its limits."""

import asyncio
import hashlib
import os
import re
import socket
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

import msgspec
import pycurl

from prune.model.errors import Unreadable
from prune.sources.registry_v2.driving import Driver
from prune.sources.registry_v2.sockets import Sockets
from prune.sources.registry_v2.tls import Trust

#: Bytes of an answer that are no body: the heads of it and of what announces it, and what follows it (trailers).
MAX_HEAD_BYTES = 256 << 10
#: Bytes of an answer that is not the content which was to be hashed, but says why there is none.
MAX_SAID_BYTES = 1 << 20
#: Answers that only announce the real one (1xx).
MOST_ANNOUNCED = 10
#: Seconds that a connection may rest before a server may have forgotten it.
LONGEST_REST = 15
#: Headers that may come in several lines which are one list.
_LISTS = frozenset({"link", "www-authenticate"})
#: A length in bytes; no more digits than libcurl counts with.
_LENGTH = re.compile(r"[0-9]{1,18}")

#: What libcurl says when one side does not like the other's certificate, or misses one (98, CURLE_SSL_CLIENTCERT).
_UNTRUSTED = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
        98,
    }
)
_MALFORMED = frozenset({pycurl.E_URL_MALFORMAT, pycurl.E_UNSUPPORTED_PROTOCOL})


class Broken(ConnectionError):
    """A connection ended before its answer did, or carried what is no HTTP."""


class Untrusted(ConnectionError):
    """One side does not believe the other's certificate, or misses one."""


class Dropped(Broken):
    """A server ended a new connection as soon as it was secured. It may have said that it misses a certificate: what
    it said is lost when it ends the connection in the same moment."""


class Request(msgspec.Struct, frozen=True):
    """What to send, and how much may come back. With ``hashing`` (an algorithm) the body of a 200 is hashed and not
    kept, and may take its time as long as it keeps coming; otherwise ``seconds`` are for everything."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    limit: int
    hashing: str
    seconds: float


class Answer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and the whole body; or, of a body that was only hashed, its length in
    bytes and its hash in hex digits."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    attempts: int = 1
    """After more than one, what a request asked for may have been done although an answer was lost."""
    length: int = 0
    hashed: str = ""


class Transfer:
    """A handle of libcurl, for one request after another. ``fixed`` are headers of each; with ``shows`` our
    certificate is shown where one is asked for."""

    def __init__(self, trust: Trust, sockets: Sockets, fixed: dict[str, str], *, shows: bool) -> None:
        self._sockets = sockets
        self._fixed = fixed
        self._sent: tuple[str, dict[str, str]] = ("", {})
        self.curl = curl = pycurl.Curl()
        set_option = curl.setopt
        set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        # One request on a connection at a time: what was answered, and what was not, is then plain.
        set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        set_option(pycurl.FOLLOWLOCATION, 0)
        set_option(pycurl.PROXY, "")
        set_option(pycurl.NOPROXY, "*")
        set_option(pycurl.NETRC, pycurl.NETRC_IGNORED)
        set_option(pycurl.HTTP_CONTENT_DECODING, 0)
        set_option(pycurl.PATH_AS_IS, 1)
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.MAXAGE_CONN, LONGEST_REST)
        set_option(pycurl.OPENSOCKETFUNCTION, self._socket)
        set_option(pycurl.PREREQFUNCTION, self._before)
        set_option(pycurl.HEADERFUNCTION, self._line)
        set_option(pycurl.WRITEFUNCTION, self._piece)
        set_option(pycurl.SSL_VERIFYPEER, 1)
        set_option(pycurl.SSL_VERIFYHOST, 2)
        set_option(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        curl.unsetopt(pycurl.CAPATH)
        curl.unsetopt(pycurl.CAINFO)
        if trust.ca_file:
            set_option(pycurl.CAINFO, trust.ca_file)
        if trust.ca_folder:
            set_option(pycurl.CAPATH, trust.ca_folder)
        if trust.certificate and shows:
            set_option(pycurl.SSLCERTTYPE, "PEM")
            set_option(pycurl.SSLCERT_BLOB, trust.certificate)
            set_option(pycurl.SSLKEYTYPE, "PEM")
            set_option(pycurl.SSLKEY_BLOB, trust.key)

    async def ask(self, driver: Driver, request: Request) -> Answer:
        """Send a request and return its answer.

        Raises ``TimeoutError``, ``Broken``, ``Untrusted``, ``addresses.Forbidden`` or another ``OSError``, or
        ``Unreadable`` for what is too large or compressed; after that nothing may follow.
        """
        self._prepare(request)
        try:
            await self._perform(driver)
        except pycurl.error as error:
            if not self._stale:
                raise self._failure(*error.args) from None
            # Nothing was sent: the connection was closed instead.
            try:
                self.curl.setopt(pycurl.FRESH_CONNECT, 1)
                await self._perform(driver)
                self.curl.setopt(pycurl.FRESH_CONNECT, 0)
            except pycurl.error as again:
                raise self._failure(*again.args) from None
        if self._why is not None or not self._headed:
            raise self._why or Broken("what came is no answer")
        body = b"".join(self._pieces)
        if self._hash is None or self._status != 200:
            return Answer(self._status, self._headers, body, request.url)
        return Answer(200, self._headers, body, request.url, 1, self._size, self._hash.hexdigest())

    def _perform(self, driver: Driver) -> Awaitable[None]:
        return self._while_it_comes(driver) if self._request.hashing else driver.perform(self.curl)

    async def _while_it_comes(self, driver: Driver) -> None:
        async with asyncio.timeout(self._request.seconds) as self._bound:
            await driver.perform(self.curl)

    def close(self) -> None:
        """Give the handle back."""
        self.curl.close()

    def _prepare(self, request: Request) -> None:
        self._request = request
        self._limit = request.limit
        self._lines: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._hash = hashlib.new(request.hashing) if request.hashing else None
        self._headed = self._stale = False
        self._opened: list[int] = []
        self._around = self._announced = self._size = self._status = 0
        self._why: Unreadable | Broken | None = None
        self._refused: OSError | None = None
        curl = self.curl
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.TIMEOUT_MS, 0 if request.hashing else max(1, int(1000 * request.seconds)))
        if self._sent == (request.method, request.headers):
            return
        headers = self._fixed | request.headers
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise Unreadable("needs a header that cannot be sent")
        self._sent = (request.method, dict(request.headers))
        # An empty one keeps libcurl from sending its own.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
        given = {name.lower() for name in headers}
        lines += [f"{name}:" for name in ("Accept", "Content-Type", "Expect") if name.lower() not in given]
        curl.setopt(pycurl.HTTPHEADER, lines)
        if request.method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
            return
        curl.setopt(pycurl.HTTPGET, 1)  # and NOBODY is off again
        if request.method == "GET":
            return
        # libcurl sends again what a connection that was kept open did not answer. Of what changes something nobody
        # knows whether it was done: it goes over a new connection, where there is nothing to send again.
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        if request.body is not None or request.method in ("POST", "PUT"):
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.POSTFIELDS, request.body or b"")
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)

    # ---- what libcurl calls -------------------------------------------------------------------------------

    def _socket(self, _purpose: int, end: Any) -> int:
        try:
            opened = self._sockets.open(end)
        except OSError as error:
            self._refused = error
            return int(pycurl.SOCKET_BAD)
        self._opened.append(opened)
        return opened

    def _before(self, there: str, here: str, their_port: int, our_port: int) -> int:
        ends = here, our_port, there, their_port
        if self._opened:
            self._sockets.remember(self._opened, ends)
        elif not self._sockets.is_quiet(ends):
            self._stale = True
            return int(pycurl.PREREQFUNC_ABORT)
        return int(pycurl.PREREQFUNC_OK)

    def _line(self, line: bytes) -> int | None:
        self._around += len(line)
        if self._around > MAX_HEAD_BYTES:
            self._why = Unreadable(f"has more than {MAX_HEAD_BYTES} bytes around its content")
        elif line == b"\r\n" or line == b"\n":
            self._judge()
        else:
            self._lines.append(line)  # what follows a body (a trailer) nobody reads
            return None
        return None if self._why is None else 0

    def _judge(self) -> None:
        """Read the head of an answer; one that only announces another (1xx) is forgotten."""
        lines, self._lines = self._lines, []
        try:
            self._status = int(lines.pop(0).split()[1])
        except (IndexError, ValueError):
            self._why = Broken("no status")
            return
        if self._status < 200:
            self._announced += 1
            if self._announced > MOST_ANNOUNCED or self._status == 101:
                self._why = Unreadable("is announced again and again, or in another language")
            return
        self._headed = True
        headers = self._headers
        for line in lines:
            key, text = _header(line)
            if key in headers:
                if key == "content-length" and headers[key] != text:
                    self._why = Broken("two lengths")
                if key in _LISTS:
                    text = f"{headers[key]}, {text}"
            headers[key] = text
        length = headers.get("content-length", "")
        if length and ("transfer-encoding" in headers or not _LENGTH.fullmatch(length)):
            self._why = Broken("a length that is none")
        if self._why is not None or self._request.method == "HEAD":
            return
        if headers.get("content-encoding", "identity").lower() != "identity":
            self._why = Unreadable("came compressed although that was not asked for")
        if self._hash is not None and self._status != 200:
            self._limit = min(self._limit, MAX_SAID_BYTES)
        if self._why is None and length and int(length) > self._limit:
            self._why = self._too_large()

    def _piece(self, piece: bytes) -> int | None:
        self._size += len(piece)
        if self._size > self._limit:
            self._why = self._too_large()
            return 0
        if self._hash is None or self._status != 200:
            self._pieces.append(piece)
            return None
        self._hash.update(piece)
        if not self._bound.expired():
            self._bound.reschedule(asyncio.get_running_loop().time() + self._request.seconds)
        return None

    def _too_large(self) -> Unreadable:
        return Unreadable(f"is larger than {self._limit} bytes")

    def _failure(self, code: int, text: str) -> Exception:
        """Return what a failure means; nothing of what libcurl says about it is shown to anybody."""
        if self._why is not None:
            return self._why
        if self._refused is not None and not self._opened:
            return self._refused
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return TimeoutError()
        # That ours is missing is said only after the connection stands (RFC 8446, 4.4.2.4), where libcurl has no code
        # of its own for it. A connection that merely ends is no such complaint.
        if code in _UNTRUSTED or ("SSL routines" in text and "unexpected eof" not in text):
            return Untrusted()
        if code in _MALFORMED:
            return Unreadable("names an address that is none")
        if code == pycurl.E_COULDNT_RESOLVE_HOST:
            return socket.gaierror(socket.EAI_NONAME, "its name is not known")
        fresh = bool(self._opened) and not self._around
        if fresh and code in (pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR) and self.curl.getinfo(pycurl.APPCONNECT_TIME):
            return Dropped("the connection was ended as soon as it stood")
        number = self.curl.getinfo(pycurl.OS_ERRNO)
        if code == pycurl.E_COULDNT_CONNECT and number:
            return OSError(number, os.strerror(number))
        return Broken("the connection broke off")


@lru_cache(256)
def _header(line: bytes) -> tuple[str, str]:
    """Return the name of a header, in lower case, and what it says. Most are the same in one answer after another."""
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()
