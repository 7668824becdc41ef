"""An edited policy against the active one, and a plan against the present."""

from prune.model.in_use import InUseReport
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.policy.compare import compare, no_longer
from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts
from prune.policy.planning import plan_of
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW
from tests.policy.worlds import LOOSE, judge, world


def test_what_more_goes_and_what_less():
    there = world("a b c d")
    active = judge(there, "delete: [{id: x, tag: 'a|b'}]")
    edited = judge(there, "keep: [{id: k, tag: a}]\ndelete: [{id: x, tag: 'a|b|c'}]")
    found = compare(active, edited)
    assert [decision.tag for decision in found.more] == ["c"]
    assert [(decision.tag, decision.rules) for decision in found.fewer] == [("a", ("k", "x"))]
    assert compare(active, active) == compare(edited, edited)
    assert compare(active, active).more == compare(active, active).fewer == ()


def test_what_went_and_is_not_there_any_more_goes_no_more():
    policy = "delete: [{tag: '.'}]"
    found = compare(judge("a b", policy), judge("b", policy))
    assert [decision.tag for decision in found.fewer] == ["a"]


def test_what_somebody_runs_by_now_is_told():
    policy = parse_policy(f"protect: [{{id: used, in_use: true}}]\ndelete: [{{id: d, tag: '.'}}]\n{LOOSE}")
    there = world("a b")
    idle = Facts(in_use=(InUseReport("cluster", NOW, True),))
    plan = plan_of(there, policy, evaluate(there, idle, policy, NOW), now=NOW)
    assert no_longer(plan, evaluate(there, idle, policy, NOW)) == ()
    started = Facts(in_use=(InUseReport("cluster", NOW, True, references=("host/app:a",)),))
    (kept,) = no_longer(plan, evaluate(there, started, policy, NOW))
    assert kept.ref == "app:a"
    assert "asks for it by its name" in kept.because
    unreachable = Facts(in_use=(InUseReport("cluster", NOW, False),))
    assert [one.ref for one in no_longer(plan, evaluate(there, unreachable, policy, NOW))] == ["app:a", "app:b"]


def test_what_a_plan_names_and_no_rule_lets_go_any_more_is_told():
    """No rule keeps it either: it is young again, say, and the rule that let it go asks for its age."""
    policy = parse_policy(f"delete: [{{id: d, tag: a}}]\n{LOOSE}")
    there = world("a b")
    plan = plan_of(there, policy, evaluate(there, Facts(), policy, NOW), now=NOW)
    other = parse_policy(f"delete: [{{id: d, tag: b}}]\n{LOOSE}")
    (kept,) = no_longer(plan, evaluate(there, Facts(), other, NOW))
    assert (kept.ref, kept.held) == ("app:a", False)


def test_what_a_plan_takes_besides_and_a_rule_keeps_by_now_is_told():
    """The digest is named, and so its tags go as well."""
    there = world("a b")
    digest = there.repositories["app"].tags["a"]
    plan = make_plan(there, Request((f"app@{digest}",)), now=NOW)
    assert ("a", digest) in {(tag.tag, tag.digest) for tag in plan.delete.tags}
    policy = parse_policy(f"protect: [{{id: p, tag: a}}]\n{LOOSE}")
    assert [kept.ref for kept in no_longer(plan, evaluate(there, Facts(), policy, NOW))] == ["app:a"]
    nothing = parse_policy(f"delete: [{{id: d, tag: zzz}}]\n{LOOSE}")
    assert no_longer(plan, evaluate(there, Facts(), nothing, NOW)) == ()
