"""A proxy before a real Docker Engine that can answer in its place."""

from pathlib import Path

import aiohttp
from aiohttp import web

from tests.http.misbehaving import Misbehaving


class EngineProxy(Misbehaving):
    """Hands every request on to the engine behind ``socket``, unless ``hook`` answers it."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        self.socket = socket

    @property
    def source(self) -> str:
        return f"docker:tcp://127.0.0.1:{self.port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, ""))
        body = await request.read()
        if self.hook is not None:
            answer = self.hook(request)
            if answer is not None:
                return answer
        connector = aiohttp.UnixConnector(path=str(self.socket))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://engine{request.path_qs}"
            kind = {name: request.headers[name] for name in ("Content-Type",) if name in request.headers}
            async with session.request(request.method, url, data=body, headers=kind) as answer:
                content = await answer.read()
                headers = {
                    name: answer.headers[name] for name in ("Content-Type", "Api-Version") if name in answer.headers
                }
                return web.Response(status=answer.status, body=content, headers=headers)
