"""What a registry's 401 asks for: basic credentials, or tokens for a scope (distribution, "Token Authentication")."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from prune.model.errors import SourceError, Unreadable
from prune.sources.credentials import Credentials
from prune.sources.registry_v2.addresses import place, split

_PARAMETER = re.compile(r'([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Bearer)(?=\s|$)", re.IGNORECASE)
#: Tokens are dropped this many seconds before they end, so that none ends under way.
MARGIN = 15
DEFAULT_SECONDS = 60


class Denied(SourceError):
    """The registry knows who we are, or does not, and in either case says no."""


class Challenge(msgspec.Struct, frozen=True):
    """One way in that the registry offers."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def challenges(header: str) -> Iterator[Challenge]:
    """Yield what a ``WWW-Authenticate`` header offers (RFC 9110, 11.6.1); nothing that is not Basic or Bearer."""
    found = list(_SCHEME.finditer(header[:8192]))
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(header)
        given = {
            name.lower(): quoted.replace('\\"', '"') if quoted else plain
            for name, quoted, plain in _PARAMETER.findall(header[match.end() : end])
        }
        yield Challenge(
            match.group(1).lower(), given.get("realm", ""), given.get("service", ""), given.get("scope", "")
        )


def check_realm(realm: str, base: str, allowed: str) -> None:
    """Raise ``SourceError`` unless tokens may be asked for at ``realm``: on the registry's own host, or where the
    operator allowed it, over https. Whoever can make us ask elsewhere would get the password."""
    try:
        there, here = split(realm), split(base)
    except Unreadable:
        raise SourceError("The registry names a place for tokens that is no address.") from None
    if there.scheme not in ("http", "https") or not there.hostname or there.username is not None:
        raise SourceError("The registry names a place for tokens that is no address.")
    if place(there) == place(here):
        return
    if there.scheme == "https" and there.hostname == here.hostname:
        return
    if there.scheme == "https" and allowed and place(there) == place(split(allowed)):
        return
    raise SourceError(
        f"The registry sends us to {there.scheme}://{there.netloc} for tokens, which is another host; if you trust "
        f"it with your credentials, allow it (PRUNE_TOKEN_REALM=https://{there.netloc})."
    )


class Tokens:
    """Tokens by scope, until shortly before they end."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, float]] = {}

    def get(self, scope: str) -> str | None:
        """Return a token that is still good for ``scope``."""
        token, ends = self._tokens.get(scope, ("", 0.0))
        return token if token and time.monotonic() < ends else None

    def keep(self, scope: str, token: str, seconds: float) -> None:
        """Remember a token."""
        self._tokens[scope] = (token, time.monotonic() + max(seconds - MARGIN, 1))

    def drop(self, scope: str, refused: str) -> None:
        """Forget a token that was refused, unless somebody has fetched another in the meantime."""
        if self._tokens.get(scope, ("", 0.0))[0] == refused:
            self._tokens.pop(scope, None)


#: Asks a token server: an address, headers, and a form to post, if any; returns status and body.
type Ask = Callable[[str, dict[str, str], dict[str, str] | None], Awaitable[tuple[int, bytes]]]


class Login:
    """Who we are to one registry: what it asks for is learned from its first 401."""

    def __init__(self, base: str, credentials: Credentials, allowed_realm: str, ask: Ask) -> None:
        self._base = base
        self._credentials = credentials
        self._identity = credentials.identity_token
        self._allowed_realm = allowed_realm
        self._ask = ask
        self._tokens = Tokens()
        self._asking: dict[str, asyncio.Lock] = {}
        self._basic = False
        self._bearer: Challenge | None = None

    async def authorization(self, scope: str) -> str:
        """Return the value of an ``Authorization`` header for a scope; nothing while nobody asked for one."""
        if self._basic:
            return self._credentials.basic()
        if self._bearer is None:
            return ""
        scope = scope or self._bearer.scope
        token = self._tokens.get(scope)
        if token is None:
            async with self._asking.setdefault(scope, asyncio.Lock()):
                token = self._tokens.get(scope) or await self._fetch(self._bearer, scope)
        return f"Bearer {token}"

    def learn(self, header: str, scope: str, refused: str) -> bool:
        """Learn from a 401 how to come in; tell whether there is a way that was not tried. ``refused`` is the
        ``Authorization`` that was not enough."""
        offered = list(challenges(header))
        bearer = next((one for one in offered if one.scheme == "bearer" and one.realm), None)
        if bearer is not None:
            check_realm(bearer.realm, self._base, self._allowed_realm)
            self._bearer = bearer
            self._tokens.drop(scope or bearer.scope, refused.removeprefix("Bearer "))
            return True
        if any(one.scheme == "basic" for one in offered) and self._credentials.username and not self._basic:
            self._basic = True
            return True
        return False

    async def _fetch(self, challenge: Challenge, scope: str) -> str:
        """Ask the token server; credentials go there and nowhere else, and no redirect takes them further
        (distribution, "Token Authentication" and "OAuth2 Token Authentication")."""
        parameters = {key: value for key, value in (("service", challenge.service), ("scope", scope)) if value}
        if self._identity:
            form = {
                **parameters,
                "grant_type": "refresh_token",
                "refresh_token": self._identity,
                "client_id": "prune",
            }
            status, body = await self._ask(challenge.realm, {}, form)
        else:
            url = challenge.realm
            if parameters:
                url += ("&" if "?" in url else "?") + urlencode(parameters)
            headers = {"Authorization": self._credentials.basic()} if self._credentials.username else {}
            status, body = await self._ask(url, headers, None)
        if status != 200:
            raise Denied(f"The registry's token server refused these credentials ({status}).")
        try:
            answer: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SourceError("The registry's token server gave an answer that is no token.") from None
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SourceError("The registry's token server gave an answer that is no token.")
        if self._identity and isinstance(answer.get("refresh_token"), str) and answer["refresh_token"]:
            self._identity = answer["refresh_token"]
        seconds = answer.get("expires_in")
        self._tokens.keep(scope, token, float(seconds) if isinstance(seconds, int | float) else DEFAULT_SECONDS)
        return token
