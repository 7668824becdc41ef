"""What docs/cli.md promises: names in the JSON, exit codes, one line for every error."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from prune.cli import main
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, age, seed_branch, seed_chain, tree


@pytest.fixture
def v2(tmp_path) -> V2Store:
    return fill(V2Store(tmp_path / "v2"))


def call(capsys, *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, json.loads(out)


def test_scan(v2, capsys):
    code, scan = call(capsys, "scan", v2.source)
    assert code == 0
    assert set(scan) == {
        "source", "kind", "complete", "problems", "repositories", "tags", "manifests", "untagged_manifests", "blobs",
        "bytes", "unreferenced_blobs", "unreferenced_bytes", "images", "seconds",
    }  # fmt: skip
    assert scan["kind"] == "storage-v2"
    assert scan["images"] == 0


def test_plan(v2, tmp_path, capsys):
    code, plan = call(capsys, "plan", v2.source, "--delete", "team/app:2.0", "--delete", "nothing:1")
    assert code == 0
    assert {"plan_digest", "source", "scan", "delete", "keep", "refused", "freed_bytes"} <= set(plan)
    assert {"tags", "manifests", "blobs", "images", "repositories"} <= set(plan["delete"])
    assert plan["refused"] == [{"ref": "nothing:1", "reason": "there is no repository nothing here"}]
    assert plan["delete"]["tags"][0].keys() == {"repository", "tag", "digest"}
    assert all({"repository", "reasons"} <= kept.keys() for kept in plan["keep"])
    assert plan["freed_bytes"] == sum(blob["size"] for blob in plan["delete"]["blobs"])
    again = call(capsys, "plan", v2.source, "--delete", "nothing:1", "--delete", "team/app:2.0")[1]
    assert again == plan


def test_the_seed(tmp_path, capsys):
    for build, freed in ((seed_chain, 0), (seed_branch, 1000)):
        store = V1Store(tmp_path / build.__name__)
        build(store)
        file = str(tmp_path / f"{build.__name__}.json")
        code, plan = call(capsys, "plan", store.source, "--delete", "library/seed:version1", "--out", file)
        assert (code, plan["freed_bytes"]) == (0, freed)
        assert json.loads(Path(file).read_text()) == plan
        code, applied = call(capsys, "apply", store.source, file, "--yes", "--registry-stopped", "test")
        assert code == 0
        assert set(applied) == {"run", "plan_digest", "state", "done", "skipped", "freed_bytes", "trash", "verified"}
        assert (applied["state"], applied["freed_bytes"]) == ("done", freed)
        assert applied["verified"] == {
            "state": "good",
            "depth": "sizes",
            "tags": 2,
            "manifests": 4 - len(plan["delete"]["images"]),
            "blobs": 4 - len(plan["delete"]["images"]),
            "bytes": 4000 - freed,
            "hashed": 0,
            "hashed_bytes": 0,
            "broken_before": 0,
            "missing": [],
        }
        code, restored = call(capsys, "restore", store.source, applied["run"])
        assert (code, restored["state"]) == (0, "done")


def test_why_an_image_stays_is_said_in_words(tmp_path, capsys):
    store = V1Store(tmp_path)
    seed_chain(store)
    _, plan = call(capsys, "plan", store.source, "--delete", "library/seed:version1")
    (kept,) = [kept for kept in plan["keep"] if kept["id"] == store.id("C")]
    assert kept["reasons"] == ["dddddddddddd is based on it and version2 and latest point to dddddddddddd"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["nonsense"], 2),
        (["scan"], 2),
        (["scan", "nonsense"], 2),
        (["scan", "storage:/nowhere/at/all"], 1),
        (["scan", "storage:/", "--timeout", "0"], 2),
        (["plan", "SOURCE"], 2),
        (["plan", "SOURCE", "--delete", "UPPER case"], 2),
        (["plan", "SOURCE", "--delete", "a:b@sha256:00"], 2),
        (["plan", "SOURCE", "--sweep", "--grace", "soon"], 2),
        (["plan", "SOURCE", "--sweep", "--now", "2026-01-01"], 2),
        (["plan", "SOURCE", "--sweep", "--out", "/nowhere/at/all"], 2),
        (["plan", "SOURCE", "--delete", "nothing"], 4),
        (["tree", "SOURCE", "--repository", "no-*"], 2),
        (["apply", "SOURCE", "/nowhere", "--yes"], 2),
        (["apply", "SOURCE", "/etc/hostname", "--yes", "--registry-stopped", "x"], 4),
        (["restore", "SOURCE", "no-run"], 4),
        (["empty-trash", "SOURCE"], 2),
        (["empty-trash", "SOURCE", "--yes", "--older-than", "-5d"], 2),
        (["draw", "SOURCE"], 2),
    ],
)
def test_wrong_use_and_refusals_are_one_line_and_change_nothing(v2, capsys, monkeypatch, arguments, code):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = tree(v2.root)
    assert main([v2.source if word == "SOURCE" else word for word in arguments]) == code
    said = capsys.readouterr()
    assert (code == 4 and "plan" in arguments) or len(said.err.strip().split("\n")) == 1
    assert "Traceback" not in said.err
    assert tree(v2.root) == before


def test_an_incomplete_scan_prints_its_json_and_exits_with_3(v2, capsys):
    v2.tag_path("team/app", "1.0").write_bytes(b"")
    code, scan = call(capsys, "scan", v2.source)
    assert code == 3
    assert scan["problems"][0].keys() == {"where", "what", "effect"}
    code, plan = call(capsys, "plan", v2.source, "--delete", "team/app:2.0", "--sweep")
    assert code == 3
    assert plan["refused"]
    assert plan["freed_bytes"] == sum(upload["size"] for upload in plan["delete"]["uploads"])
    assert main(["tree", v2.source]) == 3


def test_apply_needs_a_yes_and_a_word(v2, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    file = str(tmp_path / "plan.json")
    main(["plan", v2.source, "--delete", "team/app", "--out", file])
    assert main(["apply", v2.source, file]) == 2
    assert main(["apply", v2.source, file, "--yes"]) == 4
    Path(file).write_text(Path(file).read_text().replace("team/app", "multi"))
    assert main(["apply", v2.source, file, "--yes", "--registry-stopped", "x"]) == 4


def test_a_stale_plan_exits_with_4_and_a_partial_one_with_5(v2, tmp_path, capsys):
    file = str(tmp_path / "plan.json")
    main(["plan", v2.source, "--delete", "team/app:1.0", "--delete", "team/app:stable", "--out", file])
    v2.tag("team/app", "1.0", v2.tag_path("team/app", "2.0").read_text())
    capsys.readouterr()
    code, applied = call(capsys, "apply", v2.source, file, "--yes", "--registry-stopped", "x")
    assert (code, applied["state"]) == (5, "partial")
    assert [skipped["item"] for skipped in applied["skipped"]] == ["team/app:1.0"]
    main(["plan", v2.source, "--delete", "multi:1", "--out", file])
    v2.tag("multi", "1", v2.image("multi", layers=[v2.layer()]))
    assert main(["apply", v2.source, file, "--yes", "--registry-stopped", "x"]) == 4


def test_empty_trash(v2, tmp_path, capsys):
    file = str(tmp_path / "plan.json")
    main(["plan", v2.source, "--delete", "team/app:2.0", "--out", file])
    main(["apply", v2.source, file, "--yes", "--registry-stopped", "x"])
    capsys.readouterr()
    assert call(capsys, "empty-trash", v2.source, "--yes", "--older-than", "1d") == (
        0,
        {"runs": [], "freed_bytes": 0},
    )
    code, emptied = call(capsys, "empty-trash", v2.source, "--yes")
    assert code == 0
    assert emptied["freed_bytes"] == json.loads(Path(file).read_text())["freed_bytes"]


def test_fresh_garbage_is_kept_unless_the_clock_says_otherwise(tmp_path, capsys):
    store = V2Store(tmp_path)
    store.image("a", "1", layers=[store.layer()])
    store.layer(5)
    age(tmp_path, 3600)
    assert call(capsys, "plan", store.source, "--sweep")[1]["freed_bytes"] == 0
    assert call(capsys, "plan", store.source, "--sweep", "--grace", "30m")[1]["freed_bytes"] == 5
    assert call(capsys, "plan", store.source, "--sweep", "--now", "2099-01-01T00:00:00Z")[1]["freed_bytes"] == 5


def test_help_and_version_and_a_closed_pipe(v2):
    def prune(*arguments, **more):
        return subprocess.run([sys.executable, "-m", "prune.cli", *arguments], capture_output=True, text=True, **more)

    assert "scan" in prune("--help").stdout
    assert prune("scan", "--help").returncode == 0
    assert prune("--version").stdout.startswith("prune ")
    done = subprocess.run(
        f"{sys.executable} -m prune.cli tree {v2.source} | head -1", shell=True, capture_output=True, text=True
    )
    assert done.stderr == ""
