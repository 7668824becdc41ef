"""The description of the language: complete, and every example comes out as it says."""

import re
from pathlib import Path

import msgspec
import pytest

from prune.policy.schema import Guards, Newest, Policy, Rule, Schedule, Scope, Semver
from tests.policy.worlds import goes, judge

TEXT = (Path(__file__).parents[2] / "docs/policies.md").read_text()
EXAMPLES = re.findall(r"```yaml\n# there: ([^\n]*)\n# goes: ?([^\n]*)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("there", "gone", "policy"), EXAMPLES, ids=[str(i) for i in range(len(EXAMPLES))])
def test_every_example_comes_out_as_it_says(there, gone, policy):
    assert goes(judge(there, policy)) == gone


def test_there_are_no_other_examples():
    assert len(EXAMPLES) == TEXT.count("```yaml") == TEXT.count("```") / 2 >= 10


@pytest.mark.parametrize("kind", [Policy, Scope, Rule, Newest, Semver, Guards, Schedule])
def test_every_key_is_described(kind):
    described = set(re.findall(r"`([a-z_]+)[`:]", TEXT)) | set(re.findall(r"\b([a-z_]+):", TEXT))
    assert set(kind.__struct_fields__) <= described


def test_defaults_of_guards_are_as_they_say():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^`|]+?)`? \|", TEXT.partition("## Guards")[2], re.MULTILINE))
    said = {key: None if value == "off" else value for key, value in rows.items()}
    assert {
        key: None if value is None else str(value) for key, value in msgspec.to_builtins(Guards()).items()
    } == said
