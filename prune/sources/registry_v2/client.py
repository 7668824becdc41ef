"""Requests to one registry: bounded in number, time and size, with retries, and never to another host uninvited."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from prune.model.errors import SourceError, Unreadable
from prune.sources.credentials import Credentials
from prune.sources.registry_v2 import addresses
from prune.sources.registry_v2.auth import Denied, Login
from prune.sources.registry_v2.connections import Connections
from prune.sources.registry_v2.gate import Gate
from prune.sources.registry_v2.notifications import OUR_AGENT
from prune.sources.registry_v2.tls import Trust
from prune.sources.registry_v2.transfer import Answer, Dropped, Untrusted

#: Requests at a time, unless the operator says otherwise.
CONCURRENCY = 16
ATTEMPTS = 5
#: A request that was not answered in its time, or whose secured connection was refused, is tried once more only.
SLOW_ATTEMPTS = 2
#: So many requests in a row without an answer, each tried several times: the registry may be gone.
MOST_FAILURES = 5
#: Seconds: no answer makes us wait longer than this before we try again.
LONGEST_WAIT = 60
MAX_TOKEN_BYTES = 1 << 20
MAX_LIST_BYTES = 32 << 20
MOST_REDIRECTS = 5

RETRIED = frozenset({429, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})


#: Looks whether a request that changes something may be sent once more.
type Look = Callable[[], Awaitable[bool]]


async def in_any_case() -> bool:
    """Look at nothing: for what does no harm when it is done twice, or late."""
    return True


class Unreachable(SourceError, Unreadable):
    """There was no answer to this request; others may have one."""


class Options(msgspec.Struct, frozen=True):
    """How to reach a registry. ``timeout`` in seconds for a whole request."""

    timeout: float = 30.0
    concurrency: int = CONCURRENCY
    token_realm: str = ""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts to which it may redirect, and addresses that are otherwise refused."""
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    agent: str = OUR_AGENT
    """What it is told that we are."""


