"""A proxy in front of a real registry: remembers every request, and does something right before or after one."""

import asyncio
import threading
import time
from collections.abc import Callable

import aiohttp
from aiohttp import web

HOP_BY_HOP = ("transfer-encoding", "connection", "content-length", "host", "keep-alive", "date")


class Proxy:
    """Forwards to ``target`` (host and port). ``before`` and ``after`` are called with each request, in a thread of
    their own; when ``before`` says yes it is dropped."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[web.Request], object] | None = None
        self.after: Callable[[web.Request], object] | None = None
        self.inside = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Proxy":
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        def serve() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._start())
            ready.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        async def end() -> None:
            await self._session.close()
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        self.inside += 1
        try:
            return await self._forward(request)
        finally:
            self.inside -= 1

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.before is not None and await asyncio.to_thread(self.before, request):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"http://{self.target}{request.path_qs}"
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            content = await answer.read()
            given = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            if "Location" in given:
                given["Location"] = given["Location"].replace(self.target, f"127.0.0.1:{self.port}")
            if self.after is not None:
                await asyncio.to_thread(self.after, request)
            return web.Response(status=answer.status, headers=given, body=content)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        while self.inside:
            time.sleep(0.01)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [one for one in self.requests if one[0] not in ("GET", "HEAD")]
