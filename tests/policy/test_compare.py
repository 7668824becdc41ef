"""An edited policy against the active one, and a plan against the present."""

from prune.model.in_use import InUseReport
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
    (refusal,) = no_longer(plan, evaluate(there, started, policy, NOW))
    assert refusal.ref == "app:a"
    assert "asks for it by its name" in refusal.reason
    unreachable = Facts(in_use=(InUseReport("cluster", NOW, False),))
    assert [one.ref for one in no_longer(plan, evaluate(there, unreachable, policy, NOW))] == ["app:a", "app:b"]
