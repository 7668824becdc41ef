"""A remembered scan says what a fresh one says."""

import json
import os
import random
import shutil
import time

import msgspec
import pytest

from prune.cli import main
from prune.model.errors import UsageError
from prune.plan.summary import summarise
from prune.sources import cache
from prune.sources.base import silent
from prune.sources.cache import scan_cached
from prune.sources.open import open_source
from prune.sources.unchanged import unchanged
from tests.stores import V1Store, V2Store, age, seed_branch


@pytest.fixture
def store(tmp_path) -> V2Store:
    made = V2Store(tmp_path / "registry")
    layers = [made.layer() for _ in range(4)]
    for repo in ("a", "a/b", "c"):
        for number in range(4):
            made.image(repo, f"v{number}", layers=layers[: number + 1])
    made.layer(5)
    age(tmp_path)
    return made


def wait():
    """Let the clock of the file system tick: what changed right before a scan is not trusted."""
    time.sleep(0.03)


def rescan(store, file):
    return scan_cached(open_source(store.source), str(file), silent)


def fresh(store):
    return summarise(open_source(store.source).scan())


def mutations(store: V2Store, rng: random.Random):
    """One change of the kind that servers, collectors and accidents make."""
    base = store.base
    repo = rng.choice(["a", "a/b", "c", "new"])
    links = sorted(base.glob("repositories/**/current/link"))
    revisions = sorted(base.glob("repositories/**/revisions/*/*/link"))
    blobs = sorted(base.glob("blobs/*/*/*"))
    return [
        lambda: store.image(repo, f"n{rng.random()}", layers=[store.layer()]),
        lambda: links and rng.choice(links).write_bytes(rng.choice(links).read_bytes()),  # moved in place
        lambda: links and shutil.rmtree(rng.choice(links).parents[1]),
        lambda: links and rng.choice(links).write_bytes(b""),
        lambda: revisions and rng.choice(revisions).unlink(),
        lambda: revisions and rng.choice(revisions).write_bytes(b"odd"),
        lambda: blobs and shutil.rmtree(rng.choice(blobs)),
        lambda: store.blob(str(rng.random()).encode()),
        lambda: store.upload(repo, f"u{rng.random()}", started=rng.choice(["2026-01-01T00:00:00Z", "?"])),
        lambda: (base / "repositories" / f"stray{rng.random()}").write_bytes(b""),
        lambda: shutil.rmtree(base / "repositories/c", ignore_errors=True),
        lambda: os.symlink("/", base / f"repositories/link{rng.random()}"),
    ]


@pytest.mark.parametrize("seed", range(30))
def test_it_always_says_what_a_fresh_scan_says(store, tmp_path, seed):
    rng = random.Random(seed)
    file = tmp_path / "cache"
    assert rescan(store, file) == fresh(store)
    for number in range(6):
        if number % 2:
            wait()
        rng.choice(mutations(store, rng))()
        if seed % 2:
            wait()
        assert rescan(store, file) == fresh(store)
        assert rescan(store, file) == fresh(store)


def test_nothing_is_read_when_nothing_changed(store, tmp_path, capsys, monkeypatch):
    file = str(tmp_path / "cache")
    wait()
    assert main(["scan", store.source, "--cache", file, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("prune.sources.stores.disk.DiskStore.read", None)
    for arguments in (
        ["scan", store.source, "--cache", file, "--json"],
        ["scan", "--json", "--cache", file, store.source],
    ):
        assert main(arguments) == 0
        again = json.loads(capsys.readouterr().out)
        assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert main(["scan", store.source, "--cache", file]) == 0
    assert "12" in capsys.readouterr().out


def test_an_incomplete_scan_says_so_from_the_cache_too(store, tmp_path, capsys):
    next(store.base.glob("repositories/**/current/link")).write_bytes(b"")
    file = str(tmp_path / "cache")
    for _ in range(2):
        assert main(["scan", store.source, "--cache", file, "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["problems"]


@pytest.mark.parametrize(
    "damage", [b"", b"registryui-cache 4 1 2 3\n", b"\xff" * 100, b"registryui-cache 4 " + b"9" * 90]
)
def test_a_damaged_file_is_written_anew(store, tmp_path, damage):
    file = tmp_path / "cache"
    rescan(store, file)
    body = file.read_bytes()
    file.write_bytes(damage)
    assert rescan(store, file) == fresh(store)
    file.write_bytes(body[: len(body) // 2])
    assert rescan(store, file) == fresh(store)
    # Wherever a bit flips in the head, the file is of no use; never is a wrong figure shown.
    head = body.index(b"\x83" if b"\x83" in body else b"\n")
    for place in range(0, min(len(body), head + 4000), 37):
        flipped = bytearray(body)
        flipped[place] ^= 1
        file.write_bytes(flipped)
        found = unchanged(store.source, str(file))
        assert found is None or json.loads(found.summary) == json.loads(msgspec.json.encode(fresh(store)))


def test_the_cache_of_another_store_is_of_no_use(store, tmp_path):
    other = V2Store(tmp_path / "other")
    other.image("x", "1")
    file = tmp_path / "cache"
    rescan(store, file)
    assert rescan(other, file) == fresh(other)


def test_times_too_close_to_the_scan_are_not_trusted(store, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_FINE", 3600 * 10**9)
    file = tmp_path / "cache"
    rescan(store, file)
    assert unchanged(store.source, str(file)) is None
    assert rescan(store, file) == fresh(store)


def test_a_v1_store_is_remembered_too(tmp_path):
    store = V1Store(tmp_path / "v1")
    seed_branch(store)
    wait()
    file = tmp_path / "cache"
    assert rescan(store, file) == fresh(store)
    assert unchanged(store.source, str(file)) is not None
    store.tag("library/seed", "latest", "C")
    assert unchanged(store.source, str(file)) is None
    assert rescan(store, file) == fresh(store)


def test_a_cache_that_cannot_be_written_is_wrong_use(store, tmp_path):
    with pytest.raises(UsageError, match="cache"):
        rescan(store, tmp_path / "no/such/folder/cache")
