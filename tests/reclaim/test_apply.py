"""Carrying plans out on disk."""

import json
import os
import time

import pytest

from prune.model.errors import Refused, Stale
from prune.model.plan import Plan, Request, read_plan
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash, list_runs
from prune.sources.open import open_source
from tests.reclaim.naive import pulled, v1_pulled
from tests.stores import V2Store, data_bytes, tree

WHY = "stopped for the test"


def plan_for(store, *refs, sweep=False, grace=3600) -> Plan:
    source = open_source(store.source)
    return make_plan(source.scan(), Request(refs, sweep=sweep, grace=grace), now=int(time.time()))


def run(store, plan, **more):
    return apply(open_source(store.source), plan, stopped=WHY, **more)


REQUESTS = [
    (("team/app:1.0",), False),
    (("team/app:1.0", "team/app:stable"), False),
    (("team/app:2.0",), True),
    (("team/app",), False),
    (("multi:1", "multi:latest"), False),
    (("multi",), False),
    (("copy/of/app", "team/app", "multi", "multi/nested"), True),
    ((), True),
]


@pytest.mark.parametrize(("refs", "sweep"), REQUESTS)
def test_what_stays_is_pulled_byte_for_byte_and_a_restore_brings_all_back(v2, root, refs, sweep):
    before, whole, size = tree(root), pulled(v2), data_bytes(root)
    plan = plan_for(v2, *refs, sweep=sweep)
    outcome = run(v2, plan)
    assert outcome.state == "done"
    assert outcome.skipped == ()
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert gone or sweep
    assert pulled(v2) == {key: what for key, what in whole.items() if key not in gone}
    assert size - data_bytes(root) == plan.freed_bytes == outcome.freed_bytes
    counted = sum(len(getattr(plan.delete, field)) for field in plan.delete.__struct_fields__)
    assert outcome.done == counted
    for name in plan.delete.repositories:
        assert not (v2.repository_path(name) / "_manifests").exists()
        assert v2.repository_path(name).exists() == (name == "multi")  # another one lies below it
    after = open_source(v2.source).scan()
    assert after.complete
    assert set(after.repositories) == {"team/app", "copy/of/app", "multi", "multi/nested"} - set(
        plan.delete.repositories
    )
    restored = restore(open_source(v2.source), outcome.run)
    assert (restored.state, restored.done) == ("done", counted)
    assert tree(root) == before


def test_it_says_that_it_is_done_when_asked_again(v2, root):
    plan = plan_for(v2, "team/app:2.0")
    first = run(v2, plan)
    after = tree(root)
    again = run(v2, plan)
    assert (again.state, again.run, again.done, again.freed_bytes) == (
        "done",
        first.run,
        first.done,
        first.freed_bytes,
    )
    assert tree(root) == after


def test_a_restored_plan_can_be_applied_anew(v2):
    plan = plan_for(v2, "team/app:2.0")
    first = run(v2, plan)
    restore(open_source(v2.source), first.run)
    second = run(v2, plan)
    assert second.run != first.run
    assert second.done == first.done


def test_the_seed_in_v1(v1, root):
    before, whole, size = tree(root), v1_pulled(root), data_bytes(root, "layer")
    plan = plan_for(v1, "library/seed:version1")
    outcome = run(v1, plan)
    assert (outcome.state, outcome.freed_bytes) == ("done", 1000)
    assert v1_pulled(root) == {key: v for key, v in whole.items() if key != ("library/seed", "version1")}
    assert size - data_bytes(root, "layer") == 1000
    assert not (root / "images" / v1.id("C")).exists()
    assert not (root / "repositories/library/seed/tagversion1_json").exists()
    listed = json.loads((root / "repositories/library/seed/_index_images").read_text())
    assert [entry["id"] for entry in listed] == [v1.id(letter) for letter in "ABD"]
    assert v1.id("C") not in (root / "repositories/library/seed/_images_list").read_text()
    restored = restore(open_source(v1.source), outcome.run)
    assert restored.state == "done"
    assert tree(root) == before


