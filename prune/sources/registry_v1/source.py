"""The source `registry-v1`."""

import msgspec

from prune.model.errors import SourceError, Unreadable
from prune.model.snapshot import Snapshot, SourceKind
from prune.sources.base import Capabilities, Report, silent
from prune.sources.registry_v1.abilities import abilities
from prune.sources.registry_v1.reading import NoSearch, Reader, full_name
from prune.sources.registry_v2.auth import challenges
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.source import Found, RegistryV2
from prune.sources.registry_v2.transfer import Answer

MAX_PING_BYTES = 1 << 20


class RegistryV1:
    """A V1 registry behind the address of ``connection``, which is used for its client: the same limits, retries and
    care for credentials hold. Limited to one repository when the address names one."""

    kind: SourceKind = "registry-v1"
    capabilities = Capabilities(
        lists_untagged=False,
        lists_blobs=False,
        deletes_tags=True,
        deletes_manifests=False,
        sweeps=False,
        has_trash=True,
        knows_push_times=False,
        needs_control=False,
    )

    def __init__(self, connection: RegistryV2) -> None:
        self.connection = connection
        self.name = connection.name

    def scan(
        self,
        report: Report = silent,
        *,
        known: Snapshot | None = None,
        configs: bool = True,
        repositories: list[str] | None = None,
    ) -> Snapshot:
        """See ``Source``. ``repositories`` limits the scan to these."""

        async def work(client: Client) -> Snapshot:
            await ping(client)
            reader = Reader(client, known.images if known is not None else {}, report)
            names = repositories if repositories is not None else await self._names(reader)
            found = await reader.repositories(names)
            return Snapshot(
                source=self.name,
                kind=self.kind,
                repositories=dict(sorted(found.items())),
                images=dict(sorted(reader.images.items())),
                problems=tuple(sorted(set(reader.problems))),
                partial=bool(self.connection.within or self.connection.chosen) or repositories is not None,
            )

        return self.connection.run(work)

    async def _names(self, reader: Reader) -> list[str]:
        """Return which repositories to read: those named, those below a prefix that is named, or all."""
        chosen = self.connection.chosen
        named = [full_name(name) for name in (self.connection.within, *chosen) if name and not name.endswith("/")]
        prefixes = tuple(name for name in chosen if name.endswith("/"))
        if named and not prefixes:
            return named
        found = await reader.search()
        return [*named, *(name for name in found if not prefixes or name.startswith(prefixes))]

    def read_blob(self, digest: str, limit: int) -> bytes:
        """Return the layer of the image with that id; see ``Source``."""

        async def work(client: Client) -> bytes:
            answer = await client.send("GET", f"/v1/images/{digest}/layer", limit=limit)
            if answer.status != 200:
                raise Unreadable(f"was answered with status {answer.status}")
            return answer.body

        return self.connection.run(work)

    def test(self) -> Found:
        """Connect; raise ``SourceError`` with what is wrong."""

        async def work(client: Client) -> Found:
            answer = await ping(client)
            chosen = (self.connection.within, *self.connection.chosen)
            names = [full_name(name) for name in chosen if name and not name.endswith("/")]
            try:
                names += await Reader(client, {}, silent).search()
                listed = True
            except NoSearch:
                listed = False
            version = answer.headers.get("x-docker-registry-version", "")[:20]
            server = f"docker-registry {version}" if version else answer.headers.get("server", "")[:60]
            can = await abilities(client, next(iter(names), ""), listed=listed)
            return Found(server, listed, bool(self.connection.credentials), can)

        return self.connection.run(work)


async def ping(client: Client) -> Answer:
    """Ask for a sign of life; raise ``SourceError`` when there is no V1 registry."""
    try:
        answer = await client.send("GET", "/v1/_ping", limit=MAX_PING_BYTES)
    except SourceError:
        raise
    except Unreadable as error:
        raise SourceError(f"{client.base} is no registry: its answer {error}.") from None
    if not _is_sign_of_life(answer):
        raise SourceError(f"{client.base} is no V1 registry: /v1/_ping was answered with status {answer.status}.")
    return answer


async def speaks_v1_only(client: Client) -> bool:
    """Tell whether a V1 registry answers here and none of the second version.

    A V2 registry costs one request and no token: its own 401 tells. Only one behind somebody else's password is asked
    again, as the one we are."""
    answer = await client.send("GET", "/v2/", limit=MAX_PING_BYTES, retry=False, bare=True)
    if answer.status == 401 and not _is_v2(answer):
        answer = await client.send("GET", "/v2/", limit=MAX_PING_BYTES, retry=False)
    if answer.status != 404:
        return False
    return _is_sign_of_life(await client.send("GET", "/v1/_ping", limit=MAX_PING_BYTES, retry=False))


def _is_v2(answer: Answer) -> bool:
    """OCI distribution spec 1.1, "Legacy Docker support HTTP headers"; tokens came with the second version too."""
    offered = challenges(answer.headers.get("www-authenticate", ""))
    return "docker-distribution-api-version" in answer.headers or any(one.scheme == "bearer" for one in offered)


def _is_sign_of_life(answer: Answer) -> bool:
    """docker-registry answers with JSON: ``true``, or what it runs on."""
    try:
        said = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    versioned = "x-docker-registry-version" in answer.headers
    return answer.status == 200 and (versioned or said is True or isinstance(said, dict))
