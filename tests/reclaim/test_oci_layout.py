"""Cleaning OCI layouts: what stays can be copied out byte for byte, the index is written in one piece, and all of it
can be undone."""

import json
import os
import time
from pathlib import Path

import pytest

from prune.cli import main
from prune.model.errors import Refused
from prune.model.plan import Plan, Request
from prune.plan.make import make_plan
from prune.reclaim import layout_index
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash, list_runs
from prune.sources.oci_layout.index import REF_NAME
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.reclaim.naive import layout_pulled
from tests.servers import skopeo
from tests.stores import age, tree

TEAM = "registry.example:5000/team/app"


def shop(root: Path) -> Layout:
    """Two names of an image, shared layers, an index in an index, a child with a tag, referrers, garbage."""
    made = Layout(root)
    base = made.layer("base")
    one = made.image(base, tag="1.0", version="1")
    made.entry({**one, "annotations": {REF_NAME: "stable"}})
    made.image(base, made.layer("two"), tag=f"{TEAM}:2.0")
    arm, amd = (made.image(base, made.layer(a), architecture=a) for a in ("arm64", "amd64"))
    inner = made.index(arm, tag=None)
    made.index(inner, amd, tag="multi")
    made.entry({**amd, "annotations": {REF_NAME: "amd"}})
    signature = made.artifact(one, "signature")
    made.artifact(signature, "signature of the signature")
    made.artifact(one, "sbom", tag="sbom")
    made.entry(made.image(base, made.layer("nameless")))
    made.blob(b"loose")
    age(made.root)
    return made


@pytest.fixture
def layout(root) -> Layout:
    return shop(root)


def plan_for(layout, *refs, sweep=False) -> Plan:
    source = open_source(layout.source)
    return make_plan(source.scan(), Request(refs, sweep=sweep, grace=3600), now=int(time.time()))


def run(layout, plan, **more):
    return apply(open_source(layout.source), plan, stopped="nobody writes to it", **more)


def blob_bytes(layout) -> int:
    return sum(path.stat().st_size for path in layout.root.glob("blobs/*/*"))


def contents(root):
    """The tree; of the index only what is in it: it is a new file each time."""
    found = tree(root)
    if "index.json" in found:
        kind, mode, owner, _, body = found["index.json"]
        found["index.json"] = (kind, mode, owner, body)
    return found


def entries(layout) -> list[dict]:
    return json.loads((layout.root / "index.json").read_text())["manifests"]


def name(entry: dict) -> str | None:
    return entry.get("annotations", {}).get(REF_NAME)


REQUESTS = [
    (("registry:1.0",), False, {("registry", "1.0")}),
    (("registry:1.0", "registry:stable"), False, {("registry", "1.0"), ("registry", "stable")}),
    ((f"{TEAM}:2.0",), False, {(TEAM, "2.0")}),
    ((TEAM,), True, {(TEAM, "2.0")}),
    (("registry:multi",), False, {("registry", "multi")}),
    (("registry:multi", "registry:amd"), False, {("registry", "multi"), ("registry", "amd")}),
    (("registry:amd",), False, {("registry", "amd")}),
    (("registry:sbom",), False, {("registry", "sbom")}),
    ((), True, set()),
    (("registry", TEAM), True, None),
]  # fmt: skip


@pytest.mark.parametrize(("refs", "sweep", "gone"), REQUESTS)
def test_what_stays_is_there_byte_for_byte_and_a_restore_brings_all_back(layout, root, refs, sweep, gone):
    before, whole, size = contents(root), layout_pulled(root), blob_bytes(layout)
    plan = plan_for(layout, *refs, sweep=sweep)
    assert not plan.refused
    outcome = run(layout, plan)
    assert (outcome.state, outcome.skipped) == ("done", ())
    gone = set(whole) if gone is None else gone
    assert {(tag.repository, tag.tag) for tag in plan.delete.tags} >= gone
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert layout_pulled(root) == {key: what for key, what in whole.items() if key not in gone}
    assert size - blob_bytes(layout) == plan.freed_bytes == outcome.freed_bytes
    assert outcome.done == sum(len(getattr(plan.delete, field)) for field in plan.delete.__struct_fields__)
    after = open_source(layout.source).scan()
    assert after.complete
    first = plan.scan
    assert sum(len(r.tags) for r in after.repositories.values()) == first.tags - len(plan.delete.tags)
    assert sum(len(r.revisions) for r in after.repositories.values()) == first.manifests - len(plan.delete.manifests)
    assert len(after.blobs) == first.blobs - len(plan.delete.blobs)
    assert run(layout, plan).message == "This plan was carried out before."
    restored = restore(open_source(layout.source), outcome.run)
    assert (restored.state, restored.done) == ("done", outcome.done)
    assert contents(root) == before