def test_a_whole_v1_repository_leaves_with_its_folder(v1, root):
    before = tree(root)
    outcome = run(v1, plan_for(v1, "library/seed", sweep=True))
    assert outcome.state == "done"
    assert not (root / "repositories/library/seed").exists()
    assert {path.name for path in (root / "images").iterdir()} == {v1.id(letter) for letter in "ABE"}
    restore(open_source(v1.source), outcome.run)
    assert tree(root) == before


def test_without_trash_the_disk_has_the_bytes_at_once(v2, root):
    plan = plan_for(v2, "team/app:2.0")
    outcome = run(v2, plan, trash=False)
    assert (outcome.state, outcome.trash) == ("done", None)
    assert not [path for path in root.rglob("data") if ".registryui" in path.parts]
    with pytest.raises(Refused, match="emptied"):
        restore(open_source(v2.source), outcome.run)
    assert run(v2, plan).state == "done"


def test_the_trash_gives_its_bytes_back_when_it_is_old_enough(v2, root):
    source = open_source(v2.source)
    plan = plan_for(v2, "team/app:2.0")
    outcome = run(v2, plan)
    now = int(time.time())
    assert empty_trash(source, older_than=3600, now=now).runs == ()
    emptied = empty_trash(source, older_than=3600, now=now + 4000)
    assert emptied.runs == (outcome.run,)
    assert emptied.freed_bytes == plan.freed_bytes
    assert [r.state for r in list_runs(source)] == ["emptied"]
    assert empty_trash(source, older_than=None, now=now).runs == ()
    with pytest.raises(Refused, match="no run"):
        empty_trash(source, older_than=None, now=now, runs=["000000000000-1"])


# ---- refusals ---------------------------------------------------------------------------------------------


def test_it_needs_a_word_on_the_registry(v2, root):
    before = tree(root)
    for word in (None, "", "  "):
        with pytest.raises(Refused, match="under control"):
            apply(open_source(v2.source), plan_for(v2, "team/app"), stopped=word)
    assert tree(root) == before
    assert not (root / ".registryui").exists()


def test_a_plan_for_another_store_is_refused(v2, root, tmp_path):
    plan = plan_for(v2, "team/app")
    other = V2Store(tmp_path / "other")
    other.image("team/app", "1.0")
    with pytest.raises(Refused, match="made for"):
        apply(open_source(other.source), plan, stopped=WHY)


def test_a_plan_that_was_edited_is_refused(v2):
    text = plan_for(v2, "team/app:2.0").to_json()
    assert read_plan(text).request.delete == ("team/app:2.0",)
    for edited in (text.replace(b"2.0", b"1.0"), text[:-1] + b',"x":1}', text[:50], b"", b"[]", b"\xff"):
        with pytest.raises(Refused):
            read_plan(edited)


def test_a_plan_of_which_nothing_holds_is_stale(v2, root):
    plan = plan_for(v2, "team/app:2.0")
    v2.tag("team/app", "2.0", v2.tag_path("team/app", "1.0").read_text())
    v2.tag("team/app", "other", plan.delete.tags[0].digest)
    before = tree(root)
    with pytest.raises(Stale):
        run(v2, plan)
    assert tree(root) == before


def test_two_at_once_are_refused(v2, root):
    source = open_source(v2.source)
    with source.store.lock(".registryui/lock"), pytest.raises(Refused, match="running"):
        run(v2, plan_for(v2, "team/app"))
    assert run(v2, plan_for(v2, "team/app")).state == "done"


# ---- drift ------------------------------------------------------------------------------------------------


def test_a_moved_tag_is_skipped_and_what_it_points_at_stays(v2, root):
    plan = plan_for(v2, "team/app:2.0", "multi:1", "multi:latest")
    two = plan.delete.tags[-1]
    assert two.tag == "2.0"
    v2.tag("team/app", "again", two.digest)
    v2.tag("multi", "1", v2.image("multi", layers=[v2.layer()]))
    before = pulled(v2)
    outcome = run(v2, plan)
    assert outcome.state == "partial"
    reasons = {skipped.item: skipped.reason for skipped in outcome.skipped}
    assert "moved" in reasons["multi:1"]
    assert f"team/app@{two.digest}" in reasons
    gone = {("multi", "latest"), ("team/app", "2.0")}
    assert pulled(v2) == {key: what for key, what in before.items() if key not in gone}


