"""Policies of other registries: the examples that their documentation gives, with the outcome that it states."""

import json

import msgspec
import pytest

from prune.model.errors import UsageError
from prune.model.snapshot import Snapshot
from prune.policy.facts import Facts, Times
from prune.policy.importers.translate import IMPORTERS, import_policy
from prune.policy.importers.wildcards import doublestar, duration, pattern_globs, searched
from prune.policy.lint import lint
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW
from tests.policy.worlds import LOOSE, ago, goes, judge, world


def outcome(kind: str, text: str | dict | list, there, facts: Facts | None = None) -> str:
    """What goes by an imported policy, without guards: other registries have none."""
    source = text if isinstance(text, str) else json.dumps(text)
    return goes(judge(there, f"{import_policy(kind, source)}\n{LOOSE}", facts))


# ---- Amazon ECR: "Examples of lifecycle policies" -------------------------------------------------------------


def ecr(*rules: dict) -> dict:
    return {
        "rules": [
            {"rulePriority": number, "selection": selection, "action": {"type": "expire"}}
            for number, selection in enumerate(rules, 1)
        ]
    }


def count(number: int, *prefixes: str, status: str = "tagged") -> dict:
    chosen = {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": number}
    return {**chosen, "tagPrefixList": list(prefixes)} if prefixes else chosen


def days(number: int, *prefixes: str, status: str = "tagged") -> dict:
    chosen = {"tagStatus": status, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": number}
    return {**chosen, "tagPrefixList": list(prefixes)} if prefixes else chosen


ABC = "beta-1@10d prod-1=beta-1 beta-2@9d prod-2=beta-2 beta-3@8d"
ALPHA_BETA = "alpha-1@12d beta-1@11d alpha-2@10d beta-2=alpha-2 alpha-3@4d beta-3@3d alpha-4@2d beta-4=alpha-4"


def test_ecr_filtering_on_image_age():
    policy = ecr({**days(14), "tagPatternList": ["prod*"]})
    assert outcome("ecr", policy, "prod-1@15d prod-2@13d dev@99d") == "prod-1"
    assert outcome("ecr", ecr(days(14, status="untagged")), "a@99d -@15d -@13d") == "-"


def test_ecr_filtering_on_image_count():
    """Keep only one untagged image, expire all others."""
    assert outcome("ecr", ecr(count(1, status="untagged")), "a@99d -@3d -@2d -@1d") == "- -"


def test_ecr_multiple_rules_example_a():
    """Image A is expired."""
    assert outcome("ecr", ecr(count(1, "prod"), count(1, "beta")), ABC) == "beta-1 prod-1"


def test_ecr_multiple_rules_example_b():
    """Images A and B are expired."""
    assert outcome("ecr", ecr(count(1, "beta"), count(1, "prod")), ABC) == "beta-1 beta-2 prod-1 prod-2"


def test_ecr_multiple_tags_in_a_rule_example_a():
    """Image C is expired: an image must have all listed prefixes."""
    assert outcome("ecr", ecr(days(5, "alpha", "beta")), ALPHA_BETA) == "alpha-2 beta-2"


def test_ecr_multiple_tags_in_a_rule_example_b():
    """Images A and B are expired: tags are not exclusive."""
    there = (
        "alpha-1@10d beta-1=alpha-1 gamma-1=alpha-1 "
        "alpha-2@9d beta-2=alpha-2 alpha-3@8d beta-3=alpha-3 gamma-2=alpha-3"
    )
    assert outcome("ecr", ecr(count(1, "alpha", "beta")), there) == "alpha-1 alpha-2 beta-1 beta-2 gamma-1"


def test_ecr_all_images_example_a():
    """Images A, B and C are expired."""
    assert outcome("ecr", ecr(count(1, status="any")), "alpha-1@4d beta-1@3d -@2d alpha-2@1d") == "alpha-1 beta-1 -"


def test_ecr_all_images_example_b():
    """All kinds of rules in one policy: images A, B and D are expired. E is of the last day, and the newest."""
    policy = ecr(count(1, "alpha"), days(1, status="untagged"), count(1, status="any"))
    there = "alpha-1@4d beta-1=alpha-1 -@3d alpha-2@2d git-hash@23h -@22h"
    evaluation = judge(world(there), f"{import_policy('ecr', json.dumps(policy))}\n{LOOSE}")
    assert goes(evaluation) == "alpha-1 beta-1 git-hash -"
    [bare] = [one for one in evaluation.going() if one.tag is None]
    assert world(there).repositories["app"].revisions[bare.digest] == ago("3d")


def test_ecr_an_earlier_rule_has_the_image_to_itself():
    policy = ecr(count(5, "prod"), days(7, status="any"))
    assert outcome("ecr", policy, "prod-1@30d dev@30d -@30d") == "dev -"


def test_ecr_what_is_not_known_here_is_left_out_and_says_so():
    policy = ecr(days(14, "prod"), {**days(30, "dev"), "countType": "sinceImageTransitioned"})
    policy["rules"].append({"rulePriority": 9, "selection": days(1, status="any"), "action": {"type": "transition"}})
    text = import_policy("ecr", json.dumps(policy))
    assert "Rule 2 counts by sinceImageTransitioned" in text
    assert "Rule 9 is about storage classes" in text
    assert len(parse_policy(text).delete) == 1


def test_ecr_never_pulled_stays():
    policy = ecr({**days(30, "a"), "countType": "sinceImagePulled"})
    facts = Facts(tags={"app": {"a1": Times(pulls={"x": ago("40d")})}}, pulls_since=ago("90d"))
    assert outcome("ecr", policy, "a1@99d a2@99d", facts) == "a1"


# ---- Harbor: "Create Tag Retention Rules" ---------------------------------------------------------------------


def harbor(*rules: tuple[str, int | None, str, bool]) -> dict:
    return {
        "algorithm": "or",
        "rules": [
            {
                "template": template,
                "params": {} if number is None else {template: number},
                "action": "retain",
                "scope_selectors": {
                    "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}]
                },
                "tag_selectors": [
                    {
                        "kind": "doublestar",
                        "decoration": "matches",
                        "pattern": pattern,
                        "extras": json.dumps({"untagged": untagged}),
                    }
                ],
            }
            for template, number, pattern, untagged in rules
        ],
        "trigger": {"kind": "Schedule", "settings": {"cron": "0 0 0 * * *"}},
    }


def project() -> tuple[Snapshot, Facts]:
    """Repository A with 100 tagged artifacts and 2 untagged ones, all pulled in the last week, B to E with 6 and 1,
    pulled 40 days ago."""
    words, pulled = [], {}
    for name, tagged, untagged, last in [("p/a", 100, 2, 0), *((f"p/{n}", 6, 1, 40) for n in "bcde")]:
        words += [f"{name}:t{i:03}@60d" for i in range(tagged)] + [f"{name}:-@60d"] * untagged
        pulled[name] = last
    snapshot = world(" ".join(words))
    return snapshot, Facts(
        manifests={
            name: {
                one: Times(pulls={"x": ago(f"{pulled[name]}d{i + 1}m")})
                for i, one in enumerate(sorted(repository.revisions))
            }
            for name, repository in snapshot.repositories.items()
        },
        pulls_since=ago("90d"),
    )


def retained(policy: dict, facts: Facts | None = None) -> dict[str, tuple[int, int]]:
    """How many tagged and untagged artifacts each repository still has."""
    snapshot, pulls = project()
    facts = facts or pulls
    text = f"{import_policy('harbor', json.dumps(policy))}\n{LOOSE}"
    evaluation = judge(snapshot, text, facts)
    left: dict[str, tuple[int, int]] = dict.fromkeys(snapshot.repositories, (0, 0))
    for decision in evaluation.decisions:
        if not decision.goes:
            tagged, untagged = left[decision.repository]
            named = decision.tag is not None
            left[decision.repository] = (tagged + named, untagged + (not named))
    return left


def test_harbor_example_1():
    """10 of A and all 6 of each of the others, 34 in all; all untagged artifacts are deleted."""
    left = retained(harbor(("latestPulledN", 10, "**", False)))
    assert left == {"p/a": (10, 0)} | {f"p/{n}": (6, 0) for n in "bcde"}


def test_harbor_example_2():
    """All 100 of A and none of the others."""
    left = retained(harbor(("nDaysSinceLastPull", 7, "**", False)))
    assert left == {"p/a": (100, 0)} | {f"p/{n}": (0, 0) for n in "bcde"}


def test_harbor_example_3():
    """With untagged artifacts: all of A, and none of the others."""
    left = retained(harbor(("nDaysSinceLastPull", 7, "**", True)))
    assert left == {"p/a": (100, 2)} | {f"p/{n}": (0, 0) for n in "bcde"}


def test_harbor_lets_go_what_was_never_pulled_and_ours_does_not():
    policy = harbor(("nDaysSinceLastPull", 7, "**", True))
    assert "What was never pulled, or pulled when nobody was listening, stays here." in import_policy(
        "harbor", json.dumps(policy)
    )
    left = retained(policy, Facts(pulls_since=ago("90d")))
    assert left == {"p/a": (100, 2)} | {f"p/{n}": (6, 1) for n in "bcde"}


def test_harbor_example_4():
    """Two rules are joined by OR: everything tagged is retained."""
    left = retained(harbor(("nDaysSinceLastPull", 7, "**", False), ("latestPulledN", 10, "**", False)))
    assert left == {"p/a": (100, 0)} | {f"p/{n}": (6, 0) for n in "bcde"}


def test_harbor_example_5():
    """The 10 most recent that start with 2, and that end with -prod: 8 tags."""
    there = " ".join(
        f"p/r:{version}-your_repo-{kind}@9d"
        for version in ("2.1", "2.2", "3.1", "4.4")
        for kind in ("prod", "rc", "release")
    )
    policy = harbor(("latestPushedK", 10, "2*", False), ("latestPushedK", 10, "*-prod", False))
    assert outcome("harbor", policy, there) == (
        "p/r:3.1-your_repo-rc p/r:3.1-your_repo-release p/r:4.4-your_repo-rc p/r:4.4-your_repo-release"
    )


def test_harbor_one_retained_tag_retains_the_artifact_with_all():
    there = "p/r:harbor-1.8@9d p/r:harbor-release=harbor-1.8 p/r:harbor-nightly=harbor-1.8 p/r:other@9d"
    assert outcome("harbor", harbor(("latestPushedK", 2, "harbor-*", False)), there) == "p/r:other"


def test_harbor_excluding():
    policy = harbor(("always", None, "dev-*", False))
    policy["rules"][0]["tag_selectors"][0]["decoration"] = "excludes"
    policy["rules"][0]["scope_selectors"]["repository"][0] |= {"decoration": "repoExcludes", "pattern": "base"}
    there = "p/web:dev-1@9d p/web:v1@9d p/web:dev-2=v1 p/base:dev-1@9d"
    assert outcome("harbor", policy, there) == "p/web:dev-1"


def test_harbor_repositories_without_a_rule_are_left_alone():
    policy = harbor(("latestPushedK", 1, "**", False))
    policy["rules"][0]["scope_selectors"]["repository"][0]["pattern"] = "{web,api*}"
    assert outcome("harbor", policy, "p/web:a@3d p/web:b@2d p/api-x:a@3d p/api-x:b@2d p/other:a@3d p/other:b@2d") == (
        "p/api-x:a p/web:a"
    )


def test_harbor_schedules_and_rules_that_are_off():
    policy = harbor(("latestPushedK", 1, "**", False), ("always", None, "**", False))
    policy["rules"][1]["disabled"] = True
    text = import_policy("harbor", json.dumps(policy))
    assert parse_policy(text).schedule.cron == "0 0 * * *"
    assert "Rule 2 was switched off" in text


# ---- GitLab: "Example cleanup policy workflow" ----------------------------------------------------------------


def test_gitlab_example_workflow():
    """`dev-v42`, `v43` and `v42` are deleted."""
    policy = {
        "keep_n": 1,
        "name_regex_keep": "production-.*",
        "older_than": "7d",
        "name_regex": ".*",
        "cadence": "1d",
    }
    there = (
        "latest@2h production-v44@3d production-v43@6d production-v42@11d dev-v44@2d dev-v43@5d dev-v42@10d "
        "v44@1d v43@12d v42@20d"
    )
    assert outcome("gitlab", policy, there) == "dev-v42 v42 v43"


def test_gitlab_api_example():
    """Keep at least one tag, clean up what is older than 14 days, once a month, preserve what ends with -main."""
    body = {
        "container_expiration_policy_attributes": {
            "cadence": "1month", "enabled": True, "keep_n": 1, "older_than": "14d", "name_regex": ".*",
            "name_regex_keep": ".*-main",
        }
    }  # fmt: skip
    assert outcome("gitlab", body, "x-main@99d a@30d b@20d c@15d latest@99d") == "a b"
    assert parse_policy(import_policy("gitlab", json.dumps(body))).schedule.cron == "0 0 1 * *"


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        (".*", "dev main release release-1 v1"),
        ("v.+", "v1"),
        ("main", "main"),
        ("release.*", "release release-1"),
        ("(?:v.+|main|release.*)", "main release release-1 v1"),
    ],
)
def test_gitlab_regex_examples(pattern, gone):
    there = "v1@9d main@9d release@9d release-1@9d dev@9d"
    assert outcome("gitlab", {"name_regex": pattern, "older_than": "7d"}, there) == gone


