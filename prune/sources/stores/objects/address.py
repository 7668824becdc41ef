"""Where a bucket is: the SOURCE strings ``s3://``, ``gs://`` and ``az://``."""

import re
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from prune.model.errors import UsageError

SCHEMES = ("s3", "gs", "az")
#: What may stand behind the question mark, by scheme. Nothing secret: a SOURCE is shown, logged and stored.
OPTIONS = {"s3": ("endpoint", "region"), "gs": ("endpoint",), "az": ("endpoint", "account")}

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Address(msgspec.Struct, frozen=True):
    """A bucket (container, for Azure), a prefix without slashes at its ends, and how to find the service.

    ``endpoint`` is a URL; ``endpoint``, ``region`` and ``account`` are empty when the environment says them.
    """

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    account: str = ""

    def __str__(self) -> str:
        """Return the normalised SOURCE."""
        path = f"/{self.prefix}" if self.prefix else ""
        options = [(name, getattr(self, name)) for name in OPTIONS[self.scheme]]
        query = "&".join(f"{name}={quote(value, safe=':/[]')}" for name, value in options if value)
        return f"{self.scheme}://{self.bucket}{path}" + (f"?{query}" if query else "")


def parse_address(text: str) -> Address:
    """Return the address that ``text`` is. Raises ``UsageError`` for a malformed one, without repeating a secret
    that somebody may have put into it."""
    scheme, _, rest = text.partition("://")
    where, _, query = rest.partition("?")
    bucket, _, prefix = where.partition("/")
    if scheme not in SCHEMES:
        raise UsageError(f"{scheme[:20]!r} is no object store; write s3://BUCKET/PREFIX, gs:// or az://.")
    if "@" in bucket or ":" in bucket:
        raise UsageError(f"Credentials do not belong into a SOURCE, nor do ports: write {scheme}://BUCKET/PREFIX.")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{bucket[:80]!r} is not the name of a bucket; write {scheme}://BUCKET/PREFIX.")
    prefix = prefix.strip("/")
    if prefix and any(segment in ("", ".", "..") for segment in prefix.split("/")):
        raise UsageError(f"The prefix {prefix[:200]!r} has an empty segment, or one of dots.")
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - set(OPTIONS[scheme])
    if unknown:
        known = ", ".join(OPTIONS[scheme])
        raise UsageError(f"{min(unknown)[:80]!r} is not an option of {scheme}://; known: {known}.")
    endpoint = given.get("endpoint", "").rstrip("/")
    if endpoint:
        _check_endpoint(endpoint)
    for name in ("region", "account"):
        if given.get(name) and not _PLAIN.fullmatch(given[name]):
            raise UsageError(f"{given[name][:80]!r} is not a {name}.")
    return Address(scheme, bucket, prefix, endpoint, given.get("region", ""), given.get("account", ""))


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        parts.port  # noqa: B018  # raises when it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError("The endpoint must be like https://HOST or http://HOST:PORT.")
    if parts.username is not None or parts.password is not None:
        raise UsageError("Credentials do not belong into an endpoint.")
