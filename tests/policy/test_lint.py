"""Suspicious policies, and some that are not."""

import pytest

from prune.policy.lint import lint, matches_every_tag
from prune.policy.read import parse_policy
from prune.policy.versions import Range

D = "delete: [{id: d, tag: 'pr-.*', older_than: {age: 9d, by: pushed}}]"

FOUND = [
    ("keep: [{id: k, tag: a}]", "", "There are no delete rules"),
    (f"{D}\nschedule: {{cron: '0 3 * * *'}}", "", "neither max_fraction nor max_count"),
    ("delete: [{id: d, tag: '.*'}]", "d", "matches every tag"),
    ("delete: [{id: d, tag: '[^/]+'}]", "d", "matches every tag"),
    ("delete: [{id: d, tag: 'team/.*'}]", "d", "no tag can begin with 'team/'"),
    ("delete: [{id: d, tag: '-x.*'}]", "d", "no tag can begin with '-x'"),
    ("delete: [{id: d, tag: '^$'}]", "d", "no tag matches '^$'"),
    ("delete: [{id: d, tag: a, not_tag: a}]", "d", "not_tag takes away all that tag matches"),
    ("delete: [{id: d, not_tag: '.*'}]", "d", "not_tag takes away every tag"),
    ("delete: [{id: d, semver: {range: '>=2 <1'}}]", "d", "no version is in '>=2 <1'"),
    (
        "scope: {include: ['team/*']}\ndelete: [{id: d, tag: a, repositories: [other]}]",
        "d",
        "none of its repositories is in the scope",
    ),
    (f"keep: [{{id: k, tag: '.+'}}]\n{D}", "k", "It keeps every tag"),
    (f"keep: [{{id: k, tag: '.+'}}]\n{D}", "d", "k keeps all that it matches, so it never lets anything go"),
    (f"protect: [{{id: p, tag: 'pr-.*'}}]\n{D}", "d", "p keeps all that it matches"),
    (
        f"protect: [{{id: p, tag: v1}}]\nkeep: [{{id: k, tag: v1, newest: {{n: 3}}}}]\n{D}",
        "k",
        "It is not needed: p keeps all",
    ),
    ("delete: [{id: a, tag: x}, {id: b, tag: x}]", "b", "It says the same as a"),
    (
        "delete: [{id: a, tag: x}, {id: b, tag: x, older_than: {age: 9d, by: pushed}}]",
        "b",
        "It is not needed: a lets all go",
    ),
    (
        "delete: [{id: a, tag: 'pr-.*'}, {id: b, tag: 'p.*'}]",
        "b",
        "It overlaps with a: both match tags such as pr-12",
    ),
    (f"keep: [{{id: k, newer_than: {{age: 30d, by: pushed}}}}]\n{D}", "d", "so 9d has no effect"),
]


@pytest.mark.parametrize(("text", "rule", "says"), FOUND)
def test_suspicious(text, rule, says):
    assert [one for one in lint(parse_policy(text)) if one.rule == rule and says in one.message]


@pytest.mark.parametrize(
    "text",
    [
        D,
        f"keep: [{{id: k, newest: {{n: 3}}}}]\n{D}",
        f"keep: [{{id: k, repositories: [a]}}]\n{D}",
        "delete: [{id: d, tag: '.*', older_than: {age: 9d, by: pushed}}]",
        "delete: [{id: a, tag: x, repositories: [a]}, {id: b, tag: x, repositories: [b]}]",
        f"scope: {{include: ['team/*']}}\n{D}",
        "delete: [{id: d, semver: {range: '>=1 <2 || 3'}}]",
        f"{D}\nschedule: {{cron: '0 3 * * *'}}\nguards: {{max_count: 10}}",
    ],
)
def test_not_suspicious(text):
    assert lint(parse_policy(text)) == ()


@pytest.mark.parametrize("pattern", [".*", ".+", r"[\w.-]+", "(?s).*", "^.*$", ".{1,128}"])
def test_patterns_that_match_every_tag(pattern):
    assert matches_every_tag(pattern)


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        (">=2 <1", True),
        (">1.2.3 <1.2.4", False),
        (">=1.2.3 <=1.2.3", False),
        (">1 <1", True),
        ("*", False),
        ("<0", True),
        ("<0.0.0-0", True),
        (">1.0.0-rc.1 <1.0.0-rc.2", False),
    ],
)
def test_empty_ranges(text, empty):
    assert Range(text).is_empty() is empty
