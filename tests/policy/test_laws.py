"""Laws that every policy obeys, on random registries."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from prune.model.in_use import InUseReport
from prune.model.snapshot import Snapshot
from prune.policy.decision import Evaluation
from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts, Times
from prune.policy.planning import plan_of
from prune.policy.schema import Age, Guards, Newest, Policy, Rule, Scope, Semver
from tests.plan.oracle import needed
from tests.plan.snapshots import NOW, Registry, v1_snapshots, v2_snapshots

DAY = 86400
TIMES = st.sampled_from([None, 0, NOW + DAY, *(NOW - days * DAY for days in (0, 1, 2, 3, 5, 8, 13, 40))])
PATTERNS = st.sampled_from([".*", "t.*", "u.*", "[tu][0-3]", "v.*", "latest|v1", "sha256-.*", "zzz"])
AGES = st.builds(Age, st.sampled_from(["1d", "3d", "10d"]), st.sampled_from(["pushed", "first_seen", "pulled"]))
NEWEST = st.builds(
    Newest,
    st.integers(1, 3),
    st.sampled_from(["pushed", "first_seen", "pulled"]),
    st.sampled_from(["digest", "tag"]),
    st.sampled_from([None, "(.).*"]),
)
REPOSITORIES = st.sampled_from([(), ("a",), ("a/**", "c"), ("library/*",)])

NAMING = {
    "repositories": REPOSITORIES,
    "tag": st.one_of(st.none(), PATTERNS),
    "not_tag": st.one_of(st.none(), PATTERNS),
    "image_tags": st.one_of(st.just(()), st.tuples(PATTERNS)),
    "except_image_tags": st.one_of(st.just(()), st.tuples(PATTERNS)),
}
LOOSE = Guards(min_tags_left=None, min_age=None)


def rules(ids: str, **fields: st.SearchStrategy) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Up to three rules with ids of their own."""
    one = st.builds(Rule, **NAMING, **fields)
    return st.lists(one, max_size=3).map(
        lambda found: tuple(msgspec.structs.replace(rule, id=f"{ids}{i}") for i, rule in enumerate(found))
    )


PROTECT = rules("p", in_use=st.sampled_from([None, True]), label=st.sampled_from([None, None, "keep"]))
KEEP = rules(
    "k",
    newest=st.one_of(st.none(), NEWEST),
    newer_than=st.one_of(st.none(), AGES),
    with_all_tags=st.sampled_from([None, True]),
    active_within=st.sampled_from([None, None, "4d"]),
)
DELETE = st.one_of(
    rules("d", older_than=st.one_of(st.none(), AGES), in_use=st.sampled_from([None, None, False])),
    st.builds(
        lambda age: (Rule("d0", untagged=True, older_than=age), Rule("d1", tag=".*")), st.one_of(st.none(), AGES)
    ),
)


@st.composite
def policies(draw) -> Policy:
    return Policy(
        scope=Scope(exclude=draw(st.sampled_from([(), ("c",)]))),
        protect=draw(PROTECT),
        keep=draw(KEEP),
        delete=draw(DELETE),
        guards=draw(st.sampled_from([LOOSE, Guards(min_tags_left=None)])),
    )


@st.composite
def registries(draw) -> tuple[Snapshot, Facts]:
    """A registry with times of all kinds, and facts about it."""
    snapshot = draw(st.one_of(v2_snapshots(), v1_snapshots()))
    repositories, tags, manifests = {}, {}, {}
    for name, repository in snapshot.repositories.items():
        times = {tag: draw(TIMES) for tag in repository.tags}
        repositories[name] = msgspec.structs.replace(
            repository,
            tag_times={tag: time for tag, time in times.items() if time is not None},
            revisions={digest: draw(TIMES) for digest in repository.revisions},
        )
        noticed = st.builds(Times, TIMES, TIMES, TIMES, st.sampled_from([{}, {"x": NOW - 2 * DAY}, {"x": NOW + DAY}]))
        tags[name] = {tag: draw(noticed) for tag in repository.tags if draw(st.booleans())}
        manifests[name] = {digest: draw(noticed) for digest in repository.revisions if draw(st.booleans())}
    everything = sorted({*snapshot.manifests, *snapshot.images})
    used = tuple(sorted(draw(st.sets(st.sampled_from(everything), max_size=2)))) if everything else ()
    report = InUseReport("cluster", NOW, draw(st.sampled_from([True, True, True, False])), used, ("x/a:t0",))
    facts = Facts(None, tags, manifests, draw(st.sampled_from([NOW - 99 * DAY, NOW - 2 * DAY])), (report,))
    return msgspec.structs.replace(snapshot, repositories=repositories), facts


def gone(evaluation: Evaluation) -> set[str]:
    return {decision.ref for decision in evaluation.going()}


def taken(snapshot: Snapshot, policy: Policy, evaluation: Evaluation) -> set[tuple]:
    """Everything that the plan takes."""
    delete = plan_of(snapshot, policy, evaluation, now=NOW).delete
    return {*delete.tags, *delete.manifests, *delete.blobs, *delete.images}