def test_gitlab_switched_off_has_no_schedule():
    text = import_policy("gitlab", json.dumps({"name_regex": ".*", "cadence": "1d", "enabled": False}))
    assert parse_policy(text).schedule is None
    assert "switched off in GitLab" in text


# ---- GAR: "Configure cleanup policies" ------------------------------------------------------------------------

GAR = [
    {
        "name": "delete-prerelease",
        "action": {"type": "Delete"},
        "condition": {"tagState": "tagged", "tagPrefixes": ["alpha", "v0"], "olderThan": "30d"},
    },
    {
        "name": "keep-tagged-release",
        "action": {"type": "Keep"},
        "condition": {"tagState": "tagged", "tagPrefixes": ["release"], "packageNamePrefixes": ["webapp", "mobile"]},
    },
    {
        "name": "keep-minimum-versions",
        "action": {"type": "Keep"},
        "mostRecentVersions": {"packageNamePrefixes": ["webapp", "mobile", "sandbox"], "keepCount": 5},
    },
]


def test_gar_example_file():
    """Pre-releases older than 30 days go, unless released too, or among the 5 newest of some packages."""
    there = " ".join(
        [
            "tools:alpha-1@40d tools:v0.1@31d tools:alpha-2@29d tools:beta@99d",
            *(f"webapp:alpha-{number}@{50 - number}d" for number in range(7)),
            "webapp:release-1=alpha-0",
        ]
    )
    assert outcome("gar", GAR, there) == "tools:alpha-1 tools:v0.1 webapp:alpha-1"


