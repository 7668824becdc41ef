"""The connections to a registry, and to where it redirects: opened when needed, kept open for the next request.

HTTP and TLS are libcurl's. Of what it can do it does only this: no proxies, no cookies, no compression, and nothing
is followed.
"""

import re
from collections.abc import Collection
from urllib.parse import quote

import pycurl

from prune.model.errors import Unreadable
from prune.sources.registry_v2 import addresses
from prune.sources.registry_v2.sockets import Sockets
from prune.sources.registry_v2.tls import Trust
from prune.sources.registry_v2.transfer import Reply, Request, Transfer

#: An address as nearly all are: any reader finds the same host in it.
_USUAL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[!-\"$-~]*")
_SAFE = "%/:=&?~+!$,;'@()*[]-._"


class Connections:
    """``seconds`` is for a whole request, connecting included; at most ``most`` connections rest at a time. Used from
    one event loop; ``trust`` is closed with it."""

    def __init__(
        self,
        seconds: float,
        most: int,
        trust: Trust,
        allowed: Collection[str],
        fixed: dict[str, str],
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._trust = trust
        self._sockets = Sockets(allowed)
        self._fixed = fixed
        self._multi = pycurl.AsyncCurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)
        self._resting: list[Transfer] = []
        self._busy: set[Transfer] = set()

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
        too large or compressed, or when ``url`` is none. What only reads is sent again when a server ended its
        connection in the moment in which it was used again; anything else is sent once.
        """
        for value in headers.values():
            if not (value.isascii() and value.isprintable()):
                raise Unreadable("needs a header that cannot be sent")
        request = Request(method, _address(url), self._fixed | headers, body, limit, hashing, self._seconds)
        reads = method in ("GET", "HEAD")
        transfer = self._resting.pop() if reads and self._resting else Transfer(self._trust, self._sockets)
        self._busy.add(transfer)
        try:
            reply = await transfer.ask(self._multi, request)
            if reads and len(self._resting) < self._most:
                self._resting.append(transfer)
            return reply
        finally:
            self._busy.discard(transfer)
            if not self._resting or self._resting[-1] is not transfer:
                transfer.close()

    async def close(self) -> None:
        """End all connections."""
        await self._multi.aclose()
        for transfer in (*self._resting, *self._busy):
            transfer.close()
        self._trust.close()


def _address(url: str) -> str:
    """Return an address in which libcurl sees the same host as we do, and what is asked for there as it stands."""
    if _USUAL.fullmatch(url):
        return url
    parts = addresses.split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise Unreadable("names an address that is none")
    try:
        host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
    except UnicodeError:
        raise Unreadable("names an address that is none") from None
    host = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    made = f"{parts.scheme}://{host}{target}"
    if not _USUAL.fullmatch(made):
        raise Unreadable("names an address that is none")
    return made
