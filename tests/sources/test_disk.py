"""The store on a local disk leaves nothing open behind a caller who stops early."""

import contextlib
import ctypes
import errno
import os
import resource
import shutil
import threading

import pytest

from prune.model.errors import Refused
from prune.sources.stores import disk
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


@contextlib.contextmanager
def replaced():
    """What is told of folders that are no longer the ones that were opened: never that something is not there."""
    with pytest.raises(OSError, match="was replaced") as caught:
        yield
    assert caught.value.errno == errno.ESTALE


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


def refused_by_the_file_system(here, name, there, new, flags):
    ctypes.set_errno(errno.EINVAL)
    return -1


@pytest.fixture(params=["as here", "none", "refused"])
def rename(request, monkeypatch):
    """What the file system can, and what older ones can."""
    if request.param != "as here":
        found = None if request.param == "none" else refused_by_the_file_system
        monkeypatch.setattr(opened_folders, "_rename_to_nothing", lambda: found)


@pytest.mark.usefixtures("rename")
def test_what_is_to_be_moved_as_a_folder_stays_where_it_is_when_it_is_none(store, tmp_path):
    (tmp_path / "real/folder").mkdir(parents=True)
    (tmp_path / "real/file").write_text("odd")
    (tmp_path / "real/link").symlink_to("folder")
    with store.together([]) as together:
        with pytest.raises(NotADirectoryError):
            together.move("real/file", "trash/file", folder=True)
        with pytest.raises(Refused, match="symbolic link"):
            together.move("real/link", "trash/link", folder=True)
        with pytest.raises(FileNotFoundError):
            together.move("real/nothing", "trash/nothing", folder=True)
        together.move("real/folder", "trash/folder", folder=True)
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["file", "link"]


def test_many_files_are_looked_at_as_one_by_one(store, tmp_path):
    (tmp_path / "real/folder/inner").mkdir(parents=True)
    (tmp_path / "real/folder/file").write_text("four")
    os.utime(tmp_path / "real/folder/file", (7, 7))
    (tmp_path / "real/link").symlink_to("folder/file")
    asked = ["folder/file", "folder", "link", "nothing", "folder/file/below"]
    assert store.stat_each("real", asked) == [store.stat("real/folder/file"), None, None, None, None]
    assert store.stat("real/folder/file").time == 7
    assert store.stat_each("nothing", asked) == [None] * 5
    assert opened(store) == []


def test_what_left_many_folders_is_durable_where_it_arrived_before_it_is_gone(store, tmp_path, monkeypatch):
    """Many folders are synced side by side."""
    synced: list[str] = []
    lock = threading.Lock()

    def sync(folder: str) -> None:
        with lock:
            synced.append(folder.removeprefix(store.root).strip("/"))

    monkeypatch.setattr(disk, "_sync_folder", sync)
    numbers = range(3 * disk._ENOUGH)
    moves = [(f"from/{number}/thing", f"to/{number}/thing") for number in numbers]
    for source, _ in moves:
        (tmp_path / source).mkdir(parents=True)
    with store.together([]) as together:
        for source, target in moves:
            together.move(source, target)
    store.settle([target for _, target in moves], [source for source, _ in moves])
    there = {f"to/{number}" for number in numbers} | {"to", ""}
    assert set(synced[: len(there)]) == there
    assert sorted(synced[len(there) :]) == sorted(["from", *(f"from/{number}" for number in numbers)])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("settling")]


def test_a_folder_that_cannot_be_made_durable_is_an_error_and_tried_again(store, tmp_path, monkeypatch):
    numbers = range(2 * disk._ENOUGH)
    for number in numbers:
        (tmp_path / f"to/{number}").mkdir(parents=True)
    sync = disk._sync_folder

    def failing(folder: str) -> None:
        if folder.endswith("/to/40"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), folder)
        sync(folder)

    monkeypatch.setattr(disk, "_sync_folder", failing)
    with pytest.raises(OSError, match="Input/output"):
        store.settle([f"to/{number}/thing" for number in numbers])
    synced: list[str] = []
    monkeypatch.setattr(disk, "_sync_folder", synced.append)
    store.settle(["to/40/thing"])
    assert [folder.removeprefix(store.root).strip("/") for folder in synced] == ["to/40", "to", ""]


