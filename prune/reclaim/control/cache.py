"""A registry's cache in Redis, which would go on to know blobs that are gone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import batched
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from prune.model.errors import SourceError, UsageError
from prune.reclaim.control.base import Control, Former, Note

log = logging.getLogger(__name__)

#: What distribution 2.x and 3.x keep in Redis: descriptors of blobs, and which repository has which. Whatever else
#: lies in the same database is somebody else's.
KEYS = ("blobs::*", "repository::*")
BATCH = 1000


class RedisCache:
    """The database at ``redis[s]://[USER@]HOST[:PORT][/NUMBER]``. Raises ``UsageError`` when ``url`` is no such
    address, or holds the password: that is given by itself."""

    def __init__(self, url: str, password: str = "", timeout: float = 10.0) -> None:
        try:
            parts = urlsplit(url)
            number = parts.path.strip("/") or "0"
            fine = parts.scheme in ("redis", "rediss") and parts.hostname and number.isdigit()
            port = parts.port or 6379
        except ValueError:
            fine = False
        if not fine:
            raise UsageError("That is no address of a Redis; write redis://HOST[:PORT][/NUMBER].")
        if parts.password:
            raise UsageError("Give the password of Redis by itself, not in its address.")
        self.name = f"{parts.hostname}:{port}/{number}"
        self._options: dict[str, Any] = {
            "host": parts.hostname,
            "port": port,
            "db": int(number),
            "username": parts.username or None,
            "password": password or None,
            "ssl": parts.scheme == "rediss",
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
        }

    def test(self) -> str:
        """Ask whether it is there; return a sentence, raise ``SourceError`` with what is wrong."""
        with self._connected() as redis:
            redis.ping()
        return f"Redis at {self.name} answers."

    def clear(self) -> int:
        """Forget what the registry keeps there; return how many keys it were. Raises ``SourceError``."""
        with self._connected() as redis:
            return sum(
                redis.unlink(*keys)
                for pattern in KEYS
                for keys in batched(redis.scan_iter(match=pattern, count=BATCH), BATCH)
            )

    @contextmanager
    def _connected(self) -> Iterator[Redis]:
        try:
            with Redis(**self._options) as redis:
                yield redis
        except (RedisError, OSError) as error:
            said = " ".join(str(error).split())
            raise SourceError(f"Redis at {self.name} could not be used ({said}).") from None


class Clearing:
    """A control that clears the registry's cache right before the registry comes back, by us or after a crash.

    ``problem`` is what went wrong with that, the last time: nothing that keeps a registry from coming back.
    """

    def __init__(self, control: Control, cache: RedisCache) -> None:
        self.control = control
        self.cache = cache
        self.kind, self.words, self.target = control.kind, control.words, control.target
        self.restarts, self.changes = control.restarts, control.changes
        self.problem = ""

    def take(self, note: Note) -> Former:
        """See ``Control``."""
        return self.control.take(note)

    def check(self, former: Former) -> None:
        """See ``Control``."""
        self.control.check(former)

    def give_back(self, former: Former) -> None:
        """See ``Control``."""
        self.problem = ""
        try:
            self.cache.clear()
        except SourceError as error:
            self.problem = f"{error} Clear the registry's cache by hand: it may believe in blobs that are gone."
            log.error("%s", self.problem)
        self.control.give_back(former)
