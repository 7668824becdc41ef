"""One connection, with one request at a time: what goes out, and an answer within its limits (RFC 9112).

The grammar of answers is llhttp's, through the `httptools` package.
"""

import asyncio
import hashlib
import ssl
from typing import Any, NamedTuple

import httptools

from prune.model.errors import Unreadable

#: Bytes of an answer that are no body: its head, and what frames the pieces of its body, at most ``FRAMING`` for each
#: byte of it.
MAX_HEAD_BYTES = 256 << 10
FRAMING = 8
#: Answers that only announce the real one (1xx).
MOST_ANNOUNCED = 10
#: Headers that may come in several lines which are one list.
_LISTS = frozenset({"link", "www-authenticate"})


class Broken(ConnectionError):
    """A connection ended before its answer did, or carried what is no HTTP."""


class Request(NamedTuple):
    """What to send, and how much may come back. With ``hashing`` (an algorithm) the body of a 200 is hashed and not
    kept, and may take its time as long as it keeps coming; otherwise ``seconds`` are for everything."""

    method: str
    head: bytes
    body: bytes | None
    limit: int
    hashing: str
    seconds: float


class Reply(NamedTuple):
    """Status, headers (names in lower case) and the body; or its length in bytes and its hash in hex digits."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int = 0
    hashed: str = ""


class Connection(asyncio.Protocol):
    """A connection to ``origin``. ``reusable`` tells whether another request may follow the last one; ``silent``
    that nothing at all came back; ``rested`` is since when it has nothing to do."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.reusable = False
        self.silent = True
        self.rested = 0.0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._answer: asyncio.Future[Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ---- one request --------------------------------------------------------------------------------------

    async def ask(self, request: Request, deadline: float) -> Reply:
        """Send a request and return its answer, read by ``deadline`` (the loop's clock).

        Raises ``TimeoutError``, ``Broken``, or ``Unreadable`` for what is too large or compressed; whenever it raises
        the connection is closed.
        """
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._headed = self._done = self._spoiled = self._to_the_end = False
        self._pieces: list[bytes] = []
        self._hash = hashlib.new(request.hashing) if request.hashing else None
        self._came = self._size = self._announced = self._status = 0
        self._why: Unreadable | None = None
        self.silent, self.reusable = True, False
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._answer = answer
        self._deadline = deadline
        self._watch()
        self._transport.write(request.head if request.body is None else request.head + request.body)
        try:
            return await answer
        except BaseException:  # a request that is given up leaves an answer under way that belongs to nobody
            self.close()
            raise
        finally:
            self._answer = None
            self._pieces = []

    def close(self) -> None:
        """End the connection at once."""
        self.reusable = False
        self._transport.abort()

    def _watch(self) -> None:
        # One timer for as long as the connection lives, not one for each request: it looks at what is due by then.
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._answer is None:
            return
        if self._loop.time() < self._deadline:
            self._watch()
        else:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    def _finish(self) -> None:
        if self._answer is None or self._answer.done():
            return
        hashed = self._hash.hexdigest() if self._hash is not None and self._status == 200 else ""
        length = self._size if hashed else 0
        self._answer.set_result(Reply(self._status, self._headers, b"".join(self._pieces), length, hashed))
        if not self.reusable:
            self._transport.abort()

    # ---- asyncio ------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """See ``asyncio.Protocol``."""
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked: it must not be taken for the answer to what comes next
            return
        self.silent = False
        self._came += len(data)
        if self._hash is not None and self._headed:
            self._deadline = self._loop.time() + self._request.seconds
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(self._why or Broken("what came is no HTTP"))
            return
        if self._came - self._size > MAX_HEAD_BYTES + FRAMING * self._size:
            self._why = Unreadable(f"has more than {MAX_HEAD_BYTES} bytes around its content")
        if self._why is not None:
            self._fail(self._why)
        elif self._done:
            self.reusable = self.reusable and not self._spoiled
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.reusable = False
        if self._timer is not None:
            self._timer.cancel()
        if self._answer is not None and not self._answer.done():
            if self._headed and self._to_the_end and error is None:
                self._finish()
            else:
                broken = Broken("the connection broke off")
                broken.__cause__ = error if isinstance(error, ssl.SSLError) else None
                self._fail(broken)
        if not self.ended.done():
            self.ended.set_result(None)

    # ---- httptools ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Notice an answer that follows the one that was asked for."""
        self._spoiled = self._done

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What follows a body in pieces (a trailer) is none."""
        if self._headed:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key in _LISTS and key in self._headers:
            text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        """Judge the head of an answer."""
        self._status = self._parser.get_status_code()
        if self._status < 200 or self._headed:
            return
        self._headed = True
        headers, request = self._headers, self._request
        if request.method == "HEAD":
            # llhttp does not know what was asked, and waits for a body. None will come.
            kept = self._parser.get_http_version() == "1.1" and "close" not in headers.get("connection", "").lower()
            self._done, self.reusable = True, kept
            return
        length = headers.get("content-length", "")
        self._to_the_end = not length and "chunked" not in headers.get("transfer-encoding", "").lower()
        if headers.get("content-encoding", "identity").lower() != "identity":
            self._why = Unreadable("came compressed although that was not asked for")
        elif length and int(length) > request.limit:
            self._why = Unreadable(f"is larger than {request.limit} bytes")
        if self._why is not None:
            raise self._why

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body, or its hash."""
        if self._done:
            self._spoiled = True
            return
        self._size += len(piece)
        if self._size > self._request.limit:
            self._why = Unreadable(f"is larger than {self._request.limit} bytes")
            raise self._why
        if self._hash is not None and self._status == 200:
            self._hash.update(piece)
        else:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Notice the end of an answer; one that only announces another (1xx) is forgotten."""
        if self._done:
            return
        if self._status < 200:
            self._headers = {}
            self._announced += 1
            if self._announced > MOST_ANNOUNCED:
                self._why = Unreadable("is announced again and again")
                raise self._why
            return
        self._done, self.reusable = True, self._parser.should_keep_alive()