def test_gar_order_of_policies():
    """Delete what is older than 100 days, keep one version, delete what is tagged default: A goes, B and C stay."""
    there = world("default@120d other:default@150d patch@20d")
    kept = there.repositories["other"].tags["default"]
    policy = [
        {"name": "old", "action": {"type": "Delete"}, "condition": {"olderThan": "100d"}},
        {"name": "version", "action": {"type": "Keep"}, "condition": {"versionNamePrefixes": [kept[:71]]}},
        {"name": "default", "action": "DELETE", "condition": {"tagPrefixes": ["default"]}},
    ]
    assert outcome("gar", policy, there) == "default"


def test_gar_untagged_but_not_the_new_ones():
    policy = [
        {"id": "delete-untagged", "action": "DELETE", "condition": {"tagState": "UNTAGGED"}},
        {"id": "keep-new", "action": "KEEP", "condition": {"tagState": "UNTAGGED", "newerThan": "604800s"}},
    ]
    assert outcome("gar", policy, "a@99d -@9d -@6d") == "-"


def test_gar_keep_alone_deletes_nothing_and_delete_of_what_is_young_is_left_out():
    assert outcome("gar", GAR[1:], "webapp:alpha@99d") == ""
    policy = [*GAR, {"name": "young", "action": "DELETE", "condition": {"newerThan": "1d"}}]
    assert "young deletes what is young" in import_policy("gar", json.dumps(policy))