@settings(max_examples=300, deadline=None)
@given(registries(), policies(), PROTECT, KEEP)
def test_one_more_keep_or_protect_rule_never_deletes_more(registry, policy, protect, keep):
    snapshot, facts = registry
    renamed = [msgspec.structs.replace(rule, id=f"more-{rule.id}") for rule in (*protect, *keep)]
    more = msgspec.structs.replace(
        policy,
        protect=(*policy.protect, *renamed[: len(protect)]),
        keep=(*policy.keep, *renamed[len(protect) :]),
    )
    before, after = (evaluate(snapshot, facts, one, NOW) for one in (policy, more))
    assert gone(after) <= gone(before)
    assert taken(snapshot, more, after) <= taken(snapshot, policy, before)


@settings(max_examples=200, deadline=None)
@given(registries(), policies(), DELETE)
def test_one_more_delete_rule_never_undeletes(registry, policy, delete):
    snapshot, facts = registry
    renamed = tuple(msgspec.structs.replace(rule, id=f"more-{rule.id}") for rule in delete)
    more = msgspec.structs.replace(policy, delete=(*policy.delete, *renamed))
    before, after = (evaluate(snapshot, facts, one, NOW) for one in (policy, more))
    assert gone(before) <= gone(after)


@settings(max_examples=200, deadline=None)
@given(registries(), policies(), st.integers(0, 1000))
def test_order_never_matters(registry, policy, seed):
    snapshot, facts = registry
    dice = random.Random(seed)

    def mixed(found):
        items = list(found.items()) if isinstance(found, dict) else list(found)
        dice.shuffle(items)
        return dict(items) if isinstance(found, dict) else tuple(items)

    repositories = {
        name: msgspec.structs.replace(one, tags=mixed(one.tags), revisions=mixed(one.revisions))
        for name, one in mixed(snapshot.repositories).items()
    }
    shuffled = msgspec.structs.replace(
        snapshot, repositories=repositories, manifests=mixed(snapshot.manifests), images=mixed(snapshot.images)
    )
    other = msgspec.structs.replace(
        policy, protect=mixed(policy.protect), keep=mixed(policy.keep), delete=mixed(policy.delete)
    )
    reports = msgspec.structs.replace(facts, in_use=mixed(facts.in_use), tags=mixed(facts.tags))
    one, two = evaluate(snapshot, facts, policy, NOW), evaluate(shuffled, reports, other, NOW)
    assert one.to_json() == two.to_json()
    assert plan_of(snapshot, policy, one, now=NOW).to_json() == plan_of(shuffled, other, two, now=NOW).to_json()


@settings(max_examples=300, deadline=None)
@given(registries(), policies())
def test_nothing_goes_that_a_kept_tag_or_manifest_reaches(registry, policy):
    snapshot, facts = registry
    evaluation = evaluate(snapshot, facts, policy, NOW)
    plan = plan_of(snapshot, policy, evaluation, now=NOW)
    lost = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    links = {(item.repository, item.digest) for item in plan.delete.manifests}
    bytes_ = {blob.digest for blob in plan.delete.blobs} | {image.id for image in plan.delete.images}
    for decision in evaluation.decisions:
        if decision.goes:
            continue
        if decision.tag is not None:
            assert (decision.repository, decision.tag) not in lost
        elif decision.held:
            assert (decision.repository, decision.digest) not in links
    for name, repository in snapshot.repositories.items():
        staying = [target for tag, target in repository.tags.items() if (name, tag) not in lost]
        staying += [digest for digest in repository.revisions if (name, digest) not in links]
        for target in staying:
            assert (name, target) not in links
            if snapshot.by_image:
                assert not bytes_ & set(snapshot.images[target].ancestry)
            else:
                assert not bytes_ & needed(snapshot, target)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.booleans(),
)
def test_how_many_names_a_digest_has_does_not_change_what_it_counts(aliases, most, by_version):
    """Each digest once with one set of names and once with another."""
    rule = Rule("k", semver=Semver(newest=most)) if by_version else Rule("k", newest=Newest(most))
    policy = Policy(keep=(rule,), delete=(Rule("d", tag=".*"),), guards=LOOSE)
    results = []
    for which in (0, 1):
        registry = Registry()
        digests = []
        for position, names in enumerate(aliases):
            tags = [f"{position}.{number}.{which}" for number in range(names[which])]
            digests.append(registry.image("app", *tags, time=NOW - (9 - position) * DAY))
        evaluation = evaluate(registry.snapshot(), Facts(), policy, NOW)
        results.append({digests.index(decision.digest) for decision in evaluation.going()})
        assert len(digests) - len(results[-1]) == min(most, len(digests))
    assert results[0] == results[1]


@settings(max_examples=200, deadline=None)
@given(registries(), policies())
def test_every_decision_says_why(registry, policy):
    snapshot, facts = registry
    for decision in evaluate(snapshot, facts, policy, NOW).decisions:
        assert decision.because.startswith("It goes: " if decision.goes else "It stays: ")
        assert decision.because.endswith(".")
        for id_ in decision.rules:
            assert id_ in decision.because
        assert not (decision.goes and (decision.flags or decision.held))
