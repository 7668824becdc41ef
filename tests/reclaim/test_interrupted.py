"""Between a crash and the resume the registry may have been started and pushed to; or it never stood still."""

import json

import pytest

from prune.reclaim.restore import restore
from prune.sources.open import open_source
from prune.sources.stores.disk import DiskStore
from tests.reclaim.naive import pulled, v1_pulled
from tests.reclaim.test_apply import plan_for, run
from tests.stores import age


def interrupted_at(part: str, store, plan, monkeypatch) -> None:
    """Carry a plan out, and stop before anything with ``part`` in its path moves."""
    move = DiskStore.move

    def stop(self, source, target, **only):
        if part in source:
            raise KeyboardInterrupt
        move(self, source, target, **only)

    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "move", stop)
        with pytest.raises(KeyboardInterrupt):
            run(store, plan)


def push_again(store, repo: str, tag: str, digest: str) -> None:
    """What a registry does for a push of which it has every blob: links, and nothing else."""
    document = json.loads(store.blob_path(digest).read_bytes())
    for part in (document["config"], *document["layers"]):
        store.link_layer(repo, part["digest"])
    store.link(repo, digest, tag)


def test_an_image_pushed_again_stays_whole_and_the_rest_goes_on(v2, monkeypatch):
    whole = pulled(v2)
    plan = plan_for(v2, "team/app:2.0", "multi:1", "multi:latest")
    (two,) = {tag.digest for tag in plan.delete.tags if tag.tag == "2.0"}
    interrupted_at("/blobs/", v2, plan, monkeypatch)
    push_again(v2, "team/app", "2.0", two)
    outcome = run(v2, plan)
    assert outcome.state == "partial"
    assert {"team/app:2.0", f"team/app@{two}"} <= {skipped.item for skipped in outcome.skipped}
    gone = {("multi", "1"), ("multi", "latest")}
    assert pulled(v2) == {key: what for key, what in whole.items() if key not in gone}
    assert open_source(v2.source).scan().complete
    assert outcome.freed_bytes > 0
    restore(open_source(v2.source), outcome.run)
    assert pulled(v2) == whole


def test_a_repository_pushed_to_again_stays_whole(v2, monkeypatch):
    """Taken as a whole, and there again with one tag: nothing of that one goes, whatever else there was."""
    whole = pulled(v2)
    plan = plan_for(v2, "team/app", "multi/nested")
    (two,) = {tag.digest for tag in plan.delete.tags if tag.tag == "2.0"}
    interrupted_at("/blobs/", v2, plan, monkeypatch)
    push_again(v2, "team/app", "2.0", two)
    assert run(v2, plan).state == "partial"
    kept = {key: what for key, what in whole.items() if key[0] not in ("team/app", "multi/nested")}
    assert pulled(v2) == kept | {("team/app", "2.0"): whole["team/app", "2.0"]}
    assert open_source(v2.source).scan().complete


def test_a_layer_that_a_push_counts_on_stays(v2, monkeypatch):
    """The registry was asked for it and linked it again; its manifest is still under way."""
    plan = plan_for(v2, "team/app:2.0")
    (two,) = {tag.digest for tag in plan.delete.tags}
    layers = [layer["digest"] for layer in json.loads(v2.blob_path(two).read_bytes())["layers"]]
    interrupted_at("/blobs/", v2, plan, monkeypatch)
    for layer in layers:
        v2.link_layer("team/app", layer)
    run(v2, plan)
    for layer in layers:
        assert v2.blob_path(layer).exists()


def test_a_blob_uploaded_again_stays(v2, monkeypatch):
    plan = plan_for(v2, "team/app:2.0", "multi:1", "multi:latest")
    blobs = sorted(blob.digest for blob in plan.delete.blobs)
    body = v2.blob_path(blobs[0]).read_bytes()
    interrupted_at(str(v2.blob_path(blobs[-1]).parent.relative_to(v2.root)), v2, plan, monkeypatch)
    assert not v2.blob_path(blobs[0]).exists()
    v2.blob(body)
    outcome = run(v2, plan)
    assert blobs[0] in {skipped.item for skipped in outcome.skipped}
    assert v2.blob_path(blobs[0]).read_bytes() == body
    assert not v2.blob_path(blobs[-1]).exists()


def test_a_v1_image_pushed_again_keeps_all_that_it_is_based_on(v1, root, monkeypatch):
    """As a push does: the images first, what is based on others last, and the tag not yet."""
    v1.image("G", "C")
    v1.tag("library/seed", "g", "G")
    age(root)
    plan = plan_for(v1, "library/seed:g", "library/seed:version1")
    assert {image.id for image in plan.delete.images} == {v1.id("C"), v1.id("G")}
    interrupted_at(f"images/{v1.id('C')}", v1, plan, monkeypatch)
    assert not (root / "images" / v1.id("G")).exists()
    v1.image("G", "C")
    outcome = run(v1, plan)
    assert outcome.state == "partial"
    assert (root / "images" / v1.id("C") / "layer").exists()
    assert open_source(v1.source).scan().complete


def test_a_v1_tag_set_again_keeps_its_images(v1, root, monkeypatch):
    whole = v1_pulled(root)
    plan = plan_for(v1, "library/seed:version1")
    interrupted_at("images/", v1, plan, monkeypatch)
    v1.tag("library/seed", "version1", "C")
    assert run(v1, plan).state == "partial"
    assert v1_pulled(root) == whole


def test_a_push_in_the_middle_of_a_run_stops_it_before_any_blob(v2, monkeypatch):
    """Although somebody said that nobody can push: what was judged no longer holds."""
    plan = plan_for(v2, "team/app:1.0", "team/app:2.0")
    two = plan.delete.tags[1].digest
    layers = [layer["digest"] for layer in json.loads(v2.blob_path(two).read_bytes())["layers"]]
    move, left = DiskStore.move, [1]

    def late(self, source, target, **only):
        move(self, source, target, **only)
        if source.endswith("/tags/1.0") and left:
            left.pop()
            v2.image("team/app", "2.0", layers=layers)

    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "move", late)
        outcome = run(v2, plan)
    assert outcome.state == "failed"
    assert "still pushes" in outcome.message
    assert outcome.freed_bytes == 0
    whole = pulled(v2)
    again = run(v2, plan)
    assert again.state == "partial"
    assert pulled(v2) == whole
    assert ("team/app", "2.0") in whole
    assert open_source(v2.source).scan().complete


def test_any_part_of_a_repository_that_stays_stops_a_run_before_any_blob(v2, monkeypatch):
    """Also the links to its layers, which no item of the plan is counted by."""
    plan = plan_for(v2, "multi")
    assert plan.delete.blobs
    layers = v2.repository_path("multi") / "_layers"
    move = DiskStore.move

    def late(self, source, target, **only):
        move(self, source, target, **only)
        if source.endswith("/multi/_manifests"):
            layers.rename(layers.with_name("aside"))
            layers.symlink_to("aside")

    monkeypatch.setattr(DiskStore, "move", late)
    outcome = run(v2, plan)
    assert outcome.state == "failed"
    assert "_layers is a symbolic link" in outcome.message
    assert all(v2.blob_path(blob.digest).exists() for blob in plan.delete.blobs)
