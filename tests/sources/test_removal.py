"""What is removed for good is all of a folder, and nothing besides."""

import errno
import os

import pytest

from prune.sources.stores.disk import DiskStore
from prune.sources.stores.removal import WORKERS


@pytest.fixture
def store(tmp_path) -> DiskStore:
    return DiskStore(str(tmp_path / "store"))


def grown(store: DiskStore, paths: dict[str, int]) -> None:
    for path, size in paths.items():
        place = os.path.join(store.root, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(b"x" * size)


TREES = {
    "nothing but itself": {},
    "one file": {"gone/file": 7},
    "many files in one folder": {f"gone/{number}": number for number in range(500)},
    "many folders": {f"gone/a/b/{number % 40}/{number}/data": number for number in range(400)},
    "thin and deep": {"gone/" + "a/" * 60 + "data": 9, "gone/a/a/file": 3},
    "few above and many below": {
        "gone/top": 1,
        "gone/a/middle": 2,
        **{
            f"gone/a/b{half}/{number}/{end}": 5 for half in (1, 2) for number in range(90) for end in ("data", "link")
        },
    },
}


@pytest.mark.parametrize("files", TREES.values(), ids=TREES)
def test_all_of_a_folder_goes_and_every_byte_is_counted(store, files):
    os.makedirs(os.path.join(store.root, "gone"))
    grown(store, {**files, "stays/data": 11, "gone2/data": 12})
    assert store.remove("gone") == sum(files.values())
    assert sorted(os.listdir(store.root)) == ["gone2", "stays"]
    assert sorted(path for path, _ in store.files("")) == ["gone2/data", "stays/data"]


def test_only_what_is_asked_for_is_counted(store):
    grown(store, TREES["few above and many below"])
    asked = []

    def counts(path: str) -> bool:
        asked.append(path)
        return path.endswith("/data")

    assert store.remove("gone", counts) == 2 * 90 * 5
    assert sorted(asked) == sorted(TREES["few above and many below"])
    grown(store, {"file": 4})
    assert store.remove("file", lambda path: path != "file") == 0
    assert store.kind("file") is None


def test_nothing_there_is_nothing_removed(store):
    assert store.remove("gone") == 0


@pytest.mark.parametrize("depth", ["", "a/", "a/b/c/"])
@pytest.mark.parametrize("beside", [0, 200])
def test_links_go_and_what_they_lead_to_stays(store, tmp_path, depth, beside):
    grown(store, {f"gone/{depth}data": 5} | {f"gone/{depth}{number}/data": 0 for number in range(beside)})
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder/file").write_text("precious")
    here = os.path.join(store.root, "gone", depth)
    os.symlink(outside / "folder", here + "to-a-folder")
    os.symlink(outside / "folder/file", here + "to-a-file")
    os.symlink("nowhere", here + "broken")
    assert store.remove("gone") == 5
    assert store.kind("gone") is None
    assert (outside / "folder/file").read_text() == "precious"


def test_what_fails_says_so_and_the_next_try_removes_the_rest(store, monkeypatch):
    files = TREES["many folders"]
    grown(store, files)
    unlink, left = os.unlink, [150]

    def failing(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        unlink(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            store.remove("gone")
    rest = sum(stat.size for _, stat in store.files("gone"))
    assert 0 < rest < sum(files.values())
    assert left[0] >= -WORKERS * 64  # the others stop as well
    assert store.remove("gone") == rest
    assert store.kind("gone") is None


def test_no_descriptor_is_left_open(store):
    before = sorted(os.listdir("/proc/self/fd"))
    grown(store, TREES["few above and many below"])
    store.remove("gone")
    assert sorted(os.listdir("/proc/self/fd")) == before
