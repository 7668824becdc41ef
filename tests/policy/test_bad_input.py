"""Texts that are no policy, and what is said about them."""

import time

import pytest

from prune.policy.faults import PolicyError
from prune.policy.read import parse_policy
from prune.policy.schema import Policy

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"

FAULTS = [
    ("", 1, "", "The policy is empty"),
    ("# nothing\n", 1, "", "The policy is empty"),
    ("[]", 1, "", "The policy is a list"),
    ("just words", 1, "", "The policy is text"),
    ("delete: [", 2, "", "This is not YAML"),
    ("delete:\n\t- {tag: a}", 2, "", "This is not YAML"),
    ("a: 1\n---\nb: 2", 2, "", "A second document begins here"),
    (BOMB, 1, "", "The anchor &a is not allowed"),
    ("keep: *all", 1, "", "The alias *all is not allowed"),
    ("keep: !!python/object/apply:os.system ['true']", 1, "", "is not allowed; write plain values"),
    ("keep: !mine []", 1, "", "The tag '!mine' is not allowed"),
    ("keep: []\nkeep: []", 2, "keep", "'keep' stands here twice"),
    ("delete:\n- <<: {tag: a}", 2, "delete[0].<<", "There is no key '<<' here"),
    ("[" * 50, 1, "", "nested more than"),
    ("deletes: []", 1, "deletes", "There is no key 'deletes' here; did you mean 'delete'?"),
    ("scope: {inclde: []}", 1, "scope.inclde", "did you mean 'include'?"),
    ("delete:\n- tag: a\n  older: 3d", 3, "delete[0].older", "did you mean 'older_than'?"),
    ("delete: {tag: a}", 1, "delete", "must be a list of rules"),
    ("delete: [a]", 1, "delete[0]", "must be a mapping of keys, not text"),
    ("delete:\n- tag: 1.10", 2, "delete[0].tag", "'tag' must be text, not a number; put it in quotes."),
    ("delete:\n- tag: no", 2, "delete[0].tag", "'tag' must be text, not true or false; put it in quotes."),
    ("delete:\n- {tag: ''}", 2, "delete[0].tag", "An empty pattern"),
    ("delete:\n- {tag: ' '}", 2, "delete[0].tag", "An empty pattern"),
    ("delete:\n- {tag: }", 2, "delete[0].tag", "'tag' has no value"),
    ("delete:\n- tag:\n  older_than: {age: 1d, by: pushed}", 2, "delete[0].tag", "'tag' has no value"),
    ("delete: [{}]", 1, "delete[0]", "A delete rule must say what goes"),
    ("delete: [{repositories: ['**']}]", 1, "delete[0]", "A delete rule must say what goes"),
    ("keep: [{}]", 1, "keep[0]", "This rule says nothing"),
    ("delete: [{tag: '['}]", 1, "delete[0].tag", "is no RE2 pattern"),
    ("delete: [{tag: '(?!latest).*'}]", 1, "delete[0].tag", "there is no look-ahead; use not_tag"),
    (r"delete: [{tag: '(a)\1'}]", 1, "delete[0].tag", "is no RE2 pattern"),
    ("delete: [{tag: '((a{1000}){1000}){1000}'}]", 1, "delete[0].tag", "is no RE2 pattern"),
    (f"delete: [{{tag: '{'a' * 1001}'}}]", 1, "delete[0].tag", "1001 characters"),
    ("delete: [{tag: a, older_than: {age: -3d, by: pushed}}]", 1, "delete[0].older_than.age", "is not a duration"),
    ("delete: [{tag: a, older_than: {age: 3, by: pushed}}]", 1, "delete[0].older_than.age", "write a unit"),
    ("delete: [{tag: a, older_than: {age: '3', by: pushed}}]", 1, "delete[0].older_than.age", "has no unit"),
    ("delete: [{tag: a, older_than: {age: 0d, by: pushed}}]", 1, "delete[0].older_than.age", "more than 0"),
    ("delete: [{tag: a, older_than: {age: 3 days, by: pushed}}]", 1, "delete[0].older_than.age", "not a duration"),
    ("delete: [{tag: a, older_than: {age: 3d}}]", 1, "delete[0].older_than", "'by' is missing here"),
    ("delete: [{tag: a, older_than: {age: 3d, by: push}}]", 1, "delete[0].older_than.by", "'by' cannot be 'push'"),
    ("delete: [{tag: a, older_than: {age: 3d, by: untagged_at}}]", 1, "delete[0].older_than.by", "untagged: true"),
    ("delete: [{untagged: true, tag: a}]", 1, "delete[0].tag", "can never match; make two rules of it"),
    ("delete: [{newest: {n: 3}}]", 1, "delete[0].newest", "The newest would go first"),
    ("delete: [{semver: {newest: 3}}]", 1, "delete[0].semver.newest", "The newest would go first"),
    ("delete: [{newer_than: {age: 3d, by: pushed}}]", 1, "delete[0].newer_than", "What is young would go"),
    ("delete: [{active_within: 3d}]", 1, "delete[0].active_within", "What is used would go"),
    ("delete: [{tag: a, with_all_tags: true}]", 1, "delete[0].with_all_tags", "say which images by image_tags"),
    ("delete: [{tag: a, in_use: true}]", 1, "delete[0].in_use", "What is in use would go"),
    ("keep: [{in_use: false}]", 1, "keep[0].in_use", "write in_use: true"),
    ("keep: [{older_than: {age: 3d, by: pushed}}]", 1, "keep[0].older_than", "write newer_than"),
    ("protect: [{newest: {n: 1}}]", 1, "protect[0]", "move what counts the newest to keep"),
    ("keep: [{newest: {n: 0}}]", 1, "keep[0].newest.n", "at least 1"),
    ("keep: [{newest: {n: -1}}]", 1, "keep[0].newest.n", "at least 1"),
    ("keep: [{newest: {n: 1.5}}]", 1, "keep[0].newest.n", "must be a whole number"),
    ("keep: [{newest: {n: 1, group_by: 'main-.*'}}]", 1, "keep[0].newest.group_by", "has no parentheses"),
    ("keep: [{tag: a, newest: {n: 1, with_untagged: true}}]", 1, "keep[0].newest.with_untagged", "take it away"),
    ("keep: [{newest: {n: 1}, semver: {newest: 1}}]", 1, "keep[0]", "count in two ways"),
    ("keep: [{semver: {range: one}}]", 1, "keep[0].semver.range", "is no range of versions"),
    ("keep: [{semver: {range: 1.2}}]", 1, "keep[0].semver.range", "put it in quotes"),
    ("keep: [{semver: {per: minor}}]", 1, "keep[0].semver.per", "add newest"),
    ("keep: [{label: '=x'}]", 1, "keep[0].label", "is no label"),
    ("scope: {include: []}", 1, "scope.include", "would see nothing"),
    ("scope: {include: ['']}", 1, "scope.include[0]", "An empty glob"),
    ("scope: {include: ['a?']}", 1, "scope.include[0]", "is not a glob"),
    ("scope: {exclude: ['a***']}", 1, "scope.exclude[0]", "*** means nothing"),
    ("keep: [{id: 'a b', tag: a}]", 1, "keep[0].id", "is no id"),
    ("keep:\n- {id: a, tag: a}\ndelete:\n- {id: a, tag: a}", 2, "keep[0].id", "2 rules have the id 'a'"),
    ("keep:\n- {tag: a}\n- {id: keep-1, tag: a}", 2, "keep[0].id", "2 rules have the id 'keep-1'"),
    ("guards: {max_fraction: 30}", 1, "guards.max_fraction", "a number from 0 to 1"),
    ("guards: {max_fraction: .nan}", 1, "guards.max_fraction", "a number from 0 to 1"),
    ("guards: {max_count: -1}", 1, "guards.max_count", "must not be negative"),
    ("guards: {min_age: never}", 1, "guards.min_age", "is not a duration"),
    ("schedule: {cron: '61 * * * *'}", 1, "schedule.cron", "is no cron expression"),
    ("schedule: {cron: '0 0 31 2 *'}", 1, "schedule.cron", "no cron expression|never due"),
    ("schedule: {cron: '0 3 * * *', tz: Mars/Olympus}", 1, "schedule.tz", "is no time zone"),
    ("schedule: {cron: '0 3 * * *', tz: ../../etc/passwd}", 1, "schedule.tz", "is no time zone"),
    ("schedule: {cron: '0 3 * * *', then: run}", 1, "schedule.then", "a person approves"),
    ("ignore_pulls_by: ['(']", 1, "ignore_pulls_by[0]", "is no RE2 pattern"),
]


