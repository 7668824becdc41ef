"""From a SOURCE string to a source."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from prune.model.errors import SourceError, Unreadable, UsageError
from prune.model.snapshot import SourceKind
from prune.sources.base import Source

if TYPE_CHECKING:
    from prune.sources.credentials import Access

_FORMS = "storage:PATH, s3://BUCKET/PREFIX, gs://, az://, http(s)://HOST, oci:PATH or docker:"
_IN_BUCKETS = ("storage:s3://", "storage:gs://", "storage:az://")


def open_source(
    text: str,
    *,
    timeout: float = 30.0,
    workers: int = 1,
    access: Access | None = None,
    kind: SourceKind | None = None,
    concurrency: int | None = None,
    repositories: str = "",
) -> Source:
    """Return the source that ``text`` names. ``timeout`` (seconds, per request) is for sources over a network, and
    ``concurrency`` for how many requests to a registry may be under way; ``workers`` processes may read storage at
    the same time; ``access`` is how to reach a registry over a network, by default what the environment says.
    ``kind`` is what the source was when it was opened before: without it a registry is asked of which version it is.
    ``repositories`` names those of a registry that are to be read, which is needed where it does not list them.

    Raises ``UsageError`` when ``text`` is no SOURCE, ``SourceError`` when there is no registry to be found.
    """
    text = text.removeprefix("storage:") if text.startswith(_IN_BUCKETS) else text
    scheme, colon, rest = text.partition(":")
    if not colon or (not rest and scheme != "docker") or "\0" in rest:
        raise UsageError(f"{text!r} is not a SOURCE; write {_FORMS}.")
    if repositories and scheme not in ("http", "https"):
        raise UsageError("Only a registry's API can be asked for chosen repositories.")
    if scheme == "storage":
        return _open_storage(rest, workers)
    if scheme == "oci":
        return _open_layout(rest)
    if scheme not in ("s3", "gs", "az", "http", "https", "docker"):
        raise UsageError(f"{text!r} is not a SOURCE that this version can open; write {_FORMS}.")
    if access is None:
        # Only here: what asks other programs for passwords takes long to load, and files need none.
        from prune.sources.credentials import access_from_environment

        access = access_from_environment()
    if scheme in ("http", "https"):
        return _open_registry(text, timeout, access, kind, concurrency, repositories)
    if scheme == "docker":
        from prune.sources.docker_engine.client import engine_url
        from prune.sources.docker_engine.source import DockerEngine

        return DockerEngine(engine_url(rest), timeout, access.state)
    from prune.sources.stores.objects.open import open_bucket

    return open_bucket(text, timeout, access)


def _open_registry(
    text: str,
    timeout: float,
    access: Access,
    kind: SourceKind | None,
    concurrency: int | None,
    repositories: str,
) -> Source:
    from urllib.parse import urlsplit

    from prune.sources.credentials import find_credentials
    from prune.sources.registry_v1.source import RegistryV1, speaks_v1_only
    from prune.sources.registry_v2.addresses import check_host
    from prune.sources.registry_v2.client import CONCURRENCY, Options
    from prune.sources.registry_v2.source import RegistryV2, parse_address, parse_repositories

    base, within = parse_address(text)
    chosen = parse_repositories(repositories)
    if within and chosen:
        raise UsageError(f"Name repositories either in the address ({within}) or beside it.")
    check_host(urlsplit(base).hostname or "", access.allowed_hosts)
    host = base.partition("://")[2]
    credentials = access.credentials if access.credentials is not None else find_credentials(host)
    options = Options(
        timeout=timeout,
        concurrency=concurrency or CONCURRENCY,
        token_realm=access.token_realm,
        allowed_hosts=access.allowed_hosts,
        ca_file=access.ca_file,
        client_certificate=access.client_certificate,
        client_key=access.client_key,
    )
    registry = RegistryV2(base, within, credentials, options, access.state, chosen)
    if kind is None:
        try:
            kind = "registry-v1" if registry.run(speaks_v1_only) else "registry-v2"
        except (SourceError, Unreadable):
            kind = "registry-v2"  # reading it says what is wrong
    return RegistryV1(registry) if kind == "registry-v1" else registry


def _open_layout(path: str) -> Source:
    from prune.sources.oci_layout.source import OciLayout

    return OciLayout(_folder(path, "an OCI layout"))


def _folder(path: str, of: Literal["a registry's storage", "an OCI layout"]) -> str:
    """Return ``path`` made absolute; raise ``SourceError`` unless it is a folder that can be read."""
    root = os.path.abspath(path)
    if not os.path.isdir(root):
        what = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise SourceError(f"{root} {what}; give the root folder of {of}.")
    if not os.access(root, os.R_OK | os.X_OK):
        raise SourceError(f"{root} cannot be read; run this as a user who may, for instance the registry's.")
    return root


def _open_storage(path: str, workers: int) -> Source:
    from prune.sources.stores.disk import DiskStore

    root = _folder(path, "a registry's storage")
    v2 = _v2_base(root)
    v1 = os.path.isdir(os.path.join(root, "images")) and os.path.isdir(os.path.join(root, "repositories"))
    store = DiskStore(root)
    if v2 is not None and v1:
        raise SourceError(f"{root} holds a V1 and a V2 registry at once; give the folder of one of them.")
    if v2 is not None:
        from prune.sources.storage_v2.source import StorageV2

        return StorageV2(store, v2, store.name, workers)
    if v1:
        from prune.sources.storage_v1 import StorageV1

        return StorageV1(store, "", store.name)
    raise SourceError(
        f"{root} is no registry: neither docker/registry/v2 (V2) nor images and repositories (V1) are in it."
    )


def _v2_base(root: str) -> str | None:
    """Return where the V2 layout lies below ``root``: distribution's own place, or ``root`` itself."""
    for base, enough in (("docker/registry/v2", any), ("", all)):
        here = os.path.join(root, base) if base else root
        if os.path.islink(here):
            continue
        if enough(os.path.isdir(os.path.join(here, name)) for name in ("repositories", "blobs")):
            return base
    return None
