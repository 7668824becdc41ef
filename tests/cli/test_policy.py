"""`prune plan --policy`, on stores on disk."""

import json
import os
import time

import pytest

from prune.cli import main
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, age, seed_branch

ALL_BUT_LATEST = "keep: [{id: newest, newest: {n: 1}}]\ndelete: [{id: rest, tag: '.*'}]\n"


@pytest.fixture
def v2(tmp_path) -> V2Store:
    return fill(V2Store(tmp_path / "v2"))


@pytest.fixture
def policy(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "policy.yaml"
        path.write_text(text)
        return str(path)

    return write


def plan(capsys, *arguments: str) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(["plan", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_policy_plans_as_a_person_does(v2, policy, capsys):
    file = policy("delete: [{id: old, tag: '1.*', repositories: ['copy/**'], older_than: {age: 14d, by: pushed}}]"
                  "\nguards: {min_tags_left: 0}")  # fmt: skip
    code, by_policy = plan(capsys, v2.source, "--policy", file)
    assert code == 0
    by_hand = plan(capsys, v2.source, "--delete", "copy/of/app:1.0")[1]
    assert by_policy["delete"] == by_hand["delete"]
    assert by_policy["delete"]["tags"] == [by_hand["delete"]["tags"][0]]
    assert by_policy["request"]["policy"].startswith("sha256:")


def test_all_but_the_latest_in_v1(tmp_path, policy, capsys):
    store = V1Store(tmp_path / "v1")
    seed_branch(store)
    age(store.root)
    then = time.time() - 40 * 86400
    os.utime(store.root / "repositories/library/seed/tag_version1", (then, then))
    code, found = plan(capsys, store.source, "--policy", policy(ALL_BUT_LATEST))
    assert code == 0
    assert [tag["tag"] for tag in found["delete"]["tags"]] == ["version1"]
    assert [image["id"] for image in found["delete"]["images"]] == [store.id("C")]


def test_what_a_keep_rule_keeps_from_a_delete_rule_says_why(v2, policy, capsys):
    _, found = plan(
        capsys, v2.source, "--policy", policy("keep: [{id: k, tag: '2.0'}]\ndelete: [{id: d, tag: '2.0'}]")
    )
    assert found["delete"]["tags"] == []
    assert found["keep"] == [
        {
            "repository": "team/app",
            "tag": "2.0",
            "reasons": [
                "It stays: k (because its tag matches '2.0') keeps it; "
                "d (because its tag matches '2.0') would let it go."
            ],
        }
    ]


def test_a_guard_that_trips_stops_everything(v2, policy, tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert main(["plan", v2.source, "--policy", policy("delete: [{tag: '.*'}]"), "--out", str(out)]) == 4
    said = capsys.readouterr()
    assert (said.out, out.exists()) == ("", False)
    assert said.err.strip().endswith("would be left with fewer than 1 tag. (min_tags_left)")


def test_what_is_fresh_stays(tmp_path, policy, capsys):
    store = V2Store(tmp_path / "fresh")
    store.image("app", "a", layers=[store.layer()])
    store.image("app", "b", layers=[store.layer()])
    code, found = plan(capsys, store.source, "--policy", policy("delete: [{tag: a}]"))
    assert (code, found["delete"]["tags"]) == (0, [])
    assert "guards.min_age" in found["keep"][0]["reasons"][0]


def test_an_incomplete_repository_is_skipped_and_says_so(v2, policy, capsys):
    v2.tag_path("team/app", "2.0").write_bytes(b"")
    file = policy("delete: [{tag: '.*'}]\nguards: {min_tags_left: 0}")
    code, found = plan(capsys, v2.source, "--policy", file)
    assert code == 3
    assert {tag["repository"] for tag in found["delete"]["tags"]} == {"copy/of/app", "multi", "multi/nested"}
    assert found["delete"]["blobs"] == []
    assert any(one["ref"] == "team/app" and "could not be read" in one["reason"] for one in found["refused"])


def test_labels_are_read_where_a_rule_asks(v2, policy, capsys):
    file = policy("protect: [{label: number}]\ndelete: [{tag: '.*'}]\nguards: {min_tags_left: 0}")
    assert plan(capsys, v2.source, "--policy", file)[1]["delete"]["tags"] == []


def test_facts_come_from_a_file(v2, policy, tmp_path, capsys):
    file = policy("protect: [{id: used, in_use: true}]\ndelete: [{id: all, tag: '.*', repositories: [multi]}]")
    facts = tmp_path / "facts.json"
    report = {"source": "here", "at": int(time.time()), "complete": True, "references": ["x/multi:1"]}
    facts.write_text(json.dumps({"in_use": [report]}))
    code, found = plan(capsys, v2.source, "--policy", file, "--facts", str(facts))
    assert (code, [tag["tag"] for tag in found["delete"]["tags"]]) == (0, ["latest"])
    (said,) = [kept["reasons"][0] for kept in found["keep"] if kept.get("tag") == "1"]
    assert said.startswith("It stays: used (because something on here asks for it by its name) keeps it;")
    facts.write_text(json.dumps({"in_use": [{**report, "at": 1}]}))
    assert plan(capsys, v2.source, "--policy", file, "--facts", str(facts))[1]["delete"]["tags"] == []


def test_an_engine_that_does_not_answer_keeps_everything(v2, policy, tmp_path, capsys):
    file = policy("protect: [{id: used, in_use: true}]\ndelete: [{id: all, tag: '.*', repositories: [multi]}]")
    where = f"docker:unix://{tmp_path}/no.sock"
    assert main(["plan", v2.source, "--policy", file, "--in-use", where, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["delete"]["tags"] == []
    assert said.err.startswith(
        f"All that used could mean stays, because docker:unix://{tmp_path}/no.sock could not tell"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--policy", "/nowhere"], "Cannot read the policy /nowhere"),
        (["--delete", "a", "--facts", "/nowhere"], "--facts and --in-use are for a policy"),
        (["--delete", "a", "--in-use", "docker:"], "--facts and --in-use are for a policy"),
    ],
)
def test_wrong_use_is_one_line(v2, arguments, says, capsys):
    assert main(["plan", v2.source, *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_faulty_policy_is_wrong_use_and_says_where(v2, policy, capsys):
    assert main(["plan", v2.source, "--policy", policy("delete:\n  - {tag: ''}\n")]) == 2
    assert "line 2, delete[0].tag: An empty pattern" in capsys.readouterr().err


SUSPICIOUS = """
keep:
  - {id: all, tag: '.+'}
delete:
  - {id: prs, tag: 'pr-.*'}
  - {id: slash, tag: 'team/.*'}
"""


def test_check(policy, capsys):
    file = policy("keep: [{id: newest, tag: 'main-.*', newest: {n: 1}}]\ndelete: [{id: rest, tag: 'main-.*'}]")
    assert main(["policy", "check", file]) == 0
    assert capsys.readouterr().out == f"{file} is a policy with 0 protect, 1 keep and 1 delete rules.\n"
    assert main(["policy", "check", policy(SUSPICIOUS), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["faults"]) == (True, [])
    assert found["digest"].startswith("sha256:")
    assert {warning["rule"] for warning in found["warnings"]} == {"all", "prs", "slash"}


def test_check_of_what_is_no_policy(policy, capsys):
    file = policy("keep: [{tag: ''}]\ndelete: [{}]")
    assert main(["policy", "check", file]) == 2
    assert "line 2" in capsys.readouterr().out
    assert main(["policy", "check", file, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [(fault["line"], fault["key"]) for fault in found["faults"]] == [(1, "keep[0].tag"), (2, "delete[0]")]


def test_explain(v2, policy, capsys):
    file = policy("keep: [{id: k, tag: '2.*'}]\ndelete: [{id: d, tag: '.*'}]\nguards: {min_tags_left: 0}")
    assert main(["policy", "explain", file, v2.source, "team/app:2.0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["because"].startswith("It stays: k")
    assert [(rule["id"], rule["says"]) for rule in found["rules"]] == [("k", "matches"), ("d", "matches")]
    assert main(["policy", "explain", file, v2.source, "team/app:1.0"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("team/app:1.0: It goes: d (because its tag matches '.*') lets it go.\n")
    assert "k  does not match: it is not so that its tag matches '2.*'" in said
    assert main(["policy", "explain", file, v2.source, "team/app:nowhere"]) == 2
    assert capsys.readouterr().err == "prune: team/app has no tag nowhere.\n"


def test_import(tmp_path, v2, capsys):
    theirs, ours = tmp_path / "gitlab.json", tmp_path / "ours.yaml"
    theirs.write_text('{"name_regex": "1.*", "older_than": "7d", "keep_n": 1}')
    assert main(["policy", "import", "gitlab", str(theirs), "--out", str(ours)]) == 0
    assert main(["policy", "import", "gitlab", str(theirs)]) == 0
    assert capsys.readouterr().out == ours.read_text()
    assert ours.read_text().startswith("# Translated from a GitLab cleanup policy.")
    assert main(["policy", "check", str(ours)]) == 0
    assert plan(capsys, v2.source, "--policy", str(ours))[0] == 0


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("nexus", b"{}", "'nexus' is not known"),
        ("ecr", b"\xff", "is not UTF-8 text"),
        ("ecr", b"[]", "no ECR lifecycle"),
    ],
)
def test_import_of_something_else(kind, body, says, tmp_path, capsys):
    file = tmp_path / "theirs"
    file.write_bytes(body)
    assert main(["policy", "import", kind, str(file)]) == 2
    assert says in capsys.readouterr().err
