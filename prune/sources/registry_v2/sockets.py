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

type End = tuple[str, int]
"""Address and port of our side of a connection."""


class Sockets:
    """``allowed`` are addresses that are otherwise refused."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._looks: dict[End, select.poll] = {}

    def open(self, end: Any) -> int:
        """Return a new socket for an address to connect to (`pycurl.CurlSockAddr`). Raises ``Forbidden`` where no
        registry is, ``OSError`` when there is no socket left."""
        # The address that is really connected to is checked, whatever its name was.
        addresses.check_address(str(end.addr[0]), self._allowed)
        return socket.socket(end.family, end.socktype, end.protocol).detach()

    def remember(self, opened: Iterable[int], here: End) -> None:
        """Note that of the sockets just ``opened`` the one whose own end is ``here`` is connected."""
        for number in opened:
            with contextlib.suppress(OSError):  # it lost against another address and is closed
                if _own_end(number) == here:
                    look = select.poll()
                    look.register(number, select.POLLIN)
                    self._looks.pop(here, None)
                    self._looks[here] = look
        if len(self._looks) > MOST_REMEMBERED:
            del self._looks[next(iter(self._looks))]

    def is_quiet(self, here: End) -> bool:
        """Tell whether nothing came over the connection since it was used last."""
        look = self._looks.get(here)
        return look is not None and not look.poll(0)


def _own_end(number: int) -> End:
    found = socket.socket(fileno=number)
    try:
        name = found.getsockname()
        return str(name[0]).partition("%")[0], name[1]
    finally:
        found.detach()