class Client:
    """One registry at ``base`` (scheme and host). Use as ``async with``."""

    def __init__(self, base: str, credentials: Credentials, options: Options) -> None:
        self.base = base.rstrip("/")
        self._credentials = credentials
        self.options = options
        self._login = Login(self.base, credentials, options.token_realm, self._ask_for_token)
        self.referrers_api: bool | None = None
        """Whether the registry lists referrers (OCI 1.1); ``None`` until it was tried."""
        self._failures = 0

    async def __aenter__(self) -> Self:
        options = self.options
        self.gate = Gate(options.concurrency)
        secure = self.base.startswith("https:") or options.token_realm.startswith("https:")
        self._connections = Connections(
            options.timeout,
            options.concurrency,
            Trust(options.ca_file, options.client_certificate, options.client_key, self._credentials)
            if secure
            else Trust("", "", "", Credentials()),  # it may redirect to where there is TLS
            options.allowed_hosts,
            # Nothing is decompressed: a small answer cannot become a large one.
            {"Accept-Encoding": "identity", "User-Agent": options.agent},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    # ---- requests -----------------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MAX_LIST_BYTES,
        retry: bool | None = None,
        bare: bool = False,
        hashing: str = "",
        look: Look | None = None,
    ) -> Answer:
        """Send one request and return its answer, whatever its status, 401 and 403 excepted.

        A ``bare`` one does not say who we are, and is answered with 401 and 403 as well. ``path`` may be an address
        on the registry itself. What is read may be kept on another host that the operator allowed: the redirect is
        followed there, without credentials. With ``hashing`` (an algorithm) the body of a 200 is hashed and not kept,
        however large it is, and may take its time as long as it keeps coming.

        What changes something is sent again, after a pause that the registry asks for or with another token, only if
        ``look`` allows it, for what was seen before the first time may be true no more; and never after a pause
        without one. Otherwise the answer is returned as it came.

        Raises ``Denied`` for 401 and 403, ``Unreadable`` for an answer that is too large, cut off or elsewhere,
        ``SourceError`` when the registry cannot be reached.
        """
        url = self.own(path)
        reads = method in ("GET", "HEAD")
        again = reads if retry is None else retry
        refreshed = False
        attempt = 0
        while True:
            attempt += 1
            authorization = "" if bare else await self._login.authorization(scope)
            given = {**(headers or {}), "Authorization": authorization} if authorization else headers or {}
            try:
                async with self.gate:
                    answer = await self._connections.ask(
                        method, url, given, body, ours=True, limit=limit, hashing=hashing
                    )
            except OSError as error:
                self.gate.too_much()
                if not again or attempt >= _attempts(error):
                    await self._count_failure(self._unreachable(error))
                await asyncio.sleep(random.uniform(0.5, 1) * min(0.2 * 2**attempt, 5))  # noqa: S311  # jitter
                continue
            status = answer.status
            if status == 401 and not refreshed and not bare:
                refreshed = True
                if self._login.learn(answer.headers.get("www-authenticate", ""), scope, authorization):
                    attempt -= 1  # a 401 did nothing
                    if not reads:
                        await self._login.authorization(scope)
                    if look is None or await look():
                        continue
                    return answer
            if status in (401, 403) and not bare:
                raise Denied(self._denied(status, method, url))
            if status in RETRIED and attempt < ATTEMPTS and (reads or look is not None):
                self.gate.too_much()
                await asyncio.sleep(_wait(answer.headers.get("retry-after", ""), attempt))
                if look is None or await look():
                    continue
                return msgspec.structs.replace(answer, attempts=attempt)
            self.gate.fine()
            self._failures = 0
            if status in REDIRECTS and method in ("GET", "HEAD"):
                answer = await self._follow(method, answer, given, limit, hashing)
            return msgspec.structs.replace(answer, attempts=attempt) if attempt > 1 else answer

    async def get_ready(self, scope: str) -> None:
        """Fetch the token for a scope, if one is needed, before the look on which a request relies."""
        await self._login.authorization(scope)

    async def _follow(self, method: str, answer: Answer, headers: dict[str, str], limit: int, hashing: str) -> Answer:
        """Go where a registry keeps what was asked for: on its own host, or, without credentials, on another."""
        ours = True
        for _ in range(MOST_REDIRECTS):
            if answer.status not in REDIRECTS:
                return answer
            try:
                url = urljoin(answer.url, answer.headers.get("location", ""))
            except ValueError:
                raise Unreadable("names an address that is none") from None
            try:
                url, given = self.own(url), headers
            except Unreadable:
                url = addresses.elsewhere(self.base, url, self.options.allowed_hosts)
                given = {name: value for name, value in headers.items() if name != "Authorization"}
                headers, ours = given, False  # also when it leads back again
            try:
                async with self.gate:
                    answer = await self._connections.ask(method, url, given, ours=ours, limit=limit, hashing=hashing)
            except OSError as error:
                raise self._unreachable(error, urlsplit(url).netloc) from None
        raise Unreadable("is redirected again and again")

    def own(self, path: str) -> str:
        """Return ``path`` as an address of this registry; raise ``Unreadable`` when it leads to another host."""
        return self.base + path if path.startswith(("/v1/", "/v2/")) else addresses.own(self.base, path)

    async def _count_failure(self, said: Unreachable) -> None:
        """Raise ``said``, or that the registry is gone when it answers nothing at all any more."""
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            try:
                async with self.gate:
                    await self._connections.ask("GET", self.own("/v2/"), {}, ours=True, limit=MAX_LIST_BYTES)
            except OSError:
                raise SourceError(f"The registry went away: {said}") from None
            except Unreadable:
                pass  # an answer, though a bad one
            self._failures = 0
        raise said from None

    def _unreachable(self, error: Exception, host: str = "") -> Unreachable:
        host = host or urlsplit(self.base).netloc
        if isinstance(error, Untrusted):
            return Unreachable(
                f"{host} shows a certificate that is not trusted, or does not trust ours; give the file of its CA "
                "(PRUNE_CA_FILE), or a client certificate (PRUNE_CLIENT_CERTIFICATE)."
            )
        if isinstance(error, Dropped):
            return Unreachable(
                f"{host} ended the connection as soon as it was secured; it may want a client certificate "
                "(PRUNE_CLIENT_CERTIFICATE)."
            )
        if isinstance(error, TimeoutError):
            return Unreachable(f"{host} did not answer within {self.options.timeout:g} seconds.")
        why = getattr(error, "strerror", None) or "the connection broke off"
        return Unreachable(f"{host} cannot be reached: {why}.")

    def _denied(self, status: int, method: str, url: str) -> str:
        what = urlsplit(url).path
        if status == 401 and not self._credentials:
            return (
                f"The registry wants to know who asks for {what}; give credentials (PRUNE_USERNAME, PRUNE_PASSWORD)."
            )
        return f"The registry does not allow {method} {what} to these credentials ({status})."

    async def _ask_for_token(
        self, url: str, headers: dict[str, str], form: dict[str, str] | None
    ) -> tuple[int, bytes]:
        try:
            if form is None:
                reply = await self._connections.ask("GET", url, headers, ours=True, limit=MAX_TOKEN_BYTES)
            else:
                headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
                body = urlencode(form).encode()
                reply = await self._connections.ask("POST", url, headers, body, ours=True, limit=MAX_TOKEN_BYTES)
            return reply.status, reply.body
        except OSError as error:
            said = self._unreachable(error, urlsplit(url).netloc)
            raise SourceError(f"The registry's token server: {said}") from None


def _attempts(error: Exception) -> int:
    """Return how often a request is tried that came to nothing in this way."""
    if isinstance(error, TimeoutError | Dropped):
        return SLOW_ATTEMPTS
    return 1 if isinstance(error, Untrusted | addresses.Forbidden) else ATTEMPTS


def _wait(header: str, attempt: int) -> float:
    """Return the seconds that ``Retry-After`` asks for (a number or a date), or a growing pause; never too long."""
    if header.isascii() and header.isdigit():
        return min(float(header[:6]), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        return float(min(0.25 * 2**attempt, LONGEST_WAIT))


def quoted(text: str) -> str:
    """Return a tag or digest as one segment of a path."""
    return quote(text, safe=":")
