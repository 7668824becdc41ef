"""The store on a local disk leaves nothing open behind a caller who stops early."""

import ctypes
import errno
import os

import pytest

from prune.model.errors import Refused
from prune.sources.stores import opened as opened_folders
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


def test_links_are_refused_also_among_many_moves(store, tmp_path):
    outside = tmp_path / "outside"
    (outside / "data").mkdir(parents=True)
    (tmp_path / "real").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "real" / name).mkdir()
    with store.together(["real", "trash"]) as together:
        together.move("real/one", "trash/one")
        (tmp_path / "real/link").symlink_to(outside)
        with pytest.raises(Refused, match="symbolic link"):
            together.move("real/link", "trash/link")
        with pytest.raises(Refused, match="symbolic link"):
            together.move("real/link/data", "trash/data")
        with pytest.raises(Refused, match="symbolic link"):
            together.move("real/two", "real/link/two")
        with pytest.raises(Refused, match="no path"):
            together.move("real/../outside", "trash/x")
        with pytest.raises(FileExistsError):
            together.move("real/two", "trash/one")
        together.move("real/two", "trash/two")
    assert (outside / "data").is_dir()
    assert sorted(path.name for path in (tmp_path / "trash").iterdir()) == ["one", "two"]


def test_many_folders_are_opened_and_few_at_a_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr(opened_folders, "MOST_OPEN", 10)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(50):
        (tmp_path / f"from/{number}/thing").mkdir(parents=True)
    with store.together([]) as together:
        for number in range(50):
            together.move(f"from/{number}/thing", f"to/a/b/{number}/thing")
            assert len(os.listdir("/proc/self/fd")) <= before + 10 + 8
            assert together.kind(f"from/{number}/thing") is None
            assert together.kind(f"to/a/b/{number}/thing") == "folder"
    assert len(os.listdir("/proc/self/fd")) == before
    assert {path.name for path in (tmp_path / "to/a/b").iterdir()} == {str(number) for number in range(50)}


def test_what_was_moved_is_no_longer_where_it_was(store, tmp_path):
    """Also when it was open itself."""
    (tmp_path / "from/folder/inner").mkdir(parents=True)
    (tmp_path / "from/folder/other").mkdir()
    with store.together([]) as together:
        together.move("from/folder/inner", "to/inner")
        together.move("from/folder", "to/folder")
        assert together.kind("from/folder/other") is None
        with pytest.raises(FileNotFoundError):
            together.move("from/folder/other", "to/other")
        together.move("to/folder/other", "to/other")
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["folder", "inner", "other"]


def test_a_link_that_is_put_on_the_way_leads_nowhere(store, tmp_path):
    (tmp_path / "from/one").mkdir(parents=True)
    (tmp_path / "from/two").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    with store.together([]) as together:
        together.move("from/one", "to/one")
        (tmp_path / "to").rename(tmp_path / "real")
        (tmp_path / "to").symlink_to(outside)
        together.move("from/two", "to/two")
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["one", "two"]


def refused_by_the_file_system(here, name, there, new, flags):
    ctypes.set_errno(errno.EINVAL)
    return -1


@pytest.mark.parametrize("rename", ["as here", "none", "refused"])
def test_nothing_is_ever_replaced_whatever_the_file_system_can(store, tmp_path, monkeypatch, rename):
    if rename != "as here":
        found = None if rename == "none" else refused_by_the_file_system
        monkeypatch.setattr(opened_folders, "_rename_to_nothing", lambda: found)
    (tmp_path / "from/folder").mkdir(parents=True)
    (tmp_path / "from/file").write_text("mine")
    (tmp_path / "to/folder").mkdir(parents=True)  # empty: the system's plain call would replace it
    (tmp_path / "to/file").write_text("theirs")
    with store.together([]) as together:
        for name in ("folder", "file"):
            with pytest.raises(FileExistsError):
                together.move(f"from/{name}", f"to/{name}")
        with pytest.raises(FileNotFoundError):
            together.move("from/nothing", "to/nothing")
        together.move("from/file", "to/other")
    assert (tmp_path / "to/file").read_text() == "theirs"
    assert (tmp_path / "to/other").read_text() == "mine"
    assert (tmp_path / "from/folder").is_dir()
