"""The connections to a registry, and to where it redirects: opened when needed, kept open for the next request.

Less than a general client, and at a fraction of its price: no proxies, no cookies, no compression, nothing followed.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Collection
from urllib.parse import quote

from aiohappyeyeballs import start_connection

from prune.model.errors import Unreadable
from prune.sources.registry_v2 import addresses
from prune.sources.registry_v2.connection import Broken, Connection, Reply, Request

#: Seconds that a connection may rest before a server may have forgotten it.
LONGEST_REST = 15.0
#: Seconds before the next address of a name is tried beside the first (RFC 8305).
NEXT_ADDRESS = 0.25

#: An address as nearly all are: any reader finds the same host in it.
_USUAL = re.compile(r"(https?)://([A-Za-z0-9.:\[\]-]+)(/[!-\"$-~]*)")
_SAFE = "%/:=&?~+!$,;'@()*[]-._"


class Connections:
    """``seconds`` is for a whole request, connecting included; at most ``most`` connections rest at a time."""

    def __init__(
        self,
        seconds: float,
        most: int,
        context: ssl.SSLContext | None,
        allowed: Collection[str],
        fixed: dict[str, str],
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._context = context
        self._allowed = allowed
        self._fixed = _lines(fixed)
        self._resting: list[Connection] = []
        self._open: set[Connection] = set()

    async def ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        limit: int,
        hashing: str = "",
    ) -> Reply:
        """Send one request and return its answer, whatever its status; see `Request` for the limits.

        Raises ``OSError`` (``TimeoutError`` and ``Broken`` among them) when there is none, ``Unreadable`` when it is
        too large or compressed, or when ``url`` is none.
        """
        origin, host, target = _parts(url)
        lines = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{self._fixed}{_lines(headers)}"
        if body is not None or method in ("POST", "PUT"):
            lines += f"Content-Length: {len(body or b'')}\r\n"
        request = Request(method, f"{lines}\r\n".encode("latin-1"), body, limit, hashing, self._seconds)
        deadline = asyncio.get_running_loop().time() + self._seconds
        connection = self._rested(origin)
        if connection is not None:
            try:
                return await self._over(connection, request, deadline)
            except Broken:
                # A server may end a connection in the moment in which it is used again. What only reads may be asked
                # again; of anything else nobody knows whether it was done.
                if method not in ("GET", "HEAD") or not connection.silent:
                    raise
        return await self._over(await self._connect(origin, deadline), request, deadline)

    async def close(self) -> None:
        """End all connections, and wait until they have ended."""
        for connection in self._open:
            connection.close()
        if self._open:
            await asyncio.wait([connection.ended for connection in self._open])

    async def _over(self, connection: Connection, request: Request, deadline: float) -> Reply:
        reply = await connection.ask(request, deadline)
        if connection.reusable:
            connection.rested = asyncio.get_running_loop().time()
            self._resting.append(connection)
            if len(self._resting) > self._most:
                self._resting.pop(0).close()
        return reply

    def _rested(self, origin: str) -> Connection | None:
        """Return a connection that can be used again: the one that rested least."""
        oldest = asyncio.get_running_loop().time() - LONGEST_REST
        for number in range(len(self._resting) - 1, -1, -1):
            connection = self._resting[number]
            if connection.origin != origin:
                continue
            del self._resting[number]
            if connection.reusable and connection.rested > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: str, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        scheme, host, port = addresses.place(addresses.split(origin))
        secure = scheme == "https"
        async with asyncio.timeout_at(deadline):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # The address that is really connected to is checked, whatever its name was.
            fine = addresses.permitted(found, self._allowed)
            opened = await start_connection(fine, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1)
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(origin),
                    sock=opened,
                    ssl=(self._context or ssl.create_default_context()) if secure else None,
                    server_hostname=host if secure else None,
                )
            except BaseException:
                opened.close()
                raise
        self._open.add(connection)
        connection.ended.add_done_callback(lambda _: self._open.discard(connection))
        return connection


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme with host, the host as it is called in a request, and what is asked for there."""
    usual = _USUAL.fullmatch(url)
    if usual is not None:
        scheme, host, target = usual.groups()
        return f"{scheme}://{host}", host, target
    parts = addresses.split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise Unreadable("names an address that is none")
    try:
        host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    except UnicodeError:
        raise Unreadable("names an address that is none") from None
    if not host.isprintable() or " " in host:
        raise Unreadable("names an address that is none")
    host = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    return f"{parts.scheme}://{host}", host, target


def _lines(headers: dict[str, str]) -> str:
    """Return headers as they are sent; raise ``Unreadable`` for a value that would be more than one line."""
    for value in headers.values():
        if not (value.isascii() and value.isprintable()):
            raise Unreadable("needs a header that cannot be sent")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
