"""From an address to the source behind it."""

import contextlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from prune.model.errors import SourceError
from prune.sources.base import Source
from prune.sources.credentials import Access
from prune.sources.storage_v1 import StorageV1
from prune.sources.storage_v2.source import StorageV2
from prune.sources.stores.objects.address import Address, parse_address
from prune.sources.stores.objects.bucket import Bucket
from prune.sources.stores.objects.credentials import endpoint_of, settings_for
from prune.sources.stores.objects.store import ObjectStore

#: How often a request is repeated that was answered with "slow down", or not at all, and for how long in all.
RETRIES = 10
#: The same for the first look, whether there is a registry at all: somebody waits for that.
FIRST_RETRIES = 4
RETRIED_FOR = timedelta(minutes=2)
#: The least time, in seconds, that the copying of one large object may take.
COPY_SECONDS = 900.0

_V2 = "docker/registry/v2"
_IN_TRASH = re.compile(r"\.registryui/runs/[^/]+/files/(?P<base>docker/registry/v2/)?(blobs|images|repositories)/")


def open_bucket(text: str, timeout: float, access: Access) -> Source:
    """Return the registry in the bucket that ``text`` names. ``timeout`` is in seconds, for one request.

    Raises ``UsageError`` for a malformed address and ``SourceError`` when there is no registry to be found.
    """
    address = parse_address(text)
    name = str(address)
    try:
        base, make = _registry_in(ObjectStore(bucket_of(address, timeout, access, FIRST_RETRIES), name))
    except OSError as error:
        raise SourceError(f"{address} cannot be read: {error.strerror}.") from None
    return make(ObjectStore(bucket_of(address, timeout, access, RETRIES), name), base, name)


def bucket_of(address: Address, timeout: float, access: Access, retries: int) -> Bucket:
    """Return the bucket at ``address``; nothing is asked of it yet."""
    settings = settings_for(address, access.credentials)
    make = _MAKE[address.scheme]
    try:
        quick, patient = (
            make(
                address, {**settings}, client_options=_client(address, seconds, access), retry_config=_retry(retries)
            )
            for seconds in (timeout, max(timeout, COPY_SECONDS))
        )
    except (BaseError, ValueError, TypeError) as error:
        # The first line only: what follows repeats the settings.
        what = str(error).strip().partition("\n")[0] if isinstance(error, BaseError) else "a setting is malformed"
        raise SourceError(f"{address} cannot be opened: {what}") from None
    # Azure can only list from the beginning, and may take its time with copies.
    return Bucket(quick, patient, sorts=address.scheme != "az", copies_later=address.scheme == "az")


def _retry(retries: int) -> Any:
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=15), "base": 2}
    return {"max_retries": retries, "retry_timeout": RETRIED_FOR, "backoff": backoff}


def _client(address: Address, seconds: float, access: Access) -> Any:
    options: dict[str, Any] = {"timeout": timedelta(seconds=seconds)}
    if endpoint_of(address).startswith("http://"):
        options["allow_http"] = True
    if access.ca_file:
        try:
            with open(access.ca_file, "rb") as file:
                options["root_certificate"] = file.read(1 << 20)
        except OSError as error:
            raise SourceError(f"The CA certificate {access.ca_file} cannot be read: {error.strerror}.") from None
    return options


def _s3(address: Address, settings: Any, **options: Any) -> Any:
    if address.endpoint:
        settings["aws_endpoint_url_s3"] = address.endpoint
    if address.region:
        settings["region"] = address.region
    provider = settings.pop("credential_provider", None)
    if provider is not None:
        options["credential_provider"] = provider
    return S3Store(address.bucket, prefix=address.prefix or None, config=settings, **options)


def _gs(address: Address, settings: Any, **options: Any) -> Any:
    if address.endpoint:
        settings["base_url"] = address.endpoint
    return GCSStore(address.bucket, prefix=address.prefix or None, config=settings, **options)


def _az(address: Address, settings: Any, **options: Any) -> Any:
    if address.endpoint:
        settings["endpoint"] = address.endpoint
    if address.account:
        settings["account_name"] = address.account
    return AzureStore(address.bucket, prefix=address.prefix or None, config=settings, **options)


_MAKE: dict[str, Callable[..., Any]] = {"s3": _s3, "gs": _gs, "az": _az}


type _Found = tuple[str, type[StorageV1 | StorageV2]]


def _registry_in(store: ObjectStore) -> _Found:
    """Return where below the prefix the registry lies, and what kind of source reads it."""
    top = {entry.name for entry in store.entries("") if entry.kind == "folder"}
    v2 = ""
    if "docker" in top:
        with contextlib.suppress(FileNotFoundError):
            v2 = _V2 if {"repositories", "blobs"} & {entry.name for entry in store.entries(_V2)} else ""
    v1 = {"repositories", "images"} <= top
    if v2 or {"repositories", "blobs"} <= top:
        if v1:
            raise SourceError(f"{store.name} holds a V1 and a V2 registry at once; give the prefix of one of them.")
        return v2, StorageV2
    if v1:
        return "", StorageV1
    if ".registryui" in top:
        return _all_in_trash(store)
    raise SourceError(
        f"{store.name} is no registry: neither docker/registry/v2 (V2) nor images and repositories (V1) are in it."
    )


def _all_in_trash(store: ObjectStore) -> _Found:
    """Return the same of a registry of which everything lies in the trash: a bucket keeps no empty folders."""
    for page in store.bucket.pages(".registryui/runs"):
        for path, _ in page:
            if found := _IN_TRASH.match(path):
                base = (found["base"] or "").rstrip("/")
                return base, StorageV2 if base or _is_v2(store, path) else StorageV1
    raise SourceError(f"{store.name} is no registry any more: of its cleanups only the records are left.")


def _is_v2(store: ObjectStore, path: str) -> bool:
    run = path.split("/files/")[0]
    plan = store.read(f"{run}/plan.json", 1 << 30)[0]
    return bool(msgspec.json.decode(plan, type=dict[str, Any]).get("kind") == "storage-v2")
