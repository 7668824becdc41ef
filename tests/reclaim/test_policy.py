"""Policies carried out on stores: what stays is computed anew, the slow and simple way, and read byte for byte."""

import time

import pytest

from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts
from prune.policy.planning import plan_of
from prune.policy.read import parse_policy
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.reclaim.naive import pulled, v1_pulled

GUARDS = "guards: {min_tags_left: null}"


@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        ("delete: [{tag: '1.*'}]", {("team/app", "1.0"), ("copy/of/app", "1.0"), ("multi", "1")}),
        ("keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]", None),
        ("delete: [{image_tags: [stable]}]", {("team/app", "1.0"), ("team/app", "stable")}),
        ("scope: {include: [multi]}\ndelete: [{tag: '.*'}]", {("multi", "1"), ("multi", "latest")}),
        ("protect: [{tag: stable}]\ndelete: [{tag: '.*'}, {untagged: true}]", None),
    ],
)
def test_what_a_policy_keeps_is_whole_afterwards(v2, policy, gone):
    before = pulled(v2)
    source, parsed, now = open_source(v2.source), parse_policy(f"{policy}\n{GUARDS}"), int(time.time())
    snapshot = source.scan()
    evaluation = evaluate(snapshot, Facts(), parsed, now)
    plan = plan_of(snapshot, parsed, evaluation, now=now)
    kept = {(one.repository, one.tag) for one in evaluation.decisions if one.tag is not None and not one.goes}
    assert apply(source, plan, stopped="by the test").state == "done"
    after = pulled(v2)
    assert {key for key in before if key in kept} <= after.keys()
    for key, what in after.items():
        assert what == before[key]
    lost = {key for key in before if key not in after}
    if gone is not None:
        assert {key for key in lost if not key[1].startswith("sha256-")} == gone
    # A signature goes with its image, and only with it.
    assert {key for key in lost if key[1].startswith("sha256-")} == (
        {key for key in before if key[1].startswith("sha256-")}
        if not {("team/app", "1.0"), ("team/app", "stable")} & after.keys()
        else set()
    )


def test_a_policy_on_v1_is_undone_byte_for_byte(v1):
    before = v1_pulled(v1.root)
    source, now = open_source(v1.source), int(time.time())
    policy = parse_policy(f"keep: [{{tag: latest}}]\ndelete: [{{tag: '.*', repositories: ['library/**']}}]\n{GUARDS}")
    snapshot = source.scan()
    plan = plan_of(snapshot, policy, evaluate(snapshot, Facts(), policy, now), now=now)
    outcome = apply(source, plan, stopped="by the test")
    assert outcome.state == "done"
    after = v1_pulled(v1.root)
    assert set(before) - set(after) == {("library/seed", "version1"), ("library/seed", "version2")}
    assert all(after[key] == before[key] for key in after)
    assert restore(source, outcome.run).state == "done"
    assert v1_pulled(v1.root) == before