def test_gar_keep_of_everything_keeps_everything():
    policy = [
        {"name": "d", "action": "DELETE", "condition": {"tagState": "ANY"}},
        {"name": "k", "action": "KEEP", "condition": {"tagState": "ANY", "olderThan": "3d"}},
    ]
    assert outcome("gar", policy, "a@9d -@9d") == ""
    assert outcome("gar", policy[:1], "a@9d -@9d") == "a -"


# ---- ACR: "Automatically purge images" ------------------------------------------------------------------------

PURGE = """
# Environment variable for container command line
PURGE_CMD="acr purge --filter 'hello-world:.*' \\
  --untagged --ago 1d"

az acr run \\
  --cmd "$PURGE_CMD" \\
  --registry myregistry \\
  /dev/null
"""


def test_acr_on_demand():
    """What of hello-world was changed more than a day ago: tags, and untagged manifests as well."""
    there = "hello-world:old@2d hello-world:new@2h hello-world:-@2d hello-world:-@2h other:old@9d other:-@9d"
    assert outcome("acr", PURGE, there) == "hello-world:old hello-world:-"


def test_acr_scheduled():
    """Tags of hello-world that were modified more than seven days ago, and no manifest."""
    command = PURGE.replace("--untagged --ago 1d", "--ago 7d")
    assert outcome("acr", command, "hello-world:a@8d hello-world:b@6d hello-world:-@99d") == "hello-world:a"