def test_a_referrer_that_loses_its_name_stays_with_its_subject(layout):
    plan = plan_for(layout, "registry:sbom")
    assert (len(plan.delete.tags), plan.delete.manifests, plan.freed_bytes) == (1, (), 0)
    (digest,) = {tag.digest for tag in plan.delete.tags}
    run(layout, plan)
    (entry,) = [entry for entry in entries(layout) if entry["digest"] == digest]
    assert "annotations" not in entry
    assert digest in open_source(layout.source).scan().repositories["registry"].revisions


def test_a_referrer_named_in_another_repository_stays_with_its_subject(layout, root):
    """Whoever looks for the signatures of an image looks at the whole layout."""
    layout._entries = entries(layout)
    one = next(entry for entry in entries(layout) if name(entry) == "1.0")
    scan = layout.artifact(one, "scan", tag="reports/app:1.0")
    age(root)
    whole = layout_pulled(root)
    assert run(layout, plan_for(layout, "reports/app")).state == "done"
    assert layout_pulled(root) == {key: what for key, what in whole.items() if key[0] != "reports/app"}
    assert [entry for entry in entries(layout) if entry["digest"] == scan["digest"] and name(entry) is None]
    assert scan["digest"] in open_source(layout.source).scan().repositories["registry"].revisions


def test_a_referrer_that_an_index_contains_is_still_found_with_its_subject(layout, root):
    """The index holds its bytes; but what refers to an image is looked for among the entries."""
    layout._entries = entries(layout)
    one = next(entry for entry in entries(layout) if name(entry) == "1.0")
    scan = layout.artifact(one, "scan", tag="reports/app:1.0")
    layout.index(scan, tag="bundle")
    age(root)
    whole = layout_pulled(root)
    outcome = run(layout, plan_for(layout, "reports/app"))
    assert outcome.state == "done"
    assert layout_pulled(root) == {key: what for key, what in whole.items() if key[0] != "reports/app"}
    assert [name(entry) for entry in entries(layout) if entry["digest"] == scan["digest"]] == [None]
    assert restore(open_source(layout.source), outcome.run).state == "done"
    assert layout_pulled(root) == whole


def test_referrers_go_with_their_subject(layout):
    plan = plan_for(layout, "registry:1.0", "registry:stable")
    # The signature, and what signs that; the bill of materials has a name of its own.
    assert len(plan.delete.manifests) == 3
    assert run(layout, plan).state == "done"
    assert set(map(name, entries(layout))) == {
        f"{TEAM}:2.0", "multi", "amd", "sbom", None
    }  # fmt: skip


def test_everything_else_in_the_index_stays_as_it_was(layout):
    path = layout.root / "index.json"
    document = json.loads(path.read_text())
    document["annotations"] = {"x": "ü"}
    document["manifests"][0]["data"] = {"odd": [1.50, None]}
    path.write_text(json.dumps(document, indent=3))
    path.chmod(0o640)
    assert run(layout, plan_for(layout, TEAM)).state == "done"
    now = json.loads(path.read_text())
    document["manifests"] = [e for e in document["manifests"] if name(e) != f"{TEAM}:2.0"]
    assert now == document
    assert list(now) == list(document)
    assert path.stat().st_mode & 0o777 == 0o640


def test_it_needs_a_word_that_nobody_writes(layout, root):
    before = tree(root)
    with pytest.raises(Refused, match="under control"):
        apply(open_source(layout.source), plan_for(layout, TEAM), stopped=None)
    assert tree(root) == before


def test_a_push_between_plan_and_apply_is_not_lost(layout, root):
    """A new name for what was to go, and a new image that needs its layer."""
    plan = plan_for(layout, f"{TEAM}:2.0", "registry:multi")
    (two,) = [tag.digest for tag in plan.delete.tags if tag.tag == "2.0"]
    document = json.loads(layout.path(two).read_bytes())
    new = {**document, "annotations": {"new": "yes"}}
    layout._entries = entries(layout)
    layout.entry({"mediaType": document["mediaType"], **layout.blob(json.dumps(new).encode())})
    before = layout_pulled(root)
    outcome = run(layout, plan)
    assert outcome.state == "partial"
    assert {skipped.reason for skipped in outcome.skipped} == {"an image that stays needs it"}
    gone = {(TEAM, "2.0"), ("registry", "multi")}
    assert layout_pulled(root) == {key: what for key, what in before.items() if key not in gone}
    assert open_source(layout.source).scan().complete


