"""What a registry's 401 asks for: basic credentials, or tokens for a scope (distribution, "Token Authentication")."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from prune.model.errors import SourceError

_PARAMETER = re.compile(r'([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Bearer)(?=\s|$)", re.IGNORECASE)
#: Tokens are dropped this many seconds before they end, so that none ends under way.
MARGIN = 15
DEFAULT_SECONDS = 60


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
    there, here = urlsplit(realm), urlsplit(base)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise SourceError("The registry names a place for tokens that is no address.")
    if (there.scheme, there.netloc) == (here.scheme, here.netloc):
        return
    if there.hostname == here.hostname and there.scheme == "https":
        return
    if there.scheme == "https" and allowed and there.netloc == urlsplit(allowed).netloc:
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
