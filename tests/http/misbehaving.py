"""A small registry that does what it is told, and then what no registry should."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable

from aiohttp import web

from prune.model.manifest import DOCKER_MANIFEST, OCI_MANIFEST


class Misbehaving:
    """Serves ``repositories`` (name → tag → manifest bytes). ``hook`` may answer any request first.

    ``requests`` remembers method, path and Authorization of all that came.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.hook: Callable | None = None
        self.requests: list[tuple[str, str, str]] = []
        self.tag_delete = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def image(self, repo: str, tag: str) -> bytes:
        config = hashlib.sha256(f"{repo}:{tag}".encode()).hexdigest()
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": "application/x", "digest": f"sha256:{config}", "size": 5},
                "layers": [],
            }
        ).encode()
        self.repositories.setdefault(repo, {})[tag] = body
        return body

    # ---- the server ---------------------------------------------------------------------------------------

    def start(self) -> None:
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

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def stop(self) -> None:
        async def end() -> None:
            await self._runner.cleanup()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        if self.hook is not None:
            answer = self.hook(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer is not None:
                return answer
        return self._registry(request)

    def _registry(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/v2/":
            return web.json_response({})
        if path == "/v2/_catalog":
            return web.json_response({"repositories": sorted(self.repositories)})
        if path.endswith("/tags/list"):
            repo = path[len("/v2/") : -len("/tags/list")]
            if repo not in self.repositories:
                return web.json_response({"errors": []}, status=404)
            return web.json_response({"name": repo, "tags": sorted(self.repositories[repo]) or None})
        if "/manifests/" in path:
            return self._manifest(request, *path[len("/v2/") :].split("/manifests/"))
        return web.json_response({"errors": []}, status=404)

    def _manifest(self, request: web.Request, repo: str, reference: str) -> web.StreamResponse:
        tags = self.repositories.get(repo, {})
        digests = {"sha256:" + hashlib.sha256(body).hexdigest(): body for body in tags.values()}
        body = tags.get(reference) or digests.get(reference)
        if request.method == "DELETE":
            if reference in tags and self.tag_delete:
                del tags[reference]
                return web.Response(status=202)
            if reference in digests:
                for tag in [tag for tag, one in tags.items() if one == digests[reference]]:
                    del tags[tag]
                return web.Response(status=202)
            return web.json_response({}, status=400 if reference in tags else 404)
        if body is None or OCI_MANIFEST not in request.headers.get("Accept", ""):
            return web.json_response({"errors": []}, status=404)
        headers = {"Docker-Content-Digest": "sha256:" + hashlib.sha256(body).hexdigest()}
        return web.Response(body=body, content_type=DOCKER_MANIFEST, headers=headers)