def test_a_push_right_after_the_scan_stops_the_run(layout, root, monkeypatch):
    """It counts on layers that were judged to be garbage."""
    plan = plan_for(layout, TEAM)
    (two,) = [tag.digest for tag in plan.delete.tags]
    document = json.loads(layout.path(two).read_bytes())
    original = layout_index.with_index

    def late(*arguments):
        layout._entries = entries(layout)
        new = layout.blob(json.dumps({**document, "annotations": {"new": "yes"}}).encode())
        layout.entry({"mediaType": document["mediaType"], **new, "annotations": {REF_NAME: "new"}})
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("prune.reclaim.run.with_index", late)
        with pytest.raises(Refused, match="still pushes"):
            run(layout, plan)
    before = layout_pulled(root)
    assert ("registry", "new") in before
    assert run(layout, plan).state == "partial"
    assert layout_pulled(root) == {key: what for key, what in before.items() if key[0] != TEAM}


def test_a_write_in_the_middle_of_a_run_stops_it(layout, root, monkeypatch):
    plan = plan_for(layout, TEAM)
    before = layout_pulled(root)
    original = layout_index.replace

    def late(store, step, trash, fresh):
        path = layout.root / "index.json"
        path.write_text(path.read_text() + " ")
        original(store, step, trash, fresh)

    monkeypatch.setattr("prune.reclaim.run.replace", late)
    with pytest.raises(Refused, match="still pushes"):
        run(layout, plan)
    assert layout_pulled(root) == before
    monkeypatch.undo()
    assert run(layout, plan).state == "done"


