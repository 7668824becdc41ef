"""Guards that trip, and what then may not happen."""

import msgspec
import pytest

from prune.model.digest import fallback_tag
from prune.model.errors import Refused, Stale
from prune.model.snapshot import Problem
from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts
from prune.policy.planning import plan_of
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW, Registry
from tests.policy.worlds import goes, judge, world


def tripped(there, guards: str, facts: Facts | None = None, rule: str = "{tag: 'x.*'}") -> list[str]:
    rest = "" if "min_tags_left" in guards else "min_tags_left: null, "
    evaluation = judge(there, f"delete: [{rule}]\nguards: {{{rest}{guards}}}", facts)
    return [f"{trip.guard}: {trip.message}" for trip in evaluation.tripped]


@pytest.mark.parametrize(
    ("there", "guards", "says"),
    [
        ("x1 x2 a", "min_tags_left: 1", []),
        ("x1 x2", "min_tags_left: 1", ["min_tags_left: app would be left with fewer than 1 tag."]),
        ("x1 a b:x b:a", "min_tags_left: 2", ["min_tags_left: app and b would be left with fewer than 2 tags."]),
        ("a b:a", "min_tags_left: 9", []),
        ("x1 a b c", "max_fraction: 0.25", []),
        ("x1 a b", "max_fraction: 0.25", ["max_fraction: 1 of 3 tags would go, more than 25%."]),
        ("a", "max_fraction: 0", []),
        ("x1 x2", "max_count: 2", []),
        ("x1 x2 x3", "max_count: 2", ["max_count: 3 tags and manifests would go, more than 2."]),
        ("x1 x2", "max_fraction: null, max_count: null", []),
    ],
)
def test_counts(there, guards, says):
    assert tripped(there, guards) == says


def test_tags_that_belong_to_an_image_are_none_that_are_left():
    registry = Registry()
    made = registry.image("app", "x1")
    for suffix in (".sig", ".att"):
        registry.image("app", f"{fallback_tag(made)}{suffix}")
    assert tripped(registry.snapshot(), "min_tags_left: 1, max_fraction: 0.9") == [
        "max_fraction: 1 of 1 tag would go, more than 90%.",
        "min_tags_left: app would be left with fewer than 1 tag.",
    ]


def test_aliases_are_tags_that_are_left():
    assert tripped("x1 a=x1", "min_tags_left: 1") == []


def test_untagged_manifests_count_but_are_no_fraction_of_tags():
    rule = "{untagged: true}"
    assert tripped("a -@9d -@9d", "max_fraction: 0.1, max_count: 2", rule=rule) == []
    assert len(tripped("a -@9d -@9d", "max_count: 1", rule=rule)) == 1


@pytest.mark.parametrize(
    ("scanned", "guards", "trips"),
    [
        (NOW - 6 * 3600, "max_scan_age: 6h", False),
        (NOW - 6 * 3600 - 1, "max_scan_age: 6h", True),
        (NOW - 7 * 3600, "max_count: 9", True),  # six hours is the default
        (NOW - 7 * 3600, "max_scan_age: null", False),
        (NOW + 60, "max_scan_age: 6h", True),
        (None, "max_scan_age: 6h", False),
    ],
)
def test_an_old_scan(scanned, guards, trips):
    assert bool(tripped("x1 a", guards, Facts(scanned_at=scanned))) is trips


def test_nothing_is_planned_when_a_guard_tripped_unless_a_person_sets_it_aside():
    snapshot = world("x1 x2 y1")
    policy = parse_policy("delete: [{tag: 'x.*'}]\nguards: {max_count: 1, max_fraction: 0.5}")
    evaluation = evaluate(snapshot, Facts(), policy, NOW)
    with pytest.raises(Refused, match=r"2 tags and manifests would go, more than 1\. \(max_count\) 2 of 3 tags"):
        plan_of(snapshot, policy, evaluation, now=NOW)
    with pytest.raises(Refused, match="max_fraction"):
        plan_of(snapshot, policy, evaluation, now=NOW, override=["max_count"])
    plan = plan_of(snapshot, policy, evaluation, now=NOW, override=["max_count", "max_fraction"])
    assert [tag.tag for tag in plan.delete.tags] == ["x1", "x2"]


def test_a_policy_that_was_changed_since_is_not_the_one_that_was_evaluated():
    snapshot = world("x1 y1")
    policy = parse_policy("delete: [{id: d, tag: 'x.*'}]")
    evaluation = evaluate(snapshot, Facts(), policy, NOW)
    changed = parse_policy("delete: [{id: d, tag: 'y.*'}]")
    with pytest.raises(Stale, match="evaluate it again"):
        plan_of(snapshot, changed, evaluation, now=NOW)
    with pytest.raises(Stale, match="evaluate it again"):
        plan_of(msgspec.structs.replace(snapshot, source="storage:/other"), policy, evaluation, now=NOW)


def test_an_incomplete_repository_is_skipped_and_a_blocked_store_wholly():
    registry = Registry()
    registry.image("a", "x")
    registry.image("b", "x")
    registry.incomplete.add("a")
    registry.problems = [Problem("a/tags/x", "is empty", "nothing of a goes", "repository", "a")]
    evaluation = judge(registry.snapshot(), "delete: [{tag: x}]")
    assert goes(evaluation) == "b:x"
    assert [one.repository for one in evaluation.skipped] == ["a"]
    assert "a/tags/x is empty" in evaluation.skipped[0].reason
    registry.problems = [Problem("repositories", "cannot be read", "nothing goes", "store")]
    evaluation = judge(registry.snapshot(), "delete: [{tag: x}]")
    assert evaluation.decisions == ()
    assert [one.repository for one in evaluation.skipped] == ["a", "b"]


def test_a_repository_out_of_scope_is_not_spoken_of():
    registry = Registry()
    registry.image("a", "x")
    registry.incomplete.add("a")
    evaluation = judge(registry.snapshot(), "scope: {exclude: [a]}\ndelete: [{tag: x}]")
    assert (evaluation.skipped, evaluation.decisions) == ((), ())


def test_a_person_cannot_name_what_the_policy_protects():
    snapshot = world("a b")
    policy = parse_policy("protect: [{id: p, tag: a}]\ndelete: [{id: d, tag: b}]")
    evaluation = evaluate(snapshot, Facts(), policy, NOW)
    with pytest.raises(Refused, match=r"app:a would go, and the policy keeps it: It stays: p"):
        plan_of(snapshot, policy, evaluation, now=NOW, delete=["app:a"])


def test_a_sweep_does_not_take_what_the_policy_protects():
    snapshot = world("a -@30d")
    (untagged,) = set(snapshot.repositories["app"].revisions) - set(snapshot.repositories["app"].tags.values())
    policy = parse_policy("protect: [{id: p, untagged: true}]")
    evaluation = evaluate(snapshot, Facts(), policy, NOW)
    with pytest.raises(Refused, match=f"app@{untagged} would go"):
        plan_of(snapshot, policy, evaluation, now=NOW, sweep=True)
    policy = parse_policy("protect: [{id: p, tag: a}]")
    evaluation = evaluate(snapshot, Facts(), policy, NOW)
    plan = plan_of(snapshot, policy, evaluation, now=NOW, sweep=True)
    assert [item.digest for item in plan.delete.manifests] == [untagged]
