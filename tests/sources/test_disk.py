"""The store on a local disk leaves nothing open behind a caller who stops early."""

import os

import pytest

from prune.sources.stores.disk import DiskStore
from tests.stores import V2Store


@pytest.fixture
def store(tmp_path) -> DiskStore:
    made = V2Store(tmp_path)
    for _ in range(30):
        made.layer()
    return DiskStore(str(tmp_path))


def opened(store: DiskStore) -> list[str]:
    """Return what of the store this process has open."""
    paths = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return [path for path in paths if path.startswith(store.root)]


def test_a_listing_that_is_not_read_to_its_end_keeps_no_folder_open(store):
    prefix = store.entries("docker/registry/v2/blobs/sha256")[0].name
    unfinished = [store.files(""), store.blobs(f"docker/registry/v2/blobs/sha256/{prefix}")]
    for listing in unfinished:
        next(listing)
    assert opened(store) == []


def test_what_is_removed_while_it_is_listed_does_not_disturb_the_listing(store):
    seen = []
    for path, _ in store.files(""):
        seen.append(path)
        store.remove(path)
    assert len(seen) == 30
    assert list(store.files("")) == []


def test_a_stream_that_is_closed_early_closes_its_file(store):
    path = next(path for path, _ in store.files(""))
    stream = store.stream(path)
    next(stream)
    assert opened(store) != []
    stream.close()
    assert opened(store) == []
