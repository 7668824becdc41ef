"""A registry's own protect list, which every policy obeys."""

import pytest

from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts
from prune.policy.faults import PolicyError
from prune.policy.protection import obeying, parse_protection
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW
from tests.policy.worlds import LOOSE, goes, world


def test_it_holds_whatever_the_policy_says():
    policy = parse_policy(f"protect: [{{id: own, tag: a}}]\ndelete: [{{id: d, tag: '.*'}}]\n{LOOSE}")
    both = obeying(policy, parse_protection("protect: [{id: own, tag: b}]"))
    evaluation = evaluate(world("a b c"), Facts(), both, NOW)
    assert goes(evaluation) == "c"
    assert evaluation.decisions[1].rules == ("registry:own", "d")
    assert evaluation.policy == both.digest() != policy.digest()


@pytest.mark.parametrize("text", ["delete: [{tag: a}]", "protect: []\nscope: {include: [a]}", "guards: {}"])
def test_it_has_only_protect_rules(text):
    with pytest.raises(PolicyError, match="only protect rules"):
        parse_protection(text)