@pytest.mark.parametrize("threads", [0, 3])
def test_many_folders_are_made_durable_also_where_no_more_threads_can_be_had(store, tmp_path, monkeypatch, threads):
    numbers = range(2 * disk._ENOUGH)
    for number in numbers:
        (tmp_path / f"to/{number}").mkdir(parents=True)
    synced: list[str] = []
    refused = threading.Event()

    def sync(folder: str) -> None:
        refused.wait()
        synced.append(folder)

    monkeypatch.setattr(disk, "_sync_folder", sync)
    start, started = threading.Thread.start, []

    def starting(thread: threading.Thread) -> None:
        if len(started) == threads:
            refused.set()
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)
    store.settle([f"to/{number}/thing" for number in numbers])
    there = {folder.removeprefix(store.root).strip("/") for folder in synced}
    assert there == {f"to/{number}" for number in numbers} | {"to", ""}
    assert not any(thread.is_alive() for thread in started)


def test_a_folder_that_is_made_after_something_was_settled_is_made_durable_too(store, tmp_path, monkeypatch):
    """Also while folders are open between which things move."""
    for name in ("one", "two"):
        (tmp_path / f"from/{name}").mkdir(parents=True)
    (tmp_path / "to").mkdir()
    with store.together([]) as together:
        together.move("from/one", "to/one")
        store.settle(["to/one"], ["from/one"])
        together.move("from/two", "to/new/two")
    synced: list[str] = []
    monkeypatch.setattr(disk, "_sync_folder", synced.append)
    store.settle(["to/new/two"])
    assert [folder.removeprefix(store.root).strip("/") for folder in synced] == ["to/new", "to"]


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
    with replaced(), store.together([]) as together:
        together.move("from/one", "to/one")
        (tmp_path / "to").rename(tmp_path / "real")
        (tmp_path / "to").symlink_to(outside)
        together.move("from/two", "to/two")
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["one", "two"]


def another_in_the_place_of(path) -> None:
    """As when a repository is deleted and pushed anew: the same names, another folder."""
    path.rename(path.with_name("deleted"))
    for name in ("one", "two"):
        (path / name).mkdir(parents=True)


def test_a_folder_in_the_place_of_the_one_that_was_opened_is_noticed(store, tmp_path):
    for name in ("one", "two"):
        (tmp_path / "from" / name).mkdir(parents=True)
    with replaced(), store.together([]) as together:
        together.move("from/one", "to/one")
        another_in_the_place_of(tmp_path / "from")
        together.move("from/two", "to/two")  # of the old one: nobody can know that
    assert sorted(path.name for path in (tmp_path / "from").iterdir()) == ["one", "two"]


def test_what_is_not_in_the_old_folder_is_not_taken_for_gone(store, tmp_path):
    """A run leaves out what is gone and goes on with what belonged to it; and here it is."""
    (tmp_path / "from/one").mkdir(parents=True)
    with replaced(), store.together([]) as together:
        together.move("from/one", "to/one")
        another_in_the_place_of(tmp_path / "from")
        assert together.kind("from/two") == "folder"
        with replaced():
            together.move("from/two", "to/two")
    assert (tmp_path / "from/two").is_dir()


def test_a_trash_that_vanishes_while_things_move_there_does_not_look_as_if_they_were_gone(store, tmp_path):
    for name in ("one", "two"):
        (tmp_path / "from" / name).mkdir(parents=True)
    with replaced(), store.together([]) as together:
        together.move("from/one", "to/one")
        shutil.rmtree(tmp_path / "to")
        with replaced():
            together.move("from/two", "to/two")
    assert (tmp_path / "from/two").is_dir()


def test_few_files_may_be_open_and_everything_moves_all_the_same(store, tmp_path):
    for number in range(60):
        (tmp_path / f"from/{number}/thing").mkdir(parents=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, hard))
    try:
        with store.together([]) as together:
            for number in range(60):
                together.move(f"from/{number}/thing", f"to/{number}/thing")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list((tmp_path / "to").iterdir())) == 60


@pytest.mark.usefixtures("rename")
def test_nothing_is_ever_replaced_whatever_the_file_system_can(store, tmp_path):
    (tmp_path / "from/folder").mkdir(parents=True)
    (tmp_path / "from/file").write_text("mine")
    (tmp_path / "to/folder").mkdir(parents=True)  # empty: the system's plain call would replace it
    (tmp_path / "to/file").write_text("theirs")
    with store.together([]) as together:
        for name, folder in (("folder", True), ("folder", False), ("file", False)):
            with pytest.raises(FileExistsError):
                together.move(f"from/{name}", f"to/{name}", folder=folder)
        with pytest.raises(FileNotFoundError):
            together.move("from/nothing", "to/nothing")
        together.move("from/file", "to/other")
    assert (tmp_path / "to/file").read_text() == "theirs"
    assert (tmp_path / "to/other").read_text() == "mine"
    assert (tmp_path / "from/folder").is_dir()