def test_what_comes_back_while_a_run_is_interrupted_stays_whole(layout, root, monkeypatch):
    """The index is written, no blob has moved yet, and somebody pushes the same image again."""
    plan = plan_for(layout, TEAM, "registry:multi")
    whole, old = layout_pulled(root), entries(layout)
    with monkeypatch.context() as patch:
        patch.setattr("prune.sources.stores.disk.DiskStore.move", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(layout, plan)
    assert not {f"{TEAM}:2.0", "multi"} & set(map(name, entries(layout)))
    layout._entries = entries(layout)
    layout.entry(next(e for e in old if name(e) == f"{TEAM}:2.0"))
    outcome = run(layout, plan)
    assert outcome.state == "partial"
    assert f"{TEAM}:2.0" in {skipped.item for skipped in outcome.skipped}
    assert layout_pulled(root) == {key: what for key, what in whole.items() if key != ("registry", "multi")}
    assert open_source(layout.source).scan().complete
    restored = restore(open_source(layout.source), outcome.run)
    assert restored.state == "done"
    assert layout_pulled(root) == whole


def interrupted(self, source, target, **only):
    raise KeyboardInterrupt


@pytest.mark.parametrize("written_since", [False, True])
def test_interrupted_right_after_the_index_was_replaced(layout, root, monkeypatch, written_since):
    """The record of the move is not written: looking at the index tells."""
    whole = layout_pulled(root)
    plan = plan_for(layout, TEAM)
    before = contents(root)
    original = layout_index.replace

    def killed(*arguments):
        original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prune.reclaim.run.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(layout, plan)
    if written_since:
        layout._entries = entries(layout)
        layout.image(layout.layer("newer"), tag="newer")
    outcome = run(layout, plan)
    assert (outcome.state, outcome.freed_bytes) == ("done", plan.freed_bytes)
    assert outcome.done == sum(len(getattr(plan.delete, field)) for field in plan.delete.__struct_fields__)
    assert restore(open_source(layout.source), outcome.run).state == "done"
    if written_since:
        pulled = layout_pulled(root)
        assert pulled.pop(("registry", "newer"))
        assert pulled == whole
    else:
        assert contents(root) == before


def test_a_restore_leaves_alone_what_was_written_since(layout, root):
    whole = layout_pulled(root)
    outcome = run(layout, plan_for(layout, TEAM, "registry:multi"))
    layout._entries = entries(layout)
    new = layout.image(layout.layer("new"), tag=f"{TEAM}:2.0")
    restored = restore(open_source(layout.source), outcome.run)
    assert (restored.state, [skipped.item for skipped in restored.skipped]) == ("partial", [f"{TEAM}:2.0"])
    assert restored.done == outcome.done - 1
    after = layout_pulled(root)
    assert new["digest"] in after.pop((TEAM, "2.0"))
    whole.pop((TEAM, "2.0"))
    assert after == whole
    assert open_source(layout.source).scan().complete


def test_the_trash_gives_its_bytes_back(layout, root):
    plan = plan_for(layout, TEAM)
    outcome = run(layout, plan)
    assert [listed.state for listed in list_runs(open_source(layout.source))] == ["done"]
    emptied = empty_trash(open_source(layout.source), older_than=None, now=int(time.time()))
    assert (emptied.runs, emptied.freed_bytes) == ((outcome.run,), plan.freed_bytes)
    with pytest.raises(Refused, match="emptied"):
        restore(open_source(layout.source), outcome.run)


def test_a_blob_that_was_written_again_is_no_obstacle(layout, root):
    before = contents(root)
    plan = plan_for(layout, TEAM)
    bodies = [layout.path(blob.digest).read_bytes() for blob in plan.delete.blobs]
    outcome = run(layout, plan)
    for body in bodies:
        layout.blob(body)
    assert restore(open_source(layout.source), outcome.run).state == "done"
    assert contents(root).keys() == before.keys()


@pytest.mark.real
def test_skopeo_copies_out_what_stays_and_pushes_again_what_went(tmp_path):
    made = Layout(tmp_path / "made")
    base = made.layer("base")
    for tag in ("one", "two", "three"):
        made.image(base, made.layer(tag), tag=tag)
    made.index(*(made.image(base, made.layer(a), architecture=a) for a in ("arm64", "amd64")), tag="multi")
    target = Layout(tmp_path / "copied")
    (target.root / "oci-layout").unlink()
    targets = {"one": "1", "two": "docker.io/library/two:2", "three": "1.0+3", "multi": "multi"}
    for tag, to in targets.items():
        skopeo("--all", f"{made.source}:{tag}", f"{target.source}:{to}")
    skopeo(f"{made.source}:two", f"{target.source}:1")  # the first image is nameless now

    def out(tag: str) -> dict[str, bytes]:
        folder = tmp_path / f"out-{time.monotonic_ns()}"
        skopeo("--all", f"{target.source}:{tag}", f"dir:{folder}")
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    before = {tag: out(tag) for tag in targets.values()}
    age(target.root)
    plan = plan_for(target, "copied:multi", "docker.io/library/two", sweep=True)
    assert {tag.tag for tag in plan.delete.tags} == {"multi", "2"}
    outcome = run(target, plan)
    assert outcome.state == "done"
    for tag in ("1", "1.0+3"):
        assert out(tag) == before[tag]
    for tag in ("multi", "docker.io/library/two:2"):
        with pytest.raises(AssertionError):
            out(tag)
    skopeo("--all", f"{made.source}:multi", f"{target.source}:multi")
    assert out("multi") == before["multi"]
    assert restore(open_source(target.source), outcome.run).state == "done"
    assert {tag: out(tag) for tag in targets.values()} == before


def test_the_command(layout, tmp_path, capsys):
    file = str(tmp_path / "plan.json")
    before = contents(layout.root)
    assert main(["scan", layout.source, "--json"]) == 0
    scanned = json.loads(capsys.readouterr().out)
    assert (scanned["kind"], scanned["source"], scanned["images"]) == ("oci-layout", layout.source, 0)
    assert main(["tree", layout.source]) == 0
    assert "<registry:multi" in capsys.readouterr().out
    assert main(["plan", layout.source, "--delete", f"{TEAM}:2.0", "--out", file]) == 0
    drawn = [f"{tmp_path}/{name}.svg" for name in "ab"]
    assert main(["draw", layout.source, "--plan", file, "--before", drawn[0], "--after", drawn[1]]) == 0
    assert main(["apply", layout.source, file, "--yes"]) == 4
    capsys.readouterr()
    assert main(["apply", layout.source, file, "--yes", "--registry-stopped", "mine", "--json"]) == 0
    applied = json.loads(capsys.readouterr().out)
    assert main(["apply", layout.source, file, "--yes", "--registry-stopped", "mine"]) == 0
    assert main(["restore", layout.source, applied["run"]]) == 0
    assert contents(layout.root) == before
    assert os.listdir(layout.root / ".registryui")
