"""What is removed for good is all of a folder, and nothing besides."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prune.model.errors import Refused
from prune.sources.stores import removal
from prune.sources.stores.disk import DiskStore
from prune.sources.stores.removal import WORKERS


@pytest.fixture(params=["quick", "slow"])
def store(tmp_path, request, monkeypatch) -> DiskStore:
    """On a disk on which one removal follows the other, and on one on which several go on side by side."""
    monkeypatch.setattr(removal, "may_fork", lambda: False)  # with processes: further below
    monkeypatch.setattr(removal, "SLOW", 3600 if request.param == "quick" else -1)
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
    assert set(asked) == set(TREES["few above and many below"])
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


def test_folders_that_are_not_like_their_siblings_go_as_well(store):
    files = {f"gone/a/{number}/data": number for number in range(100)}
    files |= {f"gone/a/{number}/more": 3 for number in range(0, 100, 7)}
    files |= {f"gone/a/{number}x/other": 5 for number in range(0, 100, 9)}
    grown(store, files)
    for number in range(0, 100, 11):
        os.makedirs(os.path.join(store.root, f"gone/a/{number}y"))  # nothing in it
        os.makedirs(os.path.join(store.root, f"gone/a/{number}z/data/deeper"))  # a folder of that name
    assert store.remove("gone") == sum(files.values())
    assert store.kind("gone") is None


# ---- with processes: in one that has no other thread -------------------------------------------------------

FORKING = """
import os, signal, sys, time
from prune.sources.forking import forked
from prune.sources.stores import removal
from prune.sources.stores.disk import DiskStore
main, asked = os.getpid(), sys.argv[2]
remove, done = removal._remove_piece, [0]
def watched(piece, counts):
    done[0] += 1
    here = os.getpid() == main
    if asked == "child dies" and not here and done[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if asked == "child fails" and not here and done[0] == 3:
        raise OSError(5, os.strerror(5), "there")
    if asked == "parent dies":
        if here and done[0] == 2:
            os.kill(main, signal.SIGKILL)
        if not here:
            time.sleep(600)
    if not here:
        open(sys.argv[1] + "/forked", "w").close()
    return remove(piece, counts)
removal._remove_piece = watched
removal.MOST_PROCESSES = 2
os.cpu_count = lambda: 2
store = DiskStore(sys.argv[1])
with store.lock("lock"):
    try:
        print(store.remove("gone"))
    except OSError as error:
        print(error.strerror, error.filename)
"""


def forking(root: Path, asked: str) -> subprocess.CompletedProcess:
    files = {f"gone/a/{number % 40}/{number}/data": number for number in range(4000)}
    grown(DiskStore(str(root)), files)
    return subprocess.run(
        [sys.executable, "-c", FORKING, str(root), asked], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("asked", ["nothing", "child dies"])
def test_processes_share_the_work_and_what_one_leaves_is_done(tmp_path, asked):
    done = forking(tmp_path, asked)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "forked").exists()
    assert not (tmp_path / "gone").exists()
    counted, all_of_it = int(done.stdout), sum(range(4000))
    # What was removed by one that was killed was counted by nobody.
    assert counted == all_of_it if asked == "nothing" else 0 < counted < all_of_it


def test_what_fails_in_another_process_is_said(tmp_path):
    done = forking(tmp_path, "child fails")
    assert done.stdout.split() == [*os.strerror(errno.EIO).split(), "there"], done.stderr
    assert DiskStore(str(tmp_path)).remove("gone") > 0


def test_with_the_process_that_began_all_others_end_and_let_go_of_the_lock(tmp_path):
    assert forking(tmp_path, "parent dies").returncode == -signal.SIGKILL
    store = DiskStore(str(tmp_path))
    over = time.monotonic() + 60
    while True:
        try:
            with store.lock("lock"):
                break
        except Refused:
            assert time.monotonic() < over
            time.sleep(0.01)
    assert store.remove("gone") > 0
