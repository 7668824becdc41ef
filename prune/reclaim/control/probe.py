"""Seeing from outside whether a registry takes pushes."""

import time
from collections.abc import Callable
from typing import Literal

from prune.model.digest import digest_of
from prune.model.errors import PruneError, Refused, UsageError
from prune.model.manifest import OCI_MANIFEST
from prune.reclaim.control.base import ControlLost, Former, Note, Uncontrolled
from prune.sources.credentials import Access
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client, in_any_case
from prune.sources.registry_v2.source import RegistryV2

#: A repository that is never made: the body is no manifest, and not what its digest says.
REPOSITORY = "registryui/probe"
BODY = b"This is no manifest."

Seen = Literal["read-only", "writable"]


def registry_at(url: str, access: Access | None, timeout: float = 10.0) -> RegistryV2:
    """Return the registry at an address, to look at it. Raises ``UsageError`` when it is no address of one."""
    from prune.sources.open import open_source

    if url.startswith(("http://", "https://")):
        source = open_source(url, timeout=timeout, access=access)
        if isinstance(source, RegistryV2) and not source.within:
            return source
    raise UsageError(f"{url!r} is not the address of a registry; write http(s)://HOST[:PORT].")


def see(registry: RegistryV2) -> Seen:
    """Try to push something that no registry can take, and tell by the refusal whether pushes are open.

    A registry that is read-only answers 405 before it looks at what comes; any other looks, and refuses with 400.
    Neither leaves anything behind. Raises ``SourceError`` for any other answer.
    """

    async def work(client: Client) -> Seen:
        path = f"/v2/{REPOSITORY}/manifests/{digest_of(BODY + b' Nor has it this digest.')}"
        scope = f"repository:{REPOSITORY}:pull,push"
        headers = {"Content-Type": OCI_MANIFEST}
        answer = await client.send(
            "PUT", path, scope=scope, headers=headers, body=BODY, retry=False, look=in_any_case
        )
        # A pull-through cache refuses pushes with 405 as well, in JSON, but writes what it is asked for.
        if answer.status == 405 and b"UNSUPPORTED" not in answer.body:
            return "read-only"
        if answer.status == 400:
            return "writable"
        raise Uncontrolled(f"{registry.name} answered a push with status {answer.status}, which says neither.")

    return registry.run(work)


def answers(registry: RegistryV2) -> bool:
    """Tell whether a registry is there at all, whoever it lets in."""

    async def work(client: Client) -> bool:
        return (await client.send("GET", "/v2/", limit=1 << 20, retry=False)).status == 200

    try:
        return registry.run(work)
    except Denied:
        return True
    except PruneError:
        return False


def within(seconds: float, done: Callable[[], bool]) -> bool:
    """Wait until ``done()`` is true; tell whether it was within ``seconds``."""
    over = time.monotonic() + seconds
    while not done():
        if time.monotonic() > over:
            return False
        time.sleep(0.1)
    return True


class Probe:
    """A registry that its operator made read-only already: seen, not believed."""

    kind = "probe"
    restarts = False
    changes = False

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.registry = registry_at(url, access)
        self.target = self.registry.name
        self.words = f"{self.registry.name} was seen to be read-only"

    def take(self, note: Note) -> Former:
        """See ``Control``. One that does not answer may be stopped, or only out of our reach: not believed."""
        try:
            seen = see(self.registry)
        except Refused:
            raise
        except PruneError as error:
            raise Uncontrolled(f"Whether the registry takes pushes cannot be seen: {error}") from None
        if seen != "read-only":
            raise Uncontrolled(
                f"{self.registry.name} takes pushes: make it read-only (REGISTRY_STORAGE_MAINTENANCE_READONLY="
                '{"enabled":true}) and start it again first.'
            )
        return {}

    def check(self, former: Former) -> None:
        """See ``Control``."""
        if see(self.registry) != "read-only":
            raise ControlLost(f"{self.registry.name} takes pushes again.")

    def give_back(self, former: Former) -> None:
        """Nothing was changed."""
