"""How many requests may be under way at a time."""

import asyncio
from collections import deque


class Gate:
    """Lets a number of requests through at a time. The number follows what the registry can bear: it is halved when
    the registry says, or shows, that it is too much, and grows by one for each round of good answers."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = float(most)
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        while self._inside >= max(1, int(self.now)):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake()  # somebody else's turn then
                raise
        self._inside += 1

    async def __aexit__(self, *exception: object) -> None:
        self._inside -= 1
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        free = max(1, int(self.now)) - self._inside
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    def too_much(self) -> None:
        """Halve."""
        self.now = max(1.0, self.now / 2)

    def fine(self) -> None:
        """Raise a little: by one for each round of requests."""
        if self.now < self.most:
            self.now = min(float(self.most), self.now + 1 / self.now)
