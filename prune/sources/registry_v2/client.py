"""Requests to one registry: bounded in number, time and size, with retries, and never to another host."""

import asyncio
import random
import ssl
import time
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

import aiohttp
import msgspec

from prune.model.errors import SourceError, Unreadable
from prune.sources.credentials import Credentials
from prune.sources.registry_v2.auth import DEFAULT_SECONDS, Challenge, Tokens, challenges, check_realm

#: Requests at a time; halved when the registry says that it is too much, and slowly raised again.
CONCURRENCY = 16
ATTEMPTS = 5
#: So many requests in a row without an answer, each tried several times: the registry is gone.
MOST_FAILURES = 10
#: Seconds: no answer makes us wait longer than this before we try again.
LONGEST_WAIT = 60
MAX_TOKEN_BYTES = 1 << 20
MAX_LIST_BYTES = 32 << 20

RETRIED = frozenset({429, 502, 503, 504})


class Denied(SourceError):
    """The registry knows who we are, or does not, and in either case says no."""


class Unreachable(SourceError, Unreadable):
    """There was no answer to this request; others may have one."""


class Answer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str
    attempts: int = 1
    """After more than one, what a request asked for may have been done although an answer was lost."""


class Options(msgspec.Struct, frozen=True):
    """How to reach a registry. ``timeout`` in seconds for a whole request."""

    timeout: float = 30.0
    concurrency: int = CONCURRENCY
    token_realm: str = ""
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    insecure_hosts: tuple[str, ...] = ()


