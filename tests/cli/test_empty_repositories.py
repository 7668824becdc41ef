"""Repositories in which nothing is left: when a sweep takes them, and when it must not."""

import json
import time

import pytest

from prune.cli import main
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.reclaim.conftest import fill
from tests.reclaim.naive import closure, pulled
from tests.servers import push, push_examples, registry
from tests.stores import V1Store, V2Store, age, data_bytes, seed_branch, tree

OPTIONS = ("--sweep", "--empty-repositories")


@pytest.fixture
def store(tmp_path) -> V2Store:
    """A store with everything in it, and repositories that are empty in every way, or nearly."""
    v2 = fill(V2Store(tmp_path / "registry"))
    (v2.repository_path("bare") / "_manifests/tags").mkdir(parents=True)
    deleted = v2.image("deleted", "1", layers=[v2.layer()])
    v2.revision_path("deleted", deleted).unlink()  # as a deletion over the API leaves it
    tag = v2.tag_path("deleted", "1").parents[1]
    for path in sorted(tag.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    tag.rmdir()
    v2.image("untagged")
    v2.link_layer("around", v2.layer())
    v2.image("around/inner", "1")
    v2.upload("waiting", "left-over")
    (v2.repository_path("odd") / "_manifests").mkdir(parents=True)
    (v2.repository_path("odd") / "_layers").mkdir()
    (v2.repository_path("odd") / "README").write_text("somebody's")
    age(v2.root)
    v2.upload("pushing", "now", started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    v2.link_layer("mounting", v2.layer())
    return v2


GO = ["around", "bare", "deleted", "untagged", "waiting"]


def planned(capsys, source, *options) -> dict:
    assert main(["plan", source, "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_they_go_only_when_asked_for_and_only_when_nothing_is_left(store, capsys):
    without = planned(capsys, store.source, "--sweep")
    assert without["delete"]["repositories"] == []
    assert "empty_repositories" not in without["request"]
    plan = planned(capsys, store.source, *OPTIONS)
    assert plan["delete"]["repositories"] == GO
    assert plan["request"]["empty_repositories"] is True
    # All else that goes is the same.
    assert {**plan["delete"], "repositories": []} == without["delete"]
    emptied = planned(capsys, store.source, *OPTIONS, "--delete", "multi/nested:n")
    assert emptied["delete"]["repositories"] == sorted([*GO, "multi/nested"])


def test_apply_takes_the_folders_and_restore_brings_them_back(store, capsys, tmp_path):
    file = str(tmp_path / "plan.json")
    plan = planned(capsys, store.source, *OPTIONS, "--out", file)
    before, whole, size = tree(store.root), pulled(store), data_bytes(store.root)
    assert main(["apply", store.source, file, "--yes", "--json", "--registry-stopped", "test"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["state"], outcome["verified"]["state"]) == ("done", "good")
    assert outcome["done"] == sum(map(len, plan["delete"].values()))
    left = {name for name in [*GO, "pushing", "mounting", "odd"] if store.repository_path(name).exists()}
    assert left == {"around", "pushing", "mounting", "odd"}
    # What lies below one that went is whole, and its own folders are gone.
    assert {path.name for path in store.repository_path("around").iterdir()} == {"inner"}
    assert pulled(store) == whole
    assert size - data_bytes(store.root) == plan["freed_bytes"] == outcome["freed_bytes"]
    again = planned(capsys, store.source, *OPTIONS)
    assert again["delete"] == {key: [] for key in plan["delete"]}
    assert main(["restore", store.source, outcome["run"]]) == 0
    assert tree(store.root) == before


@pytest.mark.parametrize("what", ["upload", "link", "manifest"])
def test_one_to_which_a_push_has_begun_meanwhile_stays(store, what):
    source = open_source(store.source)
    plan = make_plan(source.scan(), Request(sweep=True, empty_repositories=True), now=int(time.time()))
    assert "bare" in plan.delete.repositories
    if what == "upload":
        store.upload("bare", "new", started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    elif what == "link":
        store.link_layer("bare", store.layer())
    else:
        store.image("bare", "new")
    before = tree(store.repository_path("bare"))
    outcome = apply(source, plan, stopped="test")
    assert outcome.state == "partial"
    assert ("bare", "it holds something that is not in the plan") in {(s.item, s.reason) for s in outcome.skipped}
    assert tree(store.repository_path("bare")) == before
    assert not store.repository_path("deleted").exists()


def test_one_whose_link_became_fresh_again_stays(store):
    """A push mounts a layer that the plan would take the link of: the link, its blob and the repository stay."""
    source = open_source(store.source)
    plan = make_plan(source.scan(), Request(sweep=True, empty_repositories=True), now=int(time.time()))
    (link,) = [one for one in plan.delete.layer_links if one.repository == "around"]
    path = store.layer_path("around", link.digest)
    path.write_text(link.digest)
    store.blob_path(link.digest).touch()
    outcome = apply(source, plan, stopped="test")
    assert outcome.state == "partial"
    assert path.read_text() == link.digest
    assert store.blob_path(link.digest).is_file()


def test_a_manifest_that_was_pushed_to_one_again_by_its_digest_stays(store):
    """As builders push the images of an index before the index: no tag leads to it yet, only its time tells."""
    source = open_source(store.source)
    plan = make_plan(source.scan(), Request(sweep=True, empty_repositories=True), now=int(time.time()))
    (gone,) = [one.digest for one in plan.delete.manifests if one.repository == "untagged"]
    store.revision_path("untagged", gone).touch()
    needed = closure(store, gone)
    outcome = apply(source, plan, stopped="test")
    assert outcome.state == "partial"
    assert (f"untagged@{gone}", "it was pushed again and is younger than the grace window") in {
        (skipped.item, skipped.reason) for skipped in outcome.skipped
    }
    assert store.revision_path("untagged", gone).exists()
    assert all(store.blob_path(digest).is_file() for digest in needed)


def test_it_is_a_part_of_a_sweep(store, capsys):
    assert main(["plan", store.source, "--delete", "team/app:1.0", "--empty-repositories"]) == 2
    assert "add --sweep" in capsys.readouterr().err


def test_where_nobody_can_tell_what_is_empty_they_stay(tmp_path, capsys):
    v1 = V1Store(tmp_path / "v1")
    seed_branch(v1)
    v1.index("library/pushing", "A")
    v1.image("F")  # something to sweep
    age(v1.root)
    layout = Layout(tmp_path / "layout")
    layout.image(tag="1")
    layout.blob(b"loose")
    age(layout.root)
    for source in (v1.source, f"oci:{layout.root}"):
        plan = planned(capsys, source, *OPTIONS)
        assert plan["delete"]["repositories"] == []
        assert [one["ref"] for one in plan["refused"]] == ["--empty-repositories"]


@pytest.mark.real
def test_a_real_registry_lists_them_no_more_and_takes_pushes_to_them(tmp_path, capsys):
    with registry(tmp_path / "store", tmp_path) as server:
        layout = push_examples(server, tmp_path)
        status, headers, _ = server.request("GET", "/v2/lonely/manifests/1")
        assert status == 200
        digest = headers.get("Docker-Content-Digest") or headers["docker-content-digest"]
        assert server.request("DELETE", f"/v2/lonely/manifests/{digest}")[0] == 202
        assert "lonely" in server.catalog()
        before = server.pull_all()
        server.stop()
        source, file = f"storage:{server.root}", str(tmp_path / "plan.json")
        plan = planned(capsys, source, *OPTIONS, "--grace", "0s", "--now", str(int(time.time()) + 5), "--out", file)
        assert plan["delete"]["repositories"] == ["lonely"]
        assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped"]) == 0
        server.start()
        assert "lonely" not in server.catalog()
        assert server.pull_all() == before
        push(layout, "one", server, "lonely:again")
        assert ("lonely", "again") in server.pull_all()
