"""A V1 registry over a V1 store: what docker-registry 0.9 answers when it runs alone (`standalone`), its faults
included. It writes the store as that does: plain files, no image is ever deleted."""

import json
import shutil
from pathlib import Path

from aiohttp import web

from tests.http.misbehaving import Misbehaving

VERSION = {"X-Docker-Registry-Version": "0.9.1", "X-Docker-Registry-Config": "dev"}


class Missing(Exception):
    """A file that is not there."""


class RegistryV1Server(Misbehaving):
    """Serves the store at ``root``. Without ``indexed`` there is no search, as with the default configuration."""

    def __init__(self, root: Path, *, indexed: bool = True) -> None:
        super().__init__()
        self.root = root
        self.indexed = indexed

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        if self.hook is not None:
            answer = self.hook(request)
            if answer is not None:
                return answer
        try:
            return self._route(request, await request.read())
        except Missing as error:
            return said({"error": str(error)}, 404)

    def _route(self, request: web.Request, body: bytes) -> web.Response:
        segments = request.path.strip("/").split("/")
        match segments:
            case ["v1", "_ping"]:
                return said(True, headers={"X-Docker-Registry-Standalone": "True"})
            case ["v1", "search"]:
                return self._search(request.query.get("q", ""))
            case ["v1", "images", id_, what]:
                return self._image(id_, what)
            case ["v1", "repositories", *name, "images"]:
                return self._images(self._repository(name), request.method, body)
            case ["v1", "repositories", *name, "tags"]:
                folder = self._repository(name)
                return self._delete(folder) if request.method == "DELETE" else self._tags(folder)
            case ["v1", "repositories", *name, "tags", tag]:
                return self._tag(self._repository(name), tag, request.method, body)
            case ["v1", "repositories", *name] if request.method == "DELETE":
                return self._delete(self._repository(name))
        return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html", headers=VERSION)

    def _repository(self, name: list[str]) -> Path:
        return self.root / "repositories" / "/".join(name if len(name) > 1 else ["library", *name])

    def _search(self, term: str) -> web.Response:
        names = sorted(f"{path.parent.name}/{path.name}" for path in self.root.glob("repositories/*/*"))
        results = [{"name": name, "description": ""} for name in names if self.indexed and term in name]
        return said({"query": term, "num_results": len(results), "results": results})

    def _image(self, id_: str, what: str) -> web.Response:
        folder = self.root / "images" / id_
        if (folder / "_inprogress").exists():
            return said({"error": "Image is being uploaded, retry later"}, 400)
        body = read(folder / what, "Image not found")
        headers = {"Cache-Control": "public, max-age=31536000"}
        if what == "json" and (folder / "layer").exists():
            headers["X-Docker-Size"] = str((folder / "layer").stat().st_size)
        return web.Response(body=body, content_type="application/json", headers={**VERSION, **headers})

    def _images(self, folder: Path, method: str, body: bytes) -> web.Response:
        path = folder / "_index_images"
        if method == "PUT":
            listed = json.loads(body) + (json.loads(path.read_bytes()) if path.exists() else [])
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(list({entry["id"]: entry for entry in reversed(listed)}.values())))
            return said("", 204)
        return web.Response(body=read(path, "images not found"), content_type="application/json", headers=VERSION)

    def _tags(self, folder: Path) -> web.Response:
        if not folder.is_dir():
            raise Missing("Repository not found")
        return said({path.name[4:]: path.read_text() for path in sorted(folder.glob("tag_*"))})

    def _tag(self, folder: Path, tag: str, method: str, body: bytes) -> web.Response:
        path = folder / f"tag_{tag}"
        if method == "DELETE":
            self._delete_tag(folder, tag)
            return said(True)
        if method == "PUT":
            id_ = json.loads(body)
            if not (self.root / "images" / id_ / "json").exists():
                raise Missing("Image not found")
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(id_)
            (folder / f"tag{tag}_json").write_text('{"last_update": 1}')
            if tag == "latest":
                (folder / "json").write_text('{"last_update": 1}')
            return said(True)
        return said(read(path, "Tag not found").decode())

    def _delete_tag(self, folder: Path, tag: str) -> None:
        """First the tag, then its notes: without one of those it answers 404, and the tag is gone."""
        for name in (f"tag_{tag}", f"tag{tag}_json", *(["json"] if tag == "latest" else [])):
            try:
                (folder / name).unlink()
            except FileNotFoundError:
                raise Missing(f"Tag not found: {tag}") from None

    def _delete(self, folder: Path) -> web.Response:
        if not folder.is_dir():
            raise Missing("Repository not found")
        for path in list(folder.glob("tag_*")):
            self._delete_tag(folder, path.name[4:])
        shutil.rmtree(folder)
        return said(True)


def read(path: Path, missing: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Missing(missing) from None


def said(value, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers={**VERSION, **(headers or {})})
