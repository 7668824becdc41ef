"""Reading V1 storage."""

import os
import shutil

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.sources.open import open_source
from tests.stores import V1Store, age, seed_branch, write

NOW = 1_900_000_000


@pytest.fixture
def store(tmp_path) -> V1Store:
    made = V1Store(tmp_path)
    seed_branch(made)
    made.image("E")
    made.tag("team/other", "v1", "E")
    made.image("F", "B")
    age(tmp_path)
    return made


def scan(store):
    return open_source(store.source).scan()


def test_it_counts_what_is_there(store):
    summary = summarise(scan(store))
    assert summary.complete
    assert (summary.repositories, summary.tags, summary.images) == (2, 4, 6)
    assert (summary.unreferenced_blobs, summary.unreferenced_bytes) == (1, 1000)


def test_the_json_of_a_tag_is_no_tag_and_a_tag_called_json_is_one(store):
    store.tag("library/seed", "json", "C")
    store.tag("library/seed", "_x", "C")
    store.tag("library/seed", "x_json", "D")
    assert set(scan(store).repositories["library/seed"].tags) == {
        "version1", "version2", "latest", "json", "_x", "x_json"
    }  # fmt: skip


def ancestry(store, letter):
    return store.root / "images" / store.id(letter) / "ancestry"


def link(path, target):
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(target)


BREAKS = {
    "missing ancestry": lambda s: ancestry(s, "D").unlink(),
    "empty ancestry": lambda s: ancestry(s, "D").write_bytes(b""),
    "ancestry is no JSON": lambda s: ancestry(s, "D").write_bytes(b"nonsense"),
    "ancestry is an object": lambda s: ancestry(s, "D").write_bytes(b"{}"),
    "ancestry of another": lambda s: ancestry(s, "D").write_bytes(ancestry(s, "C").read_bytes()),
    "ancestry in a circle": lambda s: ancestry(s, "D").write_text(f'["{s.id("D")}","{s.id("B")}","{s.id("D")}"]'),
    "ancestry names what is absent": lambda s: ancestry(s, "D").write_text(f'["{s.id("D")}","{s.id("9")}"]'),
    "ancestry is a symlink": lambda s: link(ancestry(s, "D"), "/etc/hostname"),
    "image is a symlink": lambda s: link(s.root / "images" / s.id("A"), "/tmp"),
    "base is missing": lambda s: shutil.rmtree(s.root / "images" / s.id("B")),
    "0-byte tag": lambda s: write(s.root / "repositories/library/seed/tag_latest", b""),
    "tag with nonsense": lambda s: write(s.root / "repositories/library/seed/tag_latest", b"?!"),
    "binary tag": lambda s: write(s.root / "repositories/library/seed/tag_latest", b"\xff\xfe"),
    "tag points at nothing": lambda s: s.tag("library/seed", "latest", "9"),
    "tag is a symlink": lambda s: link(s.root / "repositories/library/seed/tag_latest", "tag_version1"),
    "tag is a pipe": lambda s: os.mkfifo(s.root / "repositories/library/seed/tag_pipe"),
    "0-byte tag_x_json": lambda s: write(s.root / "repositories/library/seed/tag_x_json", b""),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_cannot_be_read_keeps_its_repository_and_every_image(store, name):
    BREAKS[name](store)
    snapshot = scan(store)
    assert not snapshot.complete
    assert not snapshot.repositories["library/seed"].complete
    request = Request(("library/seed:version1", "library/seed", "team/other"), sweep=True, grace=0)
    plan = make_plan(snapshot, request, now=NOW)
    assert plan.delete.images == ()
    assert plan.freed_bytes == 0
    assert {tag.repository for tag in plan.delete.tags} <= {"team/other"}
    assert {refusal.ref for refusal in plan.refused} >= {"library/seed:version1", "library/seed"}


def test_an_image_that_nothing_reaches_with_odd_ancestry_keeps_all_images(store):
    ancestry(store, "F").unlink()
    snapshot = scan(store)
    assert not snapshot.complete
    plan = make_plan(snapshot, Request(("library/seed:version1",), sweep=True, grace=0), now=NOW)
    assert [tag.tag for tag in plan.delete.tags] == ["version1"]
    assert plan.delete.images == ()


@pytest.mark.parametrize("where", ["images/stray", "repositories/stray", "repositories/library/stray"])
def test_stray_files_are_reported_and_left_alone(store, where):
    write(store.root / where, b"x")
    snapshot = scan(store)
    assert snapshot.complete
    assert [problem.where for problem in snapshot.problems] == [where]


def test_a_linked_repository_keeps_the_whole_store(store):
    (store.root / "repositories/evil").symlink_to("/")
    snapshot = scan(store)
    plan = make_plan(snapshot, Request(("library/seed",), sweep=True, grace=0), now=NOW)
    assert plan.is_empty()


def test_an_image_without_a_readable_json_is_only_of_unknown_age(store):
    write(store.root / "images" / store.id("C") / "json", b"[[[[")
    snapshot = scan(store)
    assert snapshot.complete
    assert snapshot.images[store.id("C")].created == ""