@pytest.mark.parametrize(("text", "line", "key", "says"), FAULTS, ids=[fault[0][:40] or "-" for fault in FAULTS])
def test_every_fault_names_the_line_the_key_and_the_fix(text, line, key, says):
    with pytest.raises(
        PolicyError, match=f"(?s){says.replace('(', '[(]').replace('?', '[?]').replace('*', '[*]')}"
    ) as caught:
        parse_policy(text)
    assert (caught.value.faults[0].line, caught.value.faults[0].key) == (line, key)
    assert str(caught.value).count("\n") == 0


def test_all_faults_are_told_at_once():
    with pytest.raises(PolicyError) as caught:
        parse_policy("keep:\n- {tag: ''}\n- {newest: {n: 0}}\ndelete:\n- {}\n")
    assert [fault.line for fault in caught.value.faults] == [2, 3, 5]


def test_too_much_is_refused():
    with pytest.raises(PolicyError, match="at most 1048576 are read"):
        parse_policy("#" * (1024 * 1024 + 1))
    with pytest.raises(PolicyError, match="10000 rules here, more than 1000; join their patterns"):
        parse_policy("delete:\n" + "- {tag: a}\n" * 10_000)


def test_a_megabyte_of_faults_is_answered_soon():
    begun = time.process_time()
    with pytest.raises(PolicyError) as caught:
        parse_policy("\n".join(f"key{number}: 1" for number in range(80_000)))
    assert len(caught.value.faults) == 100
    assert time.process_time() - begun < 60


