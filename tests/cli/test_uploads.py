"""How long an upload must have been left alone before a sweep takes it."""

import json
import os
import time

import pytest

from prune.cli import main
from prune.model.plan import read_plan
from tests.reclaim.conftest import fill
from tests.stores import V2Store

DAY = 86400


@pytest.fixture
def uploads(tmp_path):
    """Three uploads, left alone for two hours, two days and ten days."""
    v2 = fill(V2Store(tmp_path / "registry"))
    now = int(time.time())
    for name, age in (("hours", 7200), ("days", 2 * DAY), ("week", 10 * DAY)):
        folder = v2.upload("team/app", name)
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (now - age, now - age))
    return v2


def planned(capsys, store, *options) -> list[str]:
    assert main(["plan", store.source, "--sweep", "--json", *options]) == 0
    text = capsys.readouterr().out
    assert read_plan(text.encode()).to_json() == text.strip().encode()
    names = {one["id"] for one in json.loads(text)["delete"]["uploads"]}
    return sorted(names & {"hours", "days", "week"})


def test_they_share_the_grace_window_unless_one_says_otherwise(uploads, capsys):
    assert planned(capsys, uploads) == ["days", "week"]
    assert planned(capsys, uploads, "--uploads-older-than", "7d") == ["week"]
    assert planned(capsys, uploads, "--grace", "1h", "--uploads-older-than", "1d") == ["days", "week"]
    # The grace window holds for everything.
    assert planned(capsys, uploads, "--uploads-older-than", "1h") == ["days", "week"]


def test_it_is_part_of_the_plan_only_where_it_was_asked_for(uploads, capsys):
    main(["plan", uploads.source, "--sweep", "--json"])
    assert "uploads_older_than" not in json.loads(capsys.readouterr().out)["request"]
    main(["plan", uploads.source, "--sweep", "--json", "--uploads-older-than", "7d"])
    assert json.loads(capsys.readouterr().out)["request"]["uploads_older_than"] == 7 * DAY


def test_it_makes_no_sense_without_a_sweep(uploads, capsys):
    assert main(["plan", uploads.source, "--delete", "team/app:1.0", "--uploads-older-than", "7d"]) == 2
    assert "add --sweep" in capsys.readouterr().err


def test_one_that_was_written_to_since_stays_for_as_long_again(uploads, capsys, tmp_path):
    """At the time of the apply it is older than the grace window, and younger than what was asked for."""
    file = tmp_path / "plan.json"
    options = ["--sweep", "--uploads-older-than", "7d", "--out", str(file)]
    assert main(["plan", uploads.source, *options, "--json"]) == 0
    folder = uploads.repository_path("team/app") / "_uploads/week"
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    capsys.readouterr()
    assert main(["apply", uploads.source, str(file), "--yes", "--registry-stopped", "test", "--json"]) == 5
    skipped = {one["item"]: one["reason"] for one in json.loads(capsys.readouterr().out)["skipped"]}
    assert "written to since" in skipped["team/app upload week"]
    assert folder.is_dir()