class Gate:
    """Lets a number of requests through at a time; the number follows what the registry can bear."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = float(most)
        self._inside = 0
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < max(1, int(self.now)))
            self._inside += 1

    async def __aexit__(self, *exception: object) -> None:
        async with self._changed:
            self._inside -= 1
            self._changed.notify()

    def too_much(self) -> None:
        """Halve."""
        self.now = max(1.0, self.now / 2)

    def fine(self) -> None:
        """Raise a little: by one for each round of requests."""
        self.now = min(float(self.most), self.now + 1 / max(self.now, 1.0))


class Client:
    """One registry at ``base`` (scheme and host). Use as ``async with``."""

    def __init__(self, base: str, credentials: Credentials, options: Options) -> None:
        self.base = base.rstrip("/")
        self._credentials = credentials
        self._options = options
        self._tokens = Tokens()
        self._asking: dict[str, asyncio.Lock] = {}
        self._basic = False
        self._bearer: Challenge | None = None
        self.requests = 0
        self.referrers_api: bool | None = None
        """Whether the registry lists referrers (OCI 1.1); ``None`` until it was tried."""
        self._failures = 0

    async def __aenter__(self) -> Self:
        self._gate = Gate(self._options.concurrency)
        timeout = aiohttp.ClientTimeout(total=self._options.timeout)
        connector = aiohttp.TCPConnector(limit=self._options.concurrency, ssl=self._tls())
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            connector=connector,
            # Nothing is decompressed: a small answer cannot become a large one.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "registryui-prune"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def _tls(self) -> ssl.SSLContext | bool:
        if not self.base.startswith("https:"):
            return True
        try:
            context = ssl.create_default_context()
            if self._options.ca_file:
                context.load_verify_locations(self._options.ca_file)
            if self._options.client_certificate:
                context.load_cert_chain(self._options.client_certificate, self._options.client_key or None)
        except (OSError, ssl.SSLError):
            raise SourceError("The CA file or the client certificate cannot be read.") from None
        return context

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
    ) -> Answer:
        """Send one request and return its answer, whatever its status, 401 and 403 excepted.

        A ``bare`` one does not say who we are, and is answered with 401 and 403 as well.

        ``path`` may be an address on the registry itself. Raises ``Denied`` for 401 and 403, ``Unreadable`` for an
        answer that is too large or cut off, ``SourceError`` when the registry cannot be reached.
        """
        url = self.own(path)
        again = method in ("GET", "HEAD") if retry is None else retry
        refreshed = False
        attempt = 0
        while True:
            attempt += 1
            try:
                authorization = "" if bare else await self._authorization(scope)
                async with self._gate:
                    answer = await self._once(method, url, authorization, headers or {}, body, limit)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if not again or attempt >= ATTEMPTS:
                    self._failures += 1
                    said = self._unreachable(error)
                    if self._failures >= MOST_FAILURES:
                        raise SourceError(f"The registry went away: {said}") from None
                    raise said from None
                await asyncio.sleep(random.uniform(0.5, 1) * min(0.2 * 2**attempt, 5))  # noqa: S311  # jitter
                continue
            if answer.status == 401 and not refreshed and not bare:
                refreshed = True
                await self._prepare(answer, scope, authorization.removeprefix("Bearer "))
                continue
            if answer.status in (401, 403) and not bare:
                raise Denied(self._denied(answer.status, method, url))
            if answer.status in RETRIED and attempt < ATTEMPTS:
                self._gate.too_much()
                await asyncio.sleep(_wait(answer.headers.get("retry-after", ""), attempt))
                continue
            self._gate.fine()
            self._failures = 0
            return msgspec.structs.replace(answer, attempts=attempt) if attempt > 1 else answer

    async def _once(
        self, method: str, url: str, authorization: str, headers: dict[str, str], body: bytes | None, limit: int
    ) -> Answer:
        self.requests += 1
        if authorization:
            headers = {**headers, "Authorization": authorization}
        async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Unreadable("came compressed although that was not asked for")
            content = await _read(response, limit) if method != "HEAD" else b""
            given = {name.lower(): value for name, value in response.headers.items()}
            if "next" in response.links:
                given["next"] = str(response.links["next"]["url"])
            return Answer(response.status, given, content, url)

    def own(self, path: str) -> str:
        """Return ``path`` as an address of this registry; raise ``Unreadable`` when it leads to another host."""
        url = urljoin(self.base + "/", path)
        here, there = urlsplit(self.base), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise Unreadable(f"leads to another host ({there.netloc[:100]}), where nothing is fetched from")
        return url

    def _unreachable(self, error: Exception) -> Unreachable:
        host = urlsplit(self.base).netloc
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return Unreachable(
                f"{host} shows a certificate that is not trusted; give the file of its CA (PRUNE_CA_FILE)."
            )
        if isinstance(error, TimeoutError):
            return Unreachable(f"{host} did not answer within {self._options.timeout:g} seconds.")
        system = getattr(error, "os_error", None)
        why = getattr(system, "strerror", None) or "the connection broke off"
        return Unreachable(f"{host} cannot be reached: {why}.")

    def _denied(self, status: int, method: str, url: str) -> str:
        what = urlsplit(url).path
        if status == 401 and not self._credentials:
            return (
                f"The registry wants to know who asks for {what}; give credentials (PRUNE_USERNAME, PRUNE_PASSWORD)."
            )
        return f"The registry does not allow {method} {what} to these credentials ({status})."

    # ---- who we are ---------------------------------------------------------------------------------------

    async def _authorization(self, scope: str) -> str:
        if self._basic:
            return self._credentials.basic()
        if self._bearer is None:
            return ""
        scope = scope or self._bearer.scope
        async with self._asking.setdefault(scope, asyncio.Lock()):
            token = self._tokens.get(scope)
            if token is None:
                token = await self._fetch_token(self._bearer, scope)
        return f"Bearer {token}"

    async def _prepare(self, answer: Answer, scope: str, refused: str) -> None:
        """Learn from a 401 how to come in."""
        offered = list(challenges(answer.headers.get("www-authenticate", "")))
        bearer = next((one for one in offered if one.scheme == "bearer" and one.realm), None)
        if bearer is not None:
            check_realm(bearer.realm, self.base, self._options.token_realm)
            self._bearer = bearer
            self._tokens.drop(scope or bearer.scope, refused)
        elif any(one.scheme == "basic" for one in offered) and self._credentials.username and not self._basic:
            self._basic = True
        else:
            raise Denied(self._denied(401, "GET", answer.url))

    async def _fetch_token(self, challenge: Challenge, scope: str) -> str:
        """Ask the token server; credentials go there and nowhere else, and no redirect takes them further."""
        parameters = {key: value for key, value in (("service", challenge.service), ("scope", scope)) if value}
        identity = self._credentials.identity_token
        headers = {}
        if self._credentials.username:
            headers["Authorization"] = self._credentials.basic()
        try:
            if identity:
                form = {**parameters, "grant_type": "refresh_token", "refresh_token": identity, "client_id": "prune"}
                request = self._session.post(challenge.realm, data=form, allow_redirects=False)
            else:
                join = "&" if "?" in challenge.realm else "?"
                url = challenge.realm + (join + urlencode(parameters) if parameters else "")
                request = self._session.get(url, headers=headers, allow_redirects=False)
            async with request as response:
                body = await _read(response, MAX_TOKEN_BYTES)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SourceError(f"The registry's token server: {self._unreachable(error)}") from None
        if status != 200:
            raise Denied(f"The registry's token server refused these credentials ({status}).")
        try:
            answer: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise SourceError("The registry's token server gave an answer that is no token.") from None
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise SourceError("The registry's token server gave an answer that is no token.")
        seconds = answer.get("expires_in")
        self._tokens.keep(scope, token, float(seconds) if isinstance(seconds, int | float) else DEFAULT_SECONDS)
        return token


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.content_length is not None and response.content_length > limit:
        raise Unreadable(f"is larger than {limit} bytes")
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(1 << 16):
        size += len(chunk)
        if size > limit:
            raise Unreadable(f"is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _wait(header: str, attempt: int) -> float:
    """Return the seconds that ``Retry-After`` asks for (a number or a date), or a growing pause; never too long."""
    if header.isascii() and header.isdigit():
        return min(float(header[:6]), LONGEST_WAIT)
    try:
        return min(max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0), LONGEST_WAIT)
    except (ValueError, TypeError):
        return float(min(0.25 * 2**attempt, LONGEST_WAIT))


def quoted(text: str) -> str:
    """Return a tag or digest as one segment of a path."""
    return quote(text, safe=":")
