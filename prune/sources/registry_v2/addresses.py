"""Where requests may go: the registry's own host, hosts that its operator allowed, and never to an address where a
cloud hands out a machine's own credentials."""

import errno
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import SplitResult, urljoin, urlsplit

from prune.model.errors import Unreadable, UsageError

"""One of the addresses that a name leads to, as `socket.getaddrinfo` gives it."""

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
#: Addresses outside of the link-local ranges where clouds answer machines: Alibaba, Azure, Oracle, AWS, Google.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(OSError):
    """A name led to an address where no registry is."""


def split(url: str) -> SplitResult:
    """Take an address apart; raise ``Unreadable`` when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Unreadable("names an address that is none") from None
    return parts


def place(parts: SplitResult) -> tuple[str, str, int | None]:
    """Return scheme, host and port, with the port that the scheme stands for."""
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def own(base: str, path: str) -> str:
    """Return ``path`` as an address of the registry at ``base``; raise ``Unreadable`` when it leads elsewhere.

    A registry behind a proxy that ends TLS may call itself by http: its own address is then reached by https.
    """
    try:
        url = urljoin(base + "/", path)
    except ValueError:
        raise Unreadable("names an address that is none") from None
    here, there = split(base), split(url)
    if place(here) == place(there):
        return url
    if here.scheme == "https" and there.scheme == "http" and here.netloc.lower() == there.netloc.lower():
        return there._replace(scheme="https").geturl()
    raise Unreadable(f"leads to another host ({there.netloc[:100]}), where nothing is fetched from")


def elsewhere(base: str, url: str, allowed: Collection[str]) -> str:
    """Return ``url``, to which the registry at ``base`` redirects; raise ``Unreadable`` unless its host is allowed.
    ``allowed`` are hosts, with their port unless it is the usual one, or ``*.domain``."""
    there = split(url)
    scheme, host, port = place(there)
    name = host if port == _PORTS.get(scheme) else f"{host}:{port}"
    fits = any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in allowed)
    if not fits or scheme not in _PORTS or (scheme == "http" and base.startswith("https:")):
        raise Unreadable(
            f"leads to another host, {there.netloc[:100]}, which is not allowed (PRUNE_ALLOWED_HOSTS={name[:100]})"
        )
    return url


def check_address(text: str, allowed: Collection[str]) -> None:
    """Raise ``Forbidden`` for an address where a machine's own credentials may be; one in ``allowed`` is fine."""
    address = _parsed(text)
    for one in _meant(address):
        if one.is_link_local or one.is_multicast or one.is_unspecified or one in _METADATA:
            if str(one) in allowed or str(address) in allowed:
                continue
            raise Forbidden(
                errno.EACCES,
                f"its name leads to {one}, where machines find credentials and no registry is; if there is one, "
                f"allow it (PRUNE_ALLOWED_HOSTS={one})",
            )


def check_host(host: str, allowed: Collection[str]) -> None:
    """Raise ``UsageError`` when a host is written as such an address."""
    try:
        _parsed(host)
    except Forbidden:
        return  # a name: what it leads to is checked with each connection
    try:
        check_address(host, allowed)
    except Forbidden:
        raise UsageError(f"{host} is not an address where a registry can be.") from None


def _parsed(text: str) -> Address:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))  # also 2852039166 and 0xa9.254.43518
    except (OSError, UnicodeError):
        raise Forbidden(errno.EACCES, f"{text[:60]!r} is no address") from None


def _meant(address: Address) -> list[Address]:
    """Return an address and those that it carries inside."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [one for one in (address.ipv4_mapped, address.sixtofour) if one is not None]
        if address in _NAT64:
            found.append(ipaddress.IPv4Address(address.packed[-4:]))
    return found