def test_bytes_that_are_no_text():
    with pytest.raises(PolicyError, match="not UTF-8"):
        parse_policy(b"keep: \xff\xfe")


def test_a_byte_order_mark_is_no_fault():
    assert parse_policy(b"\xef\xbb\xbfkeep: []") == Policy()


def test_a_catastrophic_pattern_takes_linear_time():
    from tests.policy.worlds import goes, judge

    policy = "delete: [{tag: '(a|aa)+b'}, {tag: '(.*)*x'}]"
    assert goes(judge(f"{'a' * 120} c", policy)) == ""


def test_json_is_a_policy_too_with_lines():
    text = '{\n\t"keep": [{"tag": "main-.*", "newest": {"n": 3}}],\n\t"delete": [{"tag": ".*"}]\n}'
    yaml = "keep: [{tag: main-.*, newest: {n: 3}}]\ndelete: [{tag: '.*'}]"
    assert parse_policy(text) == parse_policy(yaml)
    with pytest.raises(PolicyError, match=r"line 3, delete\[0\]"):
        parse_policy(text.replace('{"tag": ".*"}', "{}"))


def test_the_example_of_the_language_is_a_policy():
    policy = parse_policy(
        """
scope:   {include: ["team/**"], exclude: ["team/base"]}          # globs over repository names
protect: [{tag: 'latest|v\\d+\\.\\d+\\.\\d+'}, {label: 'keep=true'}, {in_use: true}]
keep:
  - {id: recent, tag: 'main-.*', newest: {n: 10, by: pushed, count: digest, group_by: '(main)-.*'}}
  - {id: releases, semver: {range: '>=1', newest: 3, per: minor, prerelease: exclude}}
  - {id: active, active_within: 30d}                             # max(pulled, pushed)
delete:
  - {id: prs, tag: 'pr-.*', older_than: {age: 14d, by: pushed}}
  - {id: untagged, untagged: true, older_than: {age: 7d, by: untagged_at}}
guards:  {min_tags_left: 1, max_fraction: 0.3, max_count: 5000, min_age: 24h, max_scan_age: 6h}
schedule: {cron: '0 3 * * *', tz: Europe/Berlin, then: propose}
"""
    )
    assert [rule.id for rule in policy.rules()] == [
        "protect-1", "protect-2", "protect-3", "recent", "releases", "active", "prs", "untagged",
    ]  # fmt: skip
    assert policy.needs_configs()


def test_the_digest_is_of_the_meaning():
    one = parse_policy("delete: [{id: a, tag: a}, {id: b, tag: b}] # said")
    assert one.digest() == parse_policy("delete:\n- {tag: b, id: b}\n- {tag: a, id: a}\n").digest()
    assert one.digest() != parse_policy("delete: [{id: a, tag: a}, {id: b, tag: c}]").digest()
