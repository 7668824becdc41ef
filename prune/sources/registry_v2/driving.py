"""Drives libcurl's transfers from asyncio: it says which sockets and how long to wait for, and is called in time.

`pycurl.AsyncCurlMulti` does the same for any use, with four rounds of the event loop and a timer for each request.
"""

import asyncio
import math
from time import monotonic

import pycurl


class Driver:
    """Transfers of one event loop, which must run; at most ``most`` connections rest at a time."""

    def __init__(self, most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[pycurl.Curl, asyncio.Future[None]] = {}
        self._watched: dict[int, int] = {}
        self._due = self._armed = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._note)

    async def perform(self, curl: pycurl.Curl) -> None:
        """Return when a transfer is done; raise ``pycurl.error`` when it failed. One that is given up is ended."""
        self._multi.add_handle(curl)
        done = self._waiting[curl] = self._loop.create_future()
        try:
            self._act(pycurl.SOCKET_TIMEOUT, 0)  # it begins now
            await done
        finally:
            if self._waiting.pop(curl, None) is not None:
                self._multi.remove_handle(curl)

    def close(self) -> None:
        """End everything; who still waits is cancelled."""
        for curl, done in self._waiting.items():
            self._multi.remove_handle(curl)
            done.cancel()
        self._waiting.clear()
        self._multi.close()
        for number in self._watched:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        if self._timer is not None:
            self._timer.cancel()

    # ---- what libcurl calls -------------------------------------------------------------------------------

    def _watch(self, what: int, number: int, _multi: pycurl.CurlMulti, _known: object) -> None:
        before, wanted = self._watched.get(number, 0), what & pycurl.POLL_INOUT  # none of POLL_NONE and POLL_REMOVE
        change, loop = before ^ wanted, self._loop
        if change & pycurl.POLL_IN:
            if wanted & pycurl.POLL_IN:
                loop.add_reader(number, self._act, number, pycurl.CSELECT_IN)
            else:
                loop.remove_reader(number)
        if change & pycurl.POLL_OUT:
            if wanted & pycurl.POLL_OUT:
                loop.add_writer(number, self._act, number, pycurl.CSELECT_OUT)
            else:
                loop.remove_writer(number)
        if wanted:
            self._watched[number] = wanted
        else:
            self._watched.pop(number, None)

    def _note(self, milliseconds: int) -> None:
        self._due = monotonic() + milliseconds / 1000 if milliseconds >= 0 else math.inf

    # ---- what the event loop calls ------------------------------------------------------------------------

    def _act(self, number: int, mask: int) -> None:
        """Let libcurl go on with a socket, or with what it waited for."""
        try:
            _, running = self._multi.socket_action(number, mask)
        except pycurl.error as error:
            for curl in list(self._waiting):
                self._end(curl, error)
            return
        if running != len(self._waiting):
            _, good, bad = self._multi.info_read()
            for curl in good:
                self._end(curl, None)
            for curl, code, text in bad:
                self._end(curl, pycurl.error(code, text))
        if self._due < self._armed:
            self._arm()

    def _end(self, curl: pycurl.Curl, error: pycurl.error | None) -> None:
        waiting = self._waiting.pop(curl, None)
        if waiting is None:
            return
        self._multi.remove_handle(curl)
        if waiting.done():
            return  # it is called off, and does not know it yet
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    def _arm(self) -> None:
        """See to it that libcurl is called when it wants. A timer that comes too early finds nothing to do, which is
        cheaper than another one for each request."""
        if self._timer is not None:
            self._timer.cancel()
        self._armed = self._due
        self._timer = self._loop.call_later(self._due - monotonic(), self._time)

    def _time(self) -> None:
        self._timer, self._armed = None, math.inf
        if self._due <= monotonic():
            self._act(pycurl.SOCKET_TIMEOUT, 0)
        elif self._due < math.inf:
            self._arm()
