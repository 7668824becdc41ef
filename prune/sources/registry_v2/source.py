"""The source `registry-v2`."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec

from prune.model.digest import Digest, matches, parse_digest
from prune.model.errors import PruneError, SourceError, Unreadable, UsageError
from prune.model.reference import is_repository_name
from prune.model.snapshot import Repository, Snapshot, SourceKind
from prune.sources.base import Capabilities, Report, silent
from prune.sources.credentials import Credentials
from prune.sources.registry_v2.abilities import Ability, abilities, server_of
from prune.sources.registry_v2.client import Client, Options
from prune.sources.registry_v2.listing import NoCatalog
from prune.sources.registry_v2.reading import Reader
from prune.sources.registry_v2.transfer import Answer

#: Seconds that anything with a registry may take in all.
LONGEST = 12 * 3600


class Found(msgspec.Struct, frozen=True):
    """What a connection test saw."""

    server: str
    catalog: bool
    authenticated: bool
    abilities: tuple[Ability, ...] = ()


class RegistryV2:
    """A registry at ``base``; of it only repository ``within`` and those below, or ``chosen`` ones, if given."""

    kind: SourceKind = "registry-v2"
    capabilities = Capabilities(
        lists_untagged=False,
        lists_blobs=False,
        deletes_tags=True,
        deletes_manifests=True,
        sweeps=False,
        has_trash=True,
        knows_push_times=False,
        needs_control=False,
    )

    def __init__(
        self,
        base: str,
        within: str,
        credentials: Credentials,
        options: Options,
        state: str,
        chosen: Collection[str] = (),
    ) -> None:
        self.base = base
        self.within = within
        self.chosen = tuple(dict.fromkeys(chosen))
        """Repositories, and prefixes that end in a slash, that the operator named; empty for what is listed."""
        self.name = f"{base}/{within}" if within else base
        self.credentials = credentials
        self.options = options
        self.state = state
        """A local folder for journals and the bytes of deleted manifests."""

    def scan(
        self,
        report: Report = silent,
        *,
        known: Snapshot | None = None,
        configs: bool = True,
        repositories: Mapping[str, Collection[Digest]] | None = None,
        tags: Mapping[str, Collection[str]] | None = None,
    ) -> Snapshot:
        """See ``Source``. ``repositories`` limits the scan to these, with manifests to look for, tagged or not;
        ``tags`` are looked for whether they are listed or not, as are those in ``known``."""

        async def work(client: Client) -> Snapshot:
            await ping(client)
            reader = Reader(client, known, report, configs=configs)
            if known is not None:
                reader.there = {name: repository.revisions for name, repository in known.repositories.items()}
                reader.expected = {name: repository.tags for name, repository in known.repositories.items()}
            if tags is not None:
                reader.expected = tags
            reader.also = repositories or {}
            names = repositories if repositories is not None else await self._names(reader, known)
            partial = bool(self.within or self.chosen) or repositories is not None
            return self._snapshot(reader, await reader.repositories(names), partial=partial)

        return self.run(work)

    async def look(
        self,
        client: Client,
        name: str,
        also: Collection[Digest],
        known: Snapshot | None = None,
        *,
        but: Collection[str] | None = None,
    ) -> Snapshot:
        """Read one repository, as `scan` does, and the manifests ``also``, tagged or not. Content in ``known`` is not
        read again; with ``but`` only tags that are not in ``known``, and those in ``but``, are looked at."""
        reader = Reader(client, known, configs=False)
        reader.also = {name: also}
        if known is not None and name in known.repositories:
            reader.expected = {name: known.repositories[name].tags}
        if known is not None and but is not None and name in known.repositories:
            before = known.repositories[name]
            reader.there = {name: before.revisions}
            reader.standing = {name: {tag: digest for tag, digest in before.tags.items() if tag not in but}}
        return self._snapshot(reader, await reader.repositories([name]), partial=True)

    def _snapshot(self, reader: Reader, found: dict[str, Repository], *, partial: bool) -> Snapshot:
        return Snapshot(
            source=self.name,
            kind=self.kind,
            repositories={name: found[name] for name in sorted(found)},
            manifests={digest: reader.manifests[digest] for digest in sorted(reader.manifests)},
            configs={digest: reader.configs[digest] for digest in sorted(reader.configs)},
            problems=tuple(sorted(set(reader.findings.problems))),
            partial=partial,
        )

    async def _names(self, reader: Reader, known: Snapshot | None) -> list[str]:
        """Return the repositories to read: those that the operator chose, else those that the registry lists, with
        those that it listed before and now leaves out."""
        named = [name for name in self.chosen if not name.endswith("/")]
        prefixes = tuple(name for name in self.chosen if name.endswith("/"))
        if self.within:
            named, prefixes = [self.within], (f"{self.within}/",)
        if named and not prefixes:
            return named
        try:
            listed = await reader.listing.catalog()
        except NoCatalog:
            if not self.within:
                raise
            return named

        def wanted(name: str) -> bool:
            return not prefixes or name in named or name.startswith(prefixes)

        found = list(filter(wanted, listed))
        if known is not None:
            found += await reader.listing.left_out(listed, filter(wanted, known.repositories))
        # One that was asked for by name is looked at although it is not listed; but an address may mean a prefix.
        return found if self.within and found else [*found, *named]

    def read_blob(self, digest: str, limit: int) -> bytes:
        """Not by digest alone: over the API a blob belongs to a repository. Raises ``Unreadable``."""
        raise Unreadable("over the API a blob can be read with its repository only")

    def read_blob_of(self, repository: str, digest: str, limit: int) -> bytes:
        """See ``ByRepository``."""
        path = f"/v2/{repository}/blobs/{parse_digest(digest)}"

        async def work(client: Client) -> Answer:
            return await client.send("GET", path, scope=f"repository:{repository}:pull", limit=limit)

        answer = self.run(work)
        if answer.status != 200:
            raise Unreadable(f"was answered with status {answer.status}")
        if not matches(digest, answer.body):
            raise Unreadable("is not what its digest says")
        return answer.body

    def test(self) -> Found:
        """Connect; raise ``SourceError`` with what is wrong."""

        async def work(client: Client) -> Found:
            answer = await ping(client)
            named = [self.within, *(name for name in self.chosen if not name.endswith("/"))]
            try:
                # The first page is enough: it is only asked whether there is a catalog, and for a repository in it.
                named += await Reader(client, None, configs=False).listing.some()
                catalog = True
            except NoCatalog:
                catalog = False
            repository = next(filter(None, named), "")
            return Found(
                server_of(answer),
                catalog,
                bool(self.credentials),
                await abilities(client, repository, catalog=catalog),
            )

        return self.run(work)

    def run[T](self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do something with a client in an event loop of its own; in a thread of its own where one is running."""

        async def whole() -> T:
            try:
                async with asyncio.timeout(LONGEST), Client(self.base, self.credentials, self.options) as client:
                    return await work(client)
            except TimeoutError:
                hours = LONGEST // 3600
                raise SourceError(f"{self.base} was not done with within {hours} hours, and was given up.") from None

        try:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return asyncio.run(whole())
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(lambda: asyncio.run(whole())).result()
        except* PruneError as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None


