"""Why one thing stays or goes."""

import pytest

from prune.model.digest import fallback_tag
from prune.model.errors import UsageError
from prune.policy.explain import explain
from prune.policy.facts import Facts
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW, Registry
from tests.policy.worlds import LOOSE, ago, world

POLICY = """
scope: {exclude: [other]}
protect: [{id: l, label: x, tag: 'b.*'}, {id: p, tag: a0}]
keep: [{id: k, tag: 'a.*', newest: {n: 1}}, {id: elsewhere, repositories: [z]}]
delete: [{id: d, tag: 'a.*', older_than: {age: 9d, by: pushed}}, {id: u, untagged: true}]
"""


def explained(there: str, ref: str):
    return explain(world(there), Facts(), parse_policy(f"{POLICY}\n{LOOSE}"), NOW, ref)


def test_what_every_rule_says():
    found = explained("a1@10d a2@5d", "app:a2")
    assert [(rule.id, rule.says, rule.why) for rule in found.rules] == [
        ("l", "does not match", "it is not so that its tag matches 'b.*'"),
        ("p", "does not match", "it is not so that its tag matches 'a0'"),
        ("elsewhere", "does not match", "it is about other repositories"),
        ("k", "matches", "its tag matches 'a.*' and it is the newest that the rule finds in its repository, "
         "by when it was pushed"),
        ("d", "does not match", "it is not so that it was pushed at least 9d ago"),
        ("u", "does not match", "it has a tag"),
    ]  # fmt: skip
    assert found.times == {"pushed": ago("5d"), "first_seen": None, "created": None, "pulled": None}
    assert found.decision is not None
    assert found.because == found.decision.because
    others = explained("a1@10d a2@5d", "app:a1").rules[3]
    assert (others.id, others.why) == ("k", "others come before it, or it is protected and not counted")
    assert explained("b1", "app:b1").rules[0].why == "its labels are not known"


def test_what_is_not_decided_by_itself_says_what_it_follows():
    registry = Registry()
    child = registry.image("app")
    top = registry.index("app", "multi", children=[child])
    registry.image("app", f"{fallback_tag(top)}.sig")
    snapshot = registry.snapshot()
    policy = parse_policy("delete: [{tag: '.*'}]")
    for ref, says in (
        (f"app@{child}", f"it stays as long as the index {top} does"),
        (f"app@{top}", "it stays as long as one of its tags does (multi)"),
        (f"app:{fallback_tag(top)}.sig", f"it belongs to {top} and goes when that goes"),
    ):
        found = explain(snapshot, Facts(), policy, NOW, ref)
        assert found.decision is None
        assert says in found.because


def test_out_of_scope_and_incomplete():
    assert explained("other:a", "other:a").because == "It stays: other is not in the scope of the policy."
    registry = Registry()
    registry.image("app", "a")
    registry.incomplete.add("app")
    found = explain(registry.snapshot(), Facts(), parse_policy("delete: [{tag: a}]"), NOW, "app:a")
    assert found.because.startswith("It stays: app is skipped, because it could not be read completely")


@pytest.mark.parametrize("ref", ["nowhere:a", "app:zzz", "app", "app@sha256:" + "0" * 64, "a b"])
def test_what_is_not_there_is_wrong_use(ref):
    with pytest.raises(UsageError):
        explained("a1", ref)
