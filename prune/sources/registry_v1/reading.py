"""Reading a V1 registry: search, tags, lists of images, ancestries (docker-registry 0.9, its "Registry API")."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from prune.graph.v1 import with_ancestors
from prune.model.errors import SourceError, Unreadable, UsageError
from prune.model.reference import Reference, is_tag_name
from prune.model.snapshot import Problem, Repository, V1Image
from prune.sources.base import Progress, Report
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client, quoted
from prune.sources.registry_v2.transfer import Answer
from prune.sources.storage_v1 import MAX_JSON_BYTES, created_in, is_image_id, parse_ancestry

_NOTHING_GOES = "nothing of this repository may be deleted"
_HARMLESS = "no effect on deletion"
#: Repositories that are read at the same time; the client bounds the requests themselves.
_AT_ONCE = 8


class NoSearch(SourceError):
    """The registry does not say which repositories it has."""


def full_name(name: str) -> str:
    """Return a repository's name with its namespace, as V1 registries file it: ``library/`` where there is none."""
    return name if "/" in name else f"library/{name}"


class Reader:
    """Reads one registry; what cannot be read becomes a problem. ``known`` are images of an earlier scan: what an id
    names never changes."""

    def __init__(self, client: Client, known: dict[str, V1Image], report: Report) -> None:
        self.client = client
        self.known = known
        self.report = report
        self.images: dict[str, V1Image] = {}
        self.problems: list[Problem] = []
        self._unreadable: dict[str, str] = {}
        self._asked: set[str] = set()

    async def search(self) -> list[str]:
        """Return the names of all repositories; raise ``NoSearch`` when the registry has no index of them."""
        try:
            answer = await self.client.send("GET", "/v1/search?q=")
            if answer.status != 200:
                raise Unreadable(f"was answered with status {answer.status}")
            found = _decode(answer, dict[str, Any])
            results = found.get("results")
            names = [full_name(str(one["name"])) for one in results or ()]
            if not isinstance(results, list) or found.get("num_results", len(names)) != len(names):
                raise Unreadable("does not show all that it found")
        except (Unreadable, Denied, KeyError, TypeError) as error:
            raise NoSearch(
                f"The registry does not list its repositories (its search {error}); name one: https://HOST/NAME."
            ) from None
        for name in list(names):
            if not _is_name(name):
                self._problem("the search", f"names {name[:80]!r}, which is no repository name", _HARMLESS)
                names.remove(name)
        if not names:
            what = "finds nothing; a registry that keeps no index of its repositories answers so too"
            self._problem("the search", what, "name a repository to see it: https://HOST/NAME")
        return list(dict.fromkeys(names))

    async def repositories(self, names: Iterable[str]) -> dict[str, Repository]:
        """Read repositories, several at a time, and every image that they know of."""
        wanted = sorted(set(names))
        found: dict[str, Repository] = {}
        queue = iter(wanted)

        async def work() -> None:
            for name in queue:
                found[name] = await self._repository(name)
                self.report(Progress("reading repositories", len(found), len(wanted)))

        async with asyncio.TaskGroup() as self._group:
            for _ in range(_AT_ONCE):
                self._group.create_task(work())
        return {name: self._judged(repository) for name, repository in found.items()}

    async def tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a repository with the ids of their images; ``None`` when there is no such repository.

        Raises ``Unreadable`` when any of it cannot be understood.
        """
        answer = await self.client.send("GET", f"/v1/repositories/{name}/tags")
        if is_not_there(answer):
            return None
        if answer.status != 200:
            raise Unreadable(f"was answered with status {answer.status}")
        tags = _decode(answer, dict[str, str])
        for tag, id_ in tags.items():
            if not is_tag_name(tag):
                raise Unreadable(f"names {tag[:80]!r}, which is no tag")
            if not is_image_id(id_.strip()):
                raise Unreadable(f"says that {tag} points at {id_[:80]!r}, which is no image id")
        return {tag: id_.strip() for tag, id_ in tags.items()}

    async def tag(self, name: str, tag: str) -> str | None:
        """Return the id of the image that a tag points at now; ``None`` when there is no such tag."""
        answer = await self.client.send("GET", f"/v1/repositories/{name}/tags/{quoted(tag)}")
        if is_not_there(answer):
            return None
        if answer.status != 200:
            raise Unreadable(f"{name}:{tag} was answered with status {answer.status}.")
        return _decode(answer, str).strip()

    async def listed(self, name: str) -> bytes:
        """Return the list of images that were pushed to a repository, as the registry keeps it; empty when it keeps
        none."""
        answer = await self.client.send("GET", f"/v1/repositories/{name}/images", limit=MAX_JSON_BYTES)
        return answer.body if answer.status == 200 else b""

    async def _repository(self, name: str) -> Repository:
        try:
            tags = await self.tags(name)
        except (Unreadable, Denied) as error:
            self._block(name, f"{name} (list of tags)", str(error))
            return Repository(name, complete=False)
        ids = dict.fromkeys((tags or {}).values())
        try:
            body = await self.listed(name)
            for entry in msgspec.json.decode(body, type=list[dict[str, Any]]) if body else ():
                if is_image_id(str(entry.get("id"))):
                    ids[str(entry["id"])] = None
        except (Unreadable, Denied, msgspec.DecodeError, RecursionError) as error:
            self._problem(f"{name} (list of images)", str(error), "images without a tag are not shown")
        self._want(ids)
        return Repository(name, tags=tags or {})

    def _want(self, ids: Iterable[str]) -> None:
        """See to it that images are read, each once whoever asks."""
        for id_ in ids:
            if id_ not in self._asked:
                self._asked.add(id_)
                self._group.create_task(self._read_image(id_))

    async def _read_image(self, id_: str) -> None:
        known = self.known.get(id_)
        if known is not None and known.ancestry is not None:
            self.images[id_] = known
            ancestry = known.ancestry
        else:
            try:
                answer = await self._ask(id_, "json")
                size = answer.headers.get("x-docker-size", "")
                created = created_in(answer.body)
                ancestry = parse_ancestry(id_, (await self._ask(id_, "ancestry")).body)
            except (Unreadable, Denied) as error:
                self._unreadable[id_] = str(error)
                self.images[id_] = V1Image(id_, None, 0)
                return
            if not size.isdigit():
                self._problem(f"image {id_[:12]}", "does not say how large it is", "its bytes count as 0")
            self.images[id_] = V1Image(id_, ancestry, int(size) if size.isdigit() else 0, created=created)
        self._want(ancestry)

    async def _ask(self, id_: str, what: str) -> Answer:
        answer = await self.client.send("GET", f"/v1/images/{quoted(id_)}/{what}", limit=MAX_JSON_BYTES)
        if answer.status == 400:
            raise Unreadable("is being uploaded")
        if answer.status != 200:
            raise Unreadable("is missing" if answer.status == 404 else f"was answered with status {answer.status}")
        return answer

    def _judged(self, repository: Repository) -> Repository:
        """Return the repository with the verdict whether all that its tags need could be read."""
        complete = repository.complete
        for tag, id_ in repository.tags.items():
            for one in sorted(with_ancestors((id_,), self.images)):
                if one in self._unreadable or one not in self.images:
                    why = self._unreadable.get(one, "is missing")
                    self._block(repository.name, f"{repository.name}:{tag}", f"needs image {one[:12]}, which {why}")
                    complete = False
                    break
        return msgspec.structs.replace(repository, complete=complete)

    def _problem(self, where: str, what: str, effect: str) -> None:
        self.problems.append(Problem(where, what, effect))

    def _block(self, repository: str, where: str, what: str) -> None:
        self.problems.append(Problem(where, what, _NOTHING_GOES, "repository", repository))


def is_not_there(answer: Answer) -> bool:
    """Tell whether the registry itself says that there is no such thing. Whatever else answers with 404 on the way, a
    proxy for one, says nothing about what the registry holds."""
    if answer.status != 404:
        return False
    try:
        return "error" in _decode(answer, dict[str, Any])
    except Unreadable:
        return False


def _decode[T](answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("is not what a V1 registry answers; is there really one behind this address?") from None


def _is_name(name: str) -> bool:
    try:
        return Reference.parse(name) == Reference(name)
    except UsageError:
        return False