def test_a_blob_that_a_new_image_needs_stays(v2):
    plan = plan_for(v2, "team/app:2.0")
    layers = [blob.digest for blob in plan.delete.blobs if blob.size == 1000]
    v2.image("new", "1", layers=layers)
    outcome = run(v2, plan)
    assert outcome.state == "partial"
    assert {skipped.item for skipped in outcome.skipped} == set(layers)
    assert ("new", "1") in pulled(v2)


def test_when_something_became_unreadable_no_blob_goes(v2):
    plan = plan_for(v2, "team/app:2.0")
    v2.tag_path("multi", "1").write_bytes(b"")
    outcome = run(v2, plan)
    assert outcome.state == "partial"
    assert outcome.freed_bytes == 0
    assert not v2.tag_path("team/app", "2.0").exists()


def test_a_link_in_place_of_an_item_is_not_followed(v2, root, tmp_path):
    plan = plan_for(v2, "team/app:2.0")
    blob = v2.blob_path(plan.delete.blobs[0].digest).parent
    precious = tmp_path / "precious"
    os.rename(blob, precious)
    blob.symlink_to(precious)
    run(v2, plan)
    assert (precious / "data").exists()


# ---- restore ----------------------------------------------------------------------------------------------


def test_what_was_pushed_again_is_not_overwritten(v2, root):
    plan = plan_for(v2, "team/app:2.0", "multi")
    outcome = run(v2, plan)
    new = v2.image("team/app", "2.0", layers=[v2.layer()])
    v2.image("multi", "latest", "fresh", layers=[v2.layer()])
    restored = restore(open_source(v2.source), outcome.run)
    assert restored.state == "partial"
    assert {skipped.item for skipped in restored.skipped} == {"team/app:2.0", "multi:latest"}
    assert v2.tag_path("team/app", "2.0").read_text() == new
    assert set(pulled(v2)) >= {("multi", "1"), ("multi", "latest"), ("multi", "fresh"), ("team/app", "2.0")}
    assert open_source(v2.source).scan().complete


def test_a_partial_restore_can_be_finished_later(v2, root):
    before = tree(root)
    outcome = run(v2, plan_for(v2, "team/app:2.0"))
    v2.tag("team/app", "2.0", v2.tag_path("team/app", "1.0").read_text())
    assert restore(open_source(v2.source), outcome.run).state == "partial"
    for path in sorted(v2.tag_path("team/app", "2.0").parents[1].rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    v2.tag_path("team/app", "2.0").parents[1].rmdir()
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert tree(root) == before


def test_the_same_blob_pushed_again_is_no_obstacle(v2):
    plan = plan_for(v2, "team/app:2.0")
    bodies = [v2.blob_path(blob.digest).read_bytes() for blob in plan.delete.blobs]
    outcome = run(v2, plan)
    for body in bodies:
        v2.blob(body)
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert ("team/app", "2.0") in pulled(v2)


def test_a_list_of_images_that_was_written_since_is_left(v1, root):
    outcome = run(v1, plan_for(v1, "library/seed:version1"))
    (root / "repositories/library/seed/_index_images").write_text("[]")
    restored = restore(open_source(v1.source), outcome.run)
    assert restored.state == "partial"
    assert [skipped.item for skipped in restored.skipped] == ["library/seed _index_images"]
    assert (root / "repositories/library/seed/_index_images").read_text() == "[]"
    assert (root / "images" / v1.id("C") / "layer").exists()


@pytest.mark.parametrize("name", ["", "../../etc", "000000000000-1", "x-1"])
def test_a_run_that_is_not_known(v2, name):
    with pytest.raises(Refused):
        restore(open_source(v2.source), name)