def test_acr_untagged_only_by_a_filter_that_matches_no_tag():
    command = "acr purge --filter 'samples/devimage1:^$' --filter 'samples/devimage2:^$' --ago 0d --untagged"
    there = "samples/devimage1:a@9d samples/devimage1:-@1h samples/devimage2:-@9d other:-@9d"
    assert outcome("acr", command, there) == "samples/devimage1:- samples/devimage2:-"


def test_acr_untagged_only_everywhere():
    """Of every repository, whatever its age; --ago and --keep may be said as well."""
    there = "x:a@9d x:-@1h y/z:-@9d y/z:-@8d y/z:-@7d"
    assert outcome("acr", "acr purge --untagged-only", there) == "x:- y/z:- y/z:- y/z:-"
    assert outcome("acr", "acr purge --untagged-only --ago 1d", there) == "y/z:- y/z:- y/z:-"
    assert outcome("acr", "acr purge --untagged-only --ago 1d --keep 2", there) == "y/z:-"


def test_acr_several_repositories_of_any_age():
    command = (
        "acr purge --filter 'samples/devimage1:.*' --filter 'samples/devimage2:.*' --ago 0d --untagged --dry-run"
    )
    there = (
        "samples/devimage1:232889b@1h samples/devimage1:a21776a@9d samples/devimage2:5e788ba@1h samples/other:x@9d"
    )
    assert outcome("acr", command, there) == (
        "samples/devimage1:232889b samples/devimage1:a21776a samples/devimage2:5e788ba"
    )


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        ("--filter 'app:^1.*' --ago 1d", "1.0"),
        ("--filter 'app:^hello.*' --ago 1d", "hello hello-world-2"),
        ("--filter 'app:hello-world' --ago 1d", "hello-world-2 my-hello-world"),
        (r"--filter 'app:\w*world\b' --ago 1d", "hello-world-2 my-hello-world"),
        ("--filter 'app:.*' --ago 5d12h", "1.0"),
        ("--filter '.*/cache:.*' --ago 1d", "x/cache:a x/y/cache:a"),
        ("--filter 'app:.*' --ago 1d --keep 2", "1.0 hello-world-2"),
        ("--filter 'app:.*' --untagged-only", "-"),
    ],
)
def test_acr_flags(command, gone):
    """`--keep` retains the latest of the tags that would be deleted."""
    there = "1.0@6d hello@3d hello-world-2@5d my-hello-world@2d new@2h -@9d x/cache:a@9d x/y/cache:a@9d cachet:a@9d"
    assert outcome("acr", f"acr purge {command}", there) == gone


def test_acr_a_pattern_that_is_no_glob_is_left_out_and_says_so():
    text = import_policy("acr", "acr purge --filter 'a[0-9]+:.*' --filter 'b:.*'")
    assert "filter-1 is left out: The pattern 'a[0-9]+' of repositories cannot be written as globs." in text
    assert [rule.repositories for rule in parse_policy(text).delete] == [("b",)]
    with pytest.raises(UsageError, match="Nothing of this acr purge command can be translated"):
        import_policy("acr", "acr purge --filter 'a[0-9]+:.*'")


# ---- deckschrubber: its README --------------------------------------------------------------------------------


def made(**created: str) -> object:
    """Images in `app` with the time of creation in their configs; tags with _ for -."""
    from tests.policy.test_facts import described

    return described(
        created={tag.replace("_", "-"): "" if age == "?" else _iso(ago(age) or 0) for tag, age in created.items()}
    )


