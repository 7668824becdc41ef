"""The sockets that libcurl uses: only towards addresses where a registry may be, and nothing unread in them.

What lies in a connection before a request is sent answers another one. libcurl looks for it too, but not within a
second after it looked last.
"""

import contextlib
import select
import socket
from collections.abc import Collection, Iterable
from typing import Any

from prune.sources.registry_v2 import addresses

#: Connections whose own end is remembered; one that is not is taken for spoilt.
MOST_REMEMBERED = 1024

type Ends = tuple[str, int, str, int]
"""Address and port of our side of a connection, and of the other: two connections may have one of them in common."""


class Sockets:
    """``allowed`` are addresses that are otherwise refused."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._looks: dict[Ends, select.poll] = {}

    def open(self, end: Any) -> int:
        """Return a new socket for an address to connect to (`pycurl.CurlSockAddr`). Raises ``Forbidden`` where no
        registry is, ``OSError`` when there is no socket left."""
        # The address that is really connected to is checked, whatever its name was.
        addresses.check_address(str(end.addr[0]), self._allowed)
        return socket.socket(end.family, end.socktype, end.protocol).detach()

    def remember(self, opened: Iterable[int], ends: Ends) -> None:
        """Note that of the sockets just ``opened`` the one with these ``ends`` is connected."""
        for number in opened:
            with contextlib.suppress(OSError):  # it lost against another address and is closed
                if _ends(number) == (_plain(ends[0]), ends[1], _plain(ends[2]), ends[3]):
                    look = select.poll()
                    look.register(number, select.POLLIN)
                    self._looks.pop(ends, None)
                    self._looks[ends] = look
        if len(self._looks) > MOST_REMEMBERED:
            del self._looks[next(iter(self._looks))]

    def is_quiet(self, ends: Ends) -> bool:
        """Tell whether nothing came over the connection since it was used last."""
        look = self._looks.get(ends)
        return look is not None and not look.poll(0)


def _ends(number: int) -> Ends:
    found = socket.socket(fileno=number)
    try:
        here, there = found.getsockname(), found.getpeername()
        return _plain(here[0]), here[1], _plain(there[0]), there[1]
    finally:
        found.detach()


def _plain(address: str) -> str:
    """Return an address without the interface to which it belongs."""
    return address.partition("%")[0]