async def ping(client: Client) -> Answer:
    """Ask the API root; raise ``SourceError`` when there is no registry."""
    try:
        answer = await client.send("GET", "/v2/", limit=1 << 20)
    except SourceError:
        raise
    except Unreadable as error:
        raise SourceError(f"{client.base} is no registry: its answer {error}.") from None
    if answer.status != 200:
        raise SourceError(f"{client.base} is no registry: /v2/ was answered with status {answer.status}.")
    kind = answer.headers.get("content-type", "")
    if "html" in kind:
        raise SourceError(f"{client.base} is no registry: /v2/ shows a web page.")
    return answer


def parse_address(text: str) -> tuple[str, str]:
    """Return the base (scheme and host) and the repository or prefix of ``http(s)://HOST[:PORT][/NAME]``.

    Raises ``UsageError`` for anything else; credentials in it too, since they would be seen by everybody.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(f"{text!r} is not an address of a registry.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{text!r} is not an address of a registry; write https://HOST[:PORT] or https://HOST/NAME.")
    if parts.username or parts.password:
        raise UsageError("Credentials do not belong into the address; set PRUNE_USERNAME and PRUNE_PASSWORD.")
    within = parts.path.strip("/")
    if within and not is_repository_name(within):
        raise UsageError(f"{within!r} is not a repository name.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else ""), within


def parse_repositories(text: str) -> tuple[str, ...]:
    """Return the repository names, and prefixes that end in a slash, in ``text``, which separates them by commas,
    spaces or lines. Raises ``UsageError`` for what is neither."""
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    for name in names:
        if not is_repository_name(name.removesuffix("/")):
            raise UsageError(f"{name[:80]!r} is not a repository name; write team/app, or team/ for all below it.")
    return names
