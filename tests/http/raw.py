"""A server that answers with bytes as they stand, whatever they are."""

import contextlib
import socket
import threading

from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source


class Raw:
    """Answers each request with bytes, as they stand. ``answer`` gets the request and the number of its connection;
    ``None`` closes the connection, an iterator gives pieces."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.requests: list[tuple[int, str]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> "Raw":
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(made)
            thread = threading.Thread(target=self._serve, args=(made, len(self._open)))
            self._threads.append(thread)
            thread.start()

    def _serve(self, made: socket.socket, number: int) -> None:
        waiting = b""
        try:
            made = self.secured(made)
            while piece := made.recv(65536):
                waiting += piece
                while b"\r\n\r\n" in waiting:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    request = head.decode()
                    self.requests.append((number, request))
                    answer = self.answer(request, number)
                    if answer is None:
                        made.shutdown(socket.SHUT_RDWR)
                        return
                    for part in [answer] if isinstance(answer, bytes) else answer:
                        made.sendall(part)
        except OSError:
            return

    def is_left(self) -> bool:
        """Wait until nobody is connected any more, and tell whether that was so in time."""
        for thread in self._threads[1:]:
            thread.join(30)
        return not any(thread.is_alive() for thread in self._threads[1:])

    def secured(self, made: socket.socket) -> socket.socket:
        return made


def ok(body: bytes = b"{}", *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def ask(server: Raw, *requests: tuple[str, str], timeout: float = 30.0, **options):
    """Send requests one after another over one client; return the answers."""

    async def work(client):
        return [await client.send(method, path, **options) for method, path in requests]

    return open_source(server.url, kind="registry-v2", timeout=timeout, access=Access(Credentials())).run(work)


ONE, TWO = ("GET", "/v2/one"), ("GET", "/v2/two")
