"""What buckets hold and do besides: versions, marks of folders, names that no path has, objects too large to copy."""

import json
import time

import obstore
import pytest

from prune.cli import main
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.objects.memory import pulled
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, seed_chain


@pytest.fixture
def v2(bucket, tmp_path):
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    return bucket


def plan_for(bucket, *refs, sweep=False):
    snapshot = open_source(bucket.source).scan(configs=False)
    return make_plan(snapshot, Request(refs, sweep, grace=0), now=int(time.time()) + 2)


def test_a_bucket_that_keeps_versions_says_so_and_undo_works(bucket, tmp_path, capsys):
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    before = bucket.objects()
    snapshot = open_source(bucket.source).scan(configs=False)
    assert snapshot.complete
    assert any("keeps versions" in problem.what for problem in snapshot.problems)
    assert open_source(bucket.source).scan(known=snapshot, configs=False).problems == snapshot.problems
    file = tmp_path / "plan.json"
    file.write_bytes(plan_for(bucket, "team/app:2.0").to_json())
    assert main(["apply", bucket.source, str(file), "--yes", "--registry-stopped", "x", "--json"]) == 0
    said = capsys.readouterr()
    assert "keeps versions" in said.err
    assert main(["restore", bucket.source, json.loads(said.out)["run"]]) == 0
    assert bucket.objects() == before
    assert main(["apply", bucket.source, str(file), "--yes", "--registry-stopped", "x"]) == 0
    capsys.readouterr()
    assert main(["empty-trash", bucket.source, "--yes"]) == 0
    assert "keeps versions" in capsys.readouterr().err


def test_marks_of_folders_are_left_alone(v2):
    before = v2.objects()
    for folder in ("docker/registry/v2/blobs/", "docker/registry/v2/repositories/team/app/_uploads/", "docker/"):
        v2.client.put_object(Bucket=v2.name, Key=folder, Body=b"")
    for tag in ("2.0", "stable"):
        key = f"docker/registry/v2/repositories/team/app/_manifests/tags/{tag}/"
        v2.client.put_object(Bucket=v2.name, Key=key, Body=b"")
    plan = plan_for(v2, "team/app:2.0", sweep=True)
    outcome = apply(open_source(v2.source), plan, stopped="test")
    assert outcome.state == "done"
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert pulled(v2.objects()) == {key: what for key, what in pulled(before).items() if key not in gone}
    assert open_source(v2.source).scan().complete
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert v2.objects() == before


def test_an_object_in_the_place_of_a_folder_is_not_moved_as_one(v2):
    obstore.put(v2.store, "here/odd", b"odd")
    obstore.put(v2.store, "here/folder/file", b"four")
    store = open_source(v2.source).store
    with store.together(["here", "trash"]) as together:
        with pytest.raises(NotADirectoryError):
            together.move("here/odd", "trash/odd", folder=True)
        together.move("here/folder", "trash/folder", folder=True)
        looked_at = together.stat_each("here", ["folder/file", "odd", "folder", "nothing"])
    assert [stat and stat.size for stat in looked_at] == [4, 3, None, None]
    assert [path for path, _ in store.files("here")] == ["here/odd"]
    assert [path for path, _ in store.files("trash")] == ["trash/folder/file"]
    assert [stat and stat.size for stat in store.stat_each("here", ["odd", "folder/file"])] == [3, None]


def test_a_name_that_is_no_path_makes_the_scan_incomplete(v2, capsys):
    v2.client.put_object(Bucket=v2.name, Key="docker/registry/v2/repositories/team//app/x", Body=b"")
    assert main(["scan", v2.source, "--json"]) == 3
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert "a name with an empty segment" in problems[0]["what"]
    assert main(["plan", v2.source, "--delete", "team/app:2.0", "--json"]) == 3
    assert not any(json.loads(capsys.readouterr().out)["delete"].values())


def test_what_is_too_large_for_a_copy_passes_through(v2, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.bucket.MOST_COPIED", 900)
    before = v2.objects()
    plan = plan_for(v2, "team/app:2.0", sweep=True)
    large = [blob for blob in plan.delete.blobs if blob.size > 900]
    assert large
    v2.server.counted()
    outcome = apply(open_source(v2.source), plan, stopped="test")
    assert outcome.state == "done"
    assert v2.server.counted()["post"] >= len(large)  # uploads in parts
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert v2.objects() == before


def test_a_registry_of_which_everything_is_in_the_trash_is_still_one(v2):
    before = v2.objects()
    everything = plan_for(v2, "team/app", "copy/of/app", "multi", "multi/nested", sweep=True)
    outcome = apply(open_source(v2.source), everything, stopped="test")
    assert v2.objects() == {}
    assert open_source(v2.source).scan().repositories == {}
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert v2.objects() == before


def test_v1_from_plan_to_undo(bucket, tmp_path):
    store = V1Store(tmp_path / "v1")
    seed_chain(store)
    bucket.fill(store.root)
    before = bucket.objects()
    plan = plan_for(bucket, "library/seed")
    assert len(plan.delete.images) == 4
    outcome = apply(open_source(bucket.source), plan, stopped="test")
    assert (outcome.state, bucket.objects()) == ("done", {})
    assert open_source(bucket.source).kind == "storage-v1"
    assert restore(open_source(bucket.source), outcome.run).state == "done"
    assert bucket.objects() == before


@pytest.mark.parametrize("keys", [["x/y"], ["docker/other"], [".registryui/runs/1/plan.json"]])
def test_a_bucket_without_a_registry_is_said_to_be_none(bucket, capsys, keys):
    for key in keys:
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"")
    assert main(["scan", bucket.source]) == 1
    assert "is no registry" in capsys.readouterr().err
