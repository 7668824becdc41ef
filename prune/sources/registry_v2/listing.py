"""What a registry lists: its repositories, and the tags of one. Pages are followed by ``Link`` only."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from prune.model.errors import SourceError, Unreadable
from prune.model.reference import is_repository_name
from prune.sources.base import Progress, Report
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.transfer import Answer
from prune.sources.storage_v2.findings import Findings

PAGE = 1000
#: A listing that is longer than this has no end: pages, names, bytes, and pages in a row that say nothing new.
MOST_PAGES = 20_000
MOST_NAMES = 2_000_000
MOST_BYTES = 512 << 20
MOST_STALE_PAGES = 100
#: Problems of one repository beyond this many are counted, not told.
MOST_TOLD = 100

#: Characters of a ``Link`` header.
MOST_LINK = 8192

_ADDRESS = re.compile(r"<[^>]*>")
_NEXT = re.compile(r"<([^>]*)>\s*(?:;[^,<]*)?;\s*rel=\"?next\"?(?=[\s;,]|$)", re.IGNORECASE)


NAME_THEM = "name them: https://HOST/NAME for one, --repositories for several."


class NoCatalog(SourceError):
    """The registry does not list its repositories."""


class Listing:
    """Reads lists of names; what is odd about the catalog becomes a finding."""

    def __init__(self, client: Client, findings: Findings, report: Report) -> None:
        self._client = client
        self._findings = findings
        self._report = report

    async def catalog(self) -> list[str]:
        """Return the names of all repositories; raises ``NoCatalog`` when the registry does not say."""
        names: dict[str, None] = {}
        odd = 0
        path = f"/v2/_catalog?n={PAGE}"
        try:
            async for page in self._pages(path, "registry:catalog:*", "repositories"):
                for name in page:
                    if is_repository_name(name):
                        names[name] = None
                        continue
                    odd += 1
                    if odd <= MOST_TOLD:
                        what = f"names {name[:80]!r}, which is no repository name"
                        self._findings.block_store("the catalog", what)
                self._report(Progress("reading the catalog", len(names)))
        except Unreadable as error:
            self._findings.block_store("the catalog", str(error))
        except Denied as error:
            raise NoCatalog(f"The registry does not list its repositories ({error}); {NAME_THEM}") from None
        return list(names)

    async def some(self) -> list[str]:
        """Return the names of some repositories; raises ``NoCatalog`` when the registry does not say."""
        try:
            async with aclosing(self._pages("/v2/_catalog?n=10", "registry:catalog:*", "repositories")) as pages:
                async for page in pages:
                    return [name for name in page if is_repository_name(name)]
        except Unreadable as error:
            raise SourceError(f"The registry's catalog {error}.") from None
        except Denied as error:
            raise NoCatalog(f"The registry does not list its repositories ({error}); {NAME_THEM}") from None
        return []

    async def left_out(self, listed: Collection[str], known: Iterable[str]) -> list[str]:
        """Return which of the repositories that were ``known`` are there although the catalog does not list them:
        some servers leave names out (distribution#4891), and being absent from a list is no reason to forget one."""
        if any(problem.blocks == "store" for problem in self._findings.problems):
            return []  # the list itself could not be read
        suspects = sorted(set(known) - set(listed))

        async def there(name: str) -> bool:
            try:
                return bool(await self.tags(name))
            except (Unreadable, Denied):
                return True  # what is wrong with it is found out when it is read

        found = await each(there, suspects, self._client.options.concurrency)
        missed = [name for name, here in zip(suspects, found, strict=True) if here]
        for name in missed:
            self._findings.note("the catalog", f"leaves out {name}, which is there all the same", repository=name)
        return missed

    async def tags(self, name: str) -> list[str]:
        """Return the tags of a repository. Raises ``Unreadable`` when the listing is odd."""
        found: dict[str, None] = {}
        async for page in self._pages(f"/v2/{name}/tags/list?n={PAGE}", f"repository:{name}:pull", "tags"):
            found.update(dict.fromkeys(page))
        return list(found)

    async def _pages(self, path: str, scope: str, key: str) -> AsyncGenerator[list[str]]:
        """Yield pages by ``Link`` only; a cursor that comes again, or pages without end, raise ``Unreadable``."""
        cursors: set[str] = set()
        seen: set[str] = set()
        size = stale = 0
        for _ in range(MOST_PAGES):
            answer = await self._client.send("GET", path, scope=scope)
            if answer.status == 400 and f"?n={PAGE}" in path and not cursors:
                path = path.replace(f"?n={PAGE}", "?n=100")  # some allow fewer at a time
                answer = await self._client.send("GET", path, scope=scope)
            if answer.status == 404 and key == "tags" and b'"errors"' in answer.body:
                yield []  # a repository of which everything was deleted
                return
            if answer.status in (404, 405) and key == "repositories":
                raise NoCatalog(f"The registry does not list its repositories; {NAME_THEM}")
            if answer.status != 200:
                raise Unreadable(f"was answered with status {answer.status}")
            page = _strings(answer.body, key)
            before = len(seen)
            seen.update(page)
            size += len(answer.body)
            stale = 0 if len(seen) > before else stale + 1
            if len(seen) > MOST_NAMES or size > MOST_BYTES or stale > MOST_STALE_PAGES:
                raise Unreadable("goes on without end")
            yield page
            following = next_page(answer)
            if following is None:
                return
            path = self._client.own(following)
            if path in cursors:
                raise Unreadable("repeats itself without end")
            cursors.add(path)
        raise Unreadable(f"has more than {MOST_PAGES} pages")


def next_page(answer: Answer) -> str | None:
    """Return where a list goes on, as its ``Link`` header says (RFC 8288); ``None`` at its end.

    Raises ``Unreadable`` when it goes on in a way that is not understood: a part is never taken for the whole.
    """
    link = answer.headers.get("link", "")
    if len(link) > MOST_LINK:
        raise Unreadable("goes on at an address that is too long")
    found = _NEXT.search(link)
    if found is not None:
        return found.group(1)
    if "next" in _ADDRESS.sub("", link).lower():
        raise Unreadable("goes on in a way that cannot be understood")
    return None


async def each[S, T](do: Callable[[S], Awaitable[T]], things: Sequence[S], at_once: int) -> list[T]:
    """Do something with each of ``things``, a number of them at a time: a million tags are no million tasks."""
    found: dict[int, T] = {}
    queue = iter(enumerate(things))

    async def work() -> None:
        for number, thing in queue:
            found[number] = await do(thing)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(things))):
            group.create_task(work())
    return [found[number] for number in range(len(things))]


def _strings(body: bytes, key: str) -> list[str]:
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("is not JSON; is there really a registry behind this address?") from None
    if key not in answer:
        raise Unreadable(f"has no {key}")
    listed = answer[key] or []
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise Unreadable(f"has {key} that are no list of names")
    return listed
