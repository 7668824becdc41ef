"""The connections to a registry, and to where it redirects: opened when needed, kept open for the next request.

HTTP and TLS are libcurl's. Of what it can do it does only this: no proxies, no cookies, no compression, and nothing
is followed.
"""

import re
from collections.abc import Collection
from urllib.parse import quote

from prune.model.errors import Unreadable
from prune.sources.registry_v2 import addresses
from prune.sources.registry_v2.driving import Driver
from prune.sources.registry_v2.sockets import Sockets
from prune.sources.registry_v2.tls import Trust
from prune.sources.registry_v2.transfer import Answer, Request, Transfer

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
        self._driver = Driver(most)
        # Those that show our certificate, and those that do not; without one all are alike.
        self._resting: dict[bool, list[Transfer]] = {True: [], False: []}
        self._busy: set[Transfer] = set()

    async def ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None = None,
        *,
        ours: bool,
        limit: int,
        hashing: str = "",
    ) -> Answer:
        """Send one request and return its answer, whatever its status; see `Request` for the limits. With ``ours``
        the server may see our certificate, if there is one.

        Raises ``OSError`` (``TimeoutError`` and ``Broken`` among them) when there is none, ``Unreadable`` when it is
        too large or compressed, or when ``url`` is none. What only reads is sent again when a server ended its
        connection in the moment in which it was used again; anything else is sent once.
        """
        address = url if _USUAL.fullmatch(url) else _address(url)
        request = Request(method, address, headers, body, limit, hashing, self._seconds)
        reads = method in ("GET", "HEAD")
        shows = ours and bool(self._trust.certificate)
        resting = self._resting[shows]
        transfer = resting.pop() if reads and resting else self._transfer(shows=shows)
        self._busy.add(transfer)
        try:
            answer = await transfer.ask(self._driver, request)
            if reads and len(resting) < self._most:
                resting.append(transfer)
            return answer
        finally:
            self._busy.discard(transfer)
            if not resting or resting[-1] is not transfer:
                transfer.close()

    def _transfer(self, *, shows: bool) -> Transfer:
        return Transfer(self._trust, self._sockets, self._fixed, shows=shows)

    async def close(self) -> None:
        """End all connections."""
        self._driver.close()
        for transfer in (*self._resting[True], *self._resting[False], *self._busy):
            transfer.close()
        self._trust.close()


def _address(url: str) -> str:
    """Return an address in which libcurl sees the same host as we do, and what is asked for there as it stands."""
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