def _iso(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        ("-month 2 -day 2", "c-SNAPSHOT d"),
        ("-year 1", "d"),
        ("-latest 3", "d"),
        ("-tag_regexp ^.*-SNAPSHOT$", "c-SNAPSHOT"),
        ("-tag_regexp ^.*-SNAPSHOT$ -latest 0", "b-SNAPSHOT c-SNAPSHOT"),
        ("-tag_regexp .* -ntag SNAPSHOT", "d"),
        ("-repos other -latest 0", ""),
        ("-repo_regexp ^ap -latest 1 -dry", "b-SNAPSHOT c-SNAPSHOT d"),
    ],
)
def test_deckschrubber(flags, gone):
    there = made(a="1d", b_SNAPSHOT="9d", c_SNAPSHOT="70d", d="400d", e="?")
    assert outcome("deckschrubber", f"$GOPATH/bin/deckschrubber {flags}", there) == gone


def test_deckschrubber_never_passes_a_password_on():
    command = "deckschrubber -year 1 -registry http://myrepo:5000 -repos a/b,a/c -username myself -password mypwd"
    text = import_policy("deckschrubber", command)
    assert "mypwd" not in text
    assert parse_policy(text).delete[0].repositories == ("a/b", "a/c")


# ---- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nexus", "{}"),
        *((kind, "") for kind in IMPORTERS if kind != "deckschrubber"),
        *((kind, "{") for kind in ("harbor", "gitlab", "ecr", "gar")),
        *((kind, "[" * 100_000) for kind in ("harbor", "gitlab", "ecr", "gar")),
        ("ecr", '{"rules": [{"rulePriority": "1"}]}'),
        ("ecr", '{"rules": []}'),
        ("harbor", '{"rules": [{"template": "magic", "action": "retain"}]}'),
        ("harbor", '{"rules": [{"template": "latestPushedK", "params": {"latestPushedK": "x"}}]}'),
        ("harbor", '{"rules": [{"template": "always", "action": "delete"}]}'),
        ("gitlab", "{}"),
        ("gitlab", '{"name_regex": ".*", "cadence": "2d"}'),
        ("gitlab", '{"name_regex": "(", "cadence": "1d"}'),
        ("gar", '[{"name": "x", "action": "Eat"}]'),
        ("gar", '[{"name": "x", "action": "DELETE", "condition": {"olderThan": "soon"}}]'),
        ("acr", "acr purge"),
        ("acr", "acr purge --filter app --ago 1d"),
        ("acr", "acr purge --filter 'app:.*' --ago tomorrow"),
        ("acr", "acr purge --filter 'app:.*"),
        ("deckschrubber", "-day x"),
        ("deckschrubber", "-day -3"),
        ("deckschrubber", "-nonsense 3"),
    ],
)
def test_what_is_nothing_of_the_kind_is_wrong_use(kind, text):
    with pytest.raises(UsageError) as caught:
        import_policy(kind, text)
    assert str(caught.value).count("\n") == 0


def test_what_a_policy_says_of_itself_cannot_become_a_rule():
    policy = ecr(days(14, "prod"))
    policy["rules"][0]["description"] = "old\ndelete:\n  - {tag: '.*'}\x00\u2028"
    parsed = parse_policy(import_policy("ecr", json.dumps(policy)))
    assert [rule.image_tags for rule in parsed.delete] == [("prod.*",)]


def test_imported_policies_have_nothing_suspicious_but_what_they_say():
    for kind, text in (
        ("gar", json.dumps(GAR)),
        ("acr", PURGE),
        ("ecr", json.dumps(ecr(count(1, "a"), days(3, "b")))),
    ):
        assert lint(parse_policy(import_policy(kind, text))) == ()


@pytest.mark.parametrize(
    ("pattern", "whole"),
    [
        (".*", ".*"),
        ("^1.*", "1.*"),
        ("x", ".*x.*"),
        ("^x$", "x"),
        ("a|b", "(?s:.*)(?:a|b)(?s:.*)"),
        ("-rc$", ".*-rc"),
    ],
)
def test_searched(pattern, whole):
    assert searched(pattern) == whole


def test_wildcards():
    assert doublestar("v*,{a,b}-?") == ["v.*", "a-.", "b-."]
    assert pattern_globs("^team/.*$|a\\.b") == ["team/**", "a.b"]
    for pattern in ("a.b", "a+", "(a|b)", "a?", "a[bc]"):
        with pytest.raises(UsageError):
            pattern_globs(pattern)
    assert duration(2 * 86400 + 3 * 3600 + 6 * 60) == "2d3h6m"


def test_every_importer_gives_what_is_read_back_as_it_was_written():
    text = import_policy("gar", json.dumps(GAR))
    assert parse_policy(text) == parse_policy(msgspec.json.encode(parse_policy(text)))
    assert NOW
