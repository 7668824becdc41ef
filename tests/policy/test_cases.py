"""The rules of retention policies and their known traps, one small registry each: what is there, the policy, what
goes. See tests/policy/worlds.py for how registries are written."""

import pytest

from tests.policy.worlds import goes, judge

RULE_1_DELETE_AND_NO_KEEP = [
    ("nothing without delete rules", "a b", "keep: [{tag: a}]", ""),
    ("nothing with an empty policy", "a b", "description: nothing", ""),
    ("nothing where no rule matches", "a b", "delete: [{tag: c}]", ""),
    ("what one delete rule matches", "a b", "delete: [{tag: a}]", "a"),
    ("keep beats delete", "a b", "keep: [{tag: a}]\ndelete: [{tag: '.*'}]", "b"),
    ("protect beats delete", "a b", "protect: [{tag: a}]\ndelete: [{tag: '.*'}]", "b"),
    ("keep beats delete, wherever it is written", "a b", "delete: [{tag: '.*'}]\nkeep: [{tag: a}]", "b"),
    ("rules are joined by or", "a b c", "delete: [{tag: a}, {tag: b}]", "a b"),
    (
        "fields of a rule are joined by and",
        "a@9d b@1d c@9d",
        "delete: [{tag: 'a|b', older_than: {age: 7d, by: pushed}}]",
        "a",
    ),
    (
        "all fields of a keep rule must hold to keep",
        "a@9d b@1d",
        "keep: [{tag: '.', newer_than: {age: 7d, by: pushed}}]\ndelete: [{tag: '.'}]",
        "a",
    ),
    (
        "protect beats delete on one of several tags, and the others go",
        "a b=a c",
        "protect: [{tag: a}]\ndelete: [{tag: '.'}]",
        "b c",
    ),
    (
        "one delete rule more takes nothing from protection",
        "a",
        "protect: [{tag: a}]\ndelete: [{tag: a}, {tag: '.*'}, {digest: 'sha256:.*'}]",
        "",
    ),
    ("not_tag takes the rest", "a b c", "delete: [{not_tag: 'a|b'}]", "c"),
    ("tag and not_tag", "a1 a2 b", "delete: [{tag: 'a.', not_tag: a2}]", "a1"),
]

RULE_2_GLOBS_AND_PATTERNS = [
    ("a pattern matches the whole tag", "pr pr-1 xpr", "delete: [{tag: pr}]", "pr"),
    ("an unanchored pattern is not a search", "latest latest-1 not-latest", "delete: [{tag: latest}]", "latest"),
    ("alternatives are whole tags as well", "a ab b bb", "delete: [{tag: a|b}]", "a b"),
    ("patterns mind case", "A a", "delete: [{tag: a}]", "a"),
    ("unless they say so", "A a", "delete: [{tag: '(?i)a'}]", "A a"),
    ("a dot is any character", "v1.2 v1x2", "delete: [{tag: 'v1.2'}]", "v1.2 v1x2"),
    ("a filter that matches nothing deletes nothing", "a b", "delete: [{tag: 'zzz.*'}]", ""),
    ("a pattern of white space matches nothing", "a b", "delete: [{tag: '^$|a'}]", "a"),
    ("* stays in its segment", "x/a:t x/y/a:t", "scope: {include: ['x/*']}\ndelete: [{tag: t}]", "x/a:t"),
    ("** crosses segments", "x/a:t x/y/a:t z:t", "scope: {include: ['x/**']}\ndelete: [{tag: t}]", "x/a:t x/y/a:t"),
    ("x/** is not x itself", "x:t x/a:t", "scope: {include: ['x/**']}\ndelete: [{tag: t}]", "x/a:t"),
    ("**/x is x at any depth", "x:t a/x:t ax:t", "scope: {include: ['**/x']}\ndelete: [{tag: t}]", "a/x:t x:t"),
    ("a glob is the whole name", "team:t teams:t", "scope: {include: [team]}\ndelete: [{tag: t}]", "team:t"),
    ("a dot in a glob is a dot", "a.b:t axb:t", "scope: {include: [a.b]}\ndelete: [{tag: t}]", "a.b:t"),
    (
        "exclude beats include",
        "team/a:t team/base:t",
        "scope: {include: ['team/**'], exclude: [team/base]}\ndelete: [{tag: t}]",
        "team/a:t",
    ),
    ("out of scope nothing goes", "a:t b:t", "scope: {exclude: ['**']}\ndelete: [{tag: t}]", ""),
    ("a rule may have repositories of its own", "a:t b:t", "delete: [{tag: t, repositories: [a]}]", "a:t"),
    ("or all but some", "a:t b:t", "delete: [{tag: t, not_repositories: [a]}]", "b:t"),
    (
        "a keep rule only keeps in its repositories",
        "a:t b:t",
        "keep: [{repositories: [a]}]\ndelete: [{tag: t}]",
        "b:t",
    ),
]

IMAGES = [
    ("image_tags is about all tags of a digest", "a1 b1=a1 a2 c", "delete: [{image_tags: ['b.']}]", "a1 b1"),
    ("each pattern must match some tag", "a1 b1=a1 a2", "delete: [{image_tags: ['a.', 'b.']}]", "a1 b1"),
    ("image_tags and tag", "a1 b1=a1", "delete: [{tag: 'a.', image_tags: ['b.']}]", "a1"),
    ("image_tags never means untagged", "-", "keep: [{image_tags: ['.*']}]\ndelete: [{untagged: true}]", "-"),
    ("except_image_tags spares the image", "a1 b1=a1 a2", "delete: [{tag: 'a.', except_image_tags: ['b.']}]", "a2"),
    (
        "what is passed over is still counted",
        "a1@3d a2@2d a3@1d b=a3",
        "keep: [{tag: 'a.', except_image_tags: [b], newest: {n: 2}}]\ndelete: [{tag: '.*'}]",
        "a1 a3 b",
    ),
    (
        "with_all_tags keeps the other tags of an image as well",
        "a b=a c",
        "keep: [{tag: a, with_all_tags: true}]\ndelete: [{tag: '.'}]",
        "c",
    ),
    ("by digest", "a b", "delete: [{tag: '.', digest: 'sha256:0+3'}]", "a"),
    ("by digest, untagged", "-", "keep: [{digest: 'sha256:.*'}]\ndelete: [{untagged: true}]", ""),
    (
        "the newest of those that are old",
        "a@9d b@8d c@1d",
        "keep: [{newest: {n: 1}, older_than: {age: 7d, by: pushed}}]\ndelete: [{tag: '.'}]",
        "a c",
    ),
]

RULE_3_MANIFESTS = [
    ("untagged: true takes what no tag points at", "a -@9d", "delete: [{untagged: true}]", "-"),
    ("a delete rule without a word on it takes tags only", "a@9d -@9d", "delete: [{tag: '.*'}]", "a"),
    (
        "nor does age alone reach what is untagged",
        "a@9d -@9d",
        "delete: [{older_than: {age: 7d, by: pushed}}]",
        "a",
    ),
    (
        "a keep rule without a word on it keeps untagged manifests too",
        "a@9d -@1d -@9d",
        "keep: [{newer_than: {age: 7d, by: pushed}}]\ndelete: [{untagged: true}, {tag: a}]",
        "a -",
    ),
    (
        "an image with one tag left is not untagged",
        "a@9d b=a",
        "delete: [{tag: a}, {untagged: true}]",
        "a",
    ),
    (
        "untagged manifests can be counted",
        "-@3d -@2d -@1d",
        "keep: [{untagged: true, newest: {n: 1}}]\ndelete: [{untagged: true}]",
        "- -",
    ),
    ("untagged: false is tags only", "a -", "keep: [{untagged: false}]\ndelete: [{tag: a}, {untagged: true}]", "-"),
]

RULE_4_COUNTING = [
    ("the seed's all but the latest", "a@3d b@2d c@1d", "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]", "a b"),
    (
        "an untagged manifest does not take the place of the newest tag",
        "a@3d b@2d -@1d -@1h",
        "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}, {untagged: true}]",
        "a -",
    ),
    (
        "unless it is said to",
        "a@3d b@2d -@1d -@1h",
        "keep: [{newest: {n: 1, with_untagged: true}}]\ndelete: [{tag: '.*'}, {untagged: true}]",
        "a b -",
    ),
    (
        "for each repository by itself",
        "x:a@3d x:b@2d y:c@9d",
        "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]",
        "x:a",
    ),
    ("never the newest first", "a@1d b@2d c@3d", "keep: [{newest: {n: 2}}]\ndelete: [{tag: '.*'}]", "c"),
    ("fewer than n: all stay", "a@1d b@2d", "keep: [{newest: {n: 5}}]\ndelete: [{tag: '.*'}]", ""),
    (
        "aliases count once",
        "a@3d b@2d b2=b c@1d c2=c",
        "keep: [{newest: {n: 2}}]\ndelete: [{tag: '.*'}]",
        "a",
    ),
    (
        "unless tags are counted",
        "a@3d b@2d c@1d c2=c",
        "keep: [{newest: {n: 2, count: tag}}]\ndelete: [{tag: '.*'}]",
        "a b",
    ),
    (
        "protected tags do not use up n",
        "a@4d b@3d latest@1d",
        "protect: [{tag: latest}]\nkeep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]",
        "a",
    ),
    (
        "keep counts all that it matches, not only what would go",
        "a@9d b@8d c@1d",
        "keep: [{newest: {n: 2}}]\ndelete: [{older_than: {age: 7d, by: pushed}}]",
        "a",
    ),
    (
        "only what the rule matches is counted",
        "main-1@5d main-2@4d x@1d y@1d",
        "keep: [{tag: 'main-.*', newest: {n: 1}}]\ndelete: [{tag: 'main-.*'}]",
        "main-1",
    ),
    (
        "groups are counted by themselves",
        "main-1@4d main-2@3d dev-1@2d dev-2@1d",
        "keep: [{newest: {n: 1, group_by: '(.+)-.*'}}]\ndelete: [{tag: '.*'}]",
        "dev-1 main-1",
    ),
    (
        "what fits no group is a group",
        "main-1@4d main-2@3d x@9d y@8d",
        "keep: [{newest: {n: 1, group_by: '(.+)-.*'}}]\ndelete: [{tag: '.*'}]",
        "main-1 x",
    ),
    (
        "what is untagged fits no group, and is one of its own",
        "x@9d y@8d -@1d",
        "keep: [{newest: {n: 1, group_by: '(.+)-.*'}}]\ndelete: [{tag: '.*'}, {untagged: true}]",
        "x",
    ),
    (
        "a digest counts in each of its groups",
        "a-1@4d b-1=a-1 a-2@3d",
        "keep: [{newest: {n: 1, group_by: '(.)-.*'}}]\ndelete: [{tag: '.*'}]",
        "a-1",
    ),
    (
        "of one time, the higher version is newer",
        "1.9.0@1d 1.10.0@1d",
        "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]",
        "1.9.0",
    ),
    ("then the later name", "a@1d b@1d", "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.*'}]", "a"),
    (
        "two keep rules count by themselves",
        "a1@4d a2@3d b1@2d b2@1d",
        "keep: [{tag: 'a.', newest: {n: 1}}, {tag: 'b.', newest: {n: 1}}]\ndelete: [{tag: '.*'}]",
        "a1 b1",
    ),
    (
        "a catch-all first rule takes nothing from a later one",
        "a@3d b@2d",
        "keep: [{id: all, newest: {n: 1}}, {id: a, tag: a}]\ndelete: [{tag: '.*'}]",
        "",
    ),
]

RULE_5_TIMES = [
    ("older than", "a@15d b@13d", "delete: [{older_than: {age: 14d, by: pushed}}]", "a"),
    ("at exactly the age", "a@14d", "delete: [{older_than: {age: 14d, by: pushed}}]", "a"),
    ("an unknown time stays", "a@? b@15d", "delete: [{older_than: {age: 14d, by: pushed}}]", "b"),
    ("the time zero stays", "a@0 b@15d", "delete: [{older_than: {age: 14d, by: pushed}}]", "b"),
    ("a time in the future stays", "a@+1d b@15d", "delete: [{older_than: {age: 14d, by: pushed}}]", "b"),
    (
        "a keep rule keeps what has no time",
        "a@? b@15d",
        "keep: [{newer_than: {age: 1d, by: pushed}}]\ndelete: [{tag: '.'}]",
        "b",
    ),
    (
        "and what is from the future",
        "a@+9d b@15d",
        "keep: [{newer_than: {age: 1d, by: pushed}}]\ndelete: [{tag: '.'}]",
        "b",
    ),
    ("newer than", "a@1h b@25h", "keep: [{newer_than: {age: 24h, by: pushed}}]\ndelete: [{tag: '.'}]", "b"),
    ("what has no time stays, uncounted", "a@? b@2d c@1d", "keep: [{newest: {n: 1}}]\ndelete: [{tag: '.'}]", "b"),
    ("moving a tag refreshes it", "a@30d b@20d a=b@1d", "delete: [{older_than: {age: 14d, by: pushed}}]", ""),
    (
        "one tag more on a digest refreshes its others",
        "a@30d b=a@1d c@30d",
        "delete: [{older_than: {age: 14d, by: pushed}}]",
        "c",
    ),
    (
        "a tag that was set nobody knows when may have refreshed its image",
        "a@? b=a@30d c@30d",
        "delete: [{older_than: {age: 14d, by: pushed}}]",
        "c",
    ),
    (
        "a time of zero is as good as none",
        "a@0 b=a@30d c@30d",
        "delete: [{older_than: {age: 14d, by: pushed}}]",
        "c",
    ),
    (
        "a tag from the future may have refreshed its image",
        "a@+1d b=a@30d c@30d",
        "delete: [{older_than: {age: 14d, by: pushed}}]",
        "c",
    ),
    (
        "what has no time takes no place from those that have one",
        "a@? b@3d c@2d d@1d",
        "keep: [{newest: {n: 2}}]\ndelete: [{tag: '.'}]",
        "b",
    ),
    (
        "what is protected in doubt is not counted either",
        "a@? b@3d c@2d",
        "protect: [{tag: a, newer_than: {age: 1d, by: pushed}}]\nkeep: [{newest: {n: 1}}]\ndelete: [{tag: '.'}]",
        "b",
    ),
    ("days and weeks and hours", "a@15d", "delete: [{older_than: {age: 2w1h, by: pushed}}]", "a"),
    (
        "what no scan has dated stays",
        "a@30d",
        "delete: [{older_than: {age: 14d, by: first_seen}}]",
        "",
    ),
    (
        "nor what was untagged nobody knows when",
        "-@30d",
        "delete: [{untagged: true, older_than: {age: 7d, by: untagged_at}}]",
        "",
    ),
    ("nor what says not when it was made", "a@30d", "delete: [{older_than: {age: 14d, by: created}}]", ""),
    (
        "where nothing reports pulls, active means kept",
        "a@90d",
        "keep: [{active_within: 30d}]\ndelete: [{tag: a}]",
        "",
    ),
]

RULE_6_VERSIONS = [
    ("versions in a range", "1.0.0 v2.0.0 0.9.0 x", "delete: [{semver: {range: '>=1'}}]", "1.0.0 v2.0.0"),
    ("numbers, not letters", "1.9.0 1.10.0", "keep: [{semver: {newest: 1}}]\ndelete: [{tag: '.*'}]", "1.9.0"),
    ("an optional v", "v1.2.3 1.2.4", "keep: [{semver: {newest: 1}}]\ndelete: [{semver: {}}]", "v1.2.3"),
    ("1.2 and latest are no versions", "1.2 latest 1.2.0", "delete: [{semver: {range: '*'}}]", "1.2.0"),
    ("nor are 01.2.3 and 1.2.3.4", "01.2.3 1.2.3.4 1.2.3", "delete: [{semver: {}}]", "1.2.3"),
    (
        "a pre-release comes before its release",
        "1.0.0-rc.1 1.0.0",
        "keep: [{semver: {newest: 1}}]\ndelete: [{tag: '.*'}]",
        "1.0.0-rc.1",
    ),
    (
        "rc.10 after rc.9",
        "1.0.0-rc.9 1.0.0-rc.10",
        "keep: [{semver: {newest: 1}}]\ndelete: [{tag: '.*'}]",
        "1.0.0-rc.9",
    ),
    (
        "pre-releases left out do not use up the count",
        "1.0.0 2.0.0-rc.1 0.9.0",
        "keep: [{semver: {newest: 1, prerelease: exclude}}]\ndelete: [{tag: '0.*'}, {tag: '1.*'}]",
        "0.9.0",
    ),
    ("pre-releases only", "1.0.0 1.0.0-rc.1", "delete: [{semver: {prerelease: only}}]", "1.0.0-rc.1"),
    (
        "the newest of each minor version",
        "1.1.1 1.1.2 1.2.0 1.2.1 2.0.0",
        "keep: [{semver: {newest: 1, per: minor}}]\ndelete: [{tag: '.*'}]",
        "1.1.1 1.2.0",
    ),
    (
        "the newest of each major version",
        "1.1.1 1.2.0 2.0.0 2.1.0",
        "keep: [{semver: {newest: 1, per: major}}]\ndelete: [{tag: '.*'}]",
        "1.1.1 2.0.0",
    ),
    (
        "aliases of a version count once",
        "1.0.0@9d 2.0.0@1d v2.0.0=2.0.0",
        "keep: [{semver: {newest: 2}}]\ndelete: [{tag: '.*'}]",
        "",
    ),
    ("caret", "1.2.0 1.9.0 2.0.0", "delete: [{semver: {range: ^1.3}}]", "1.9.0"),
    ("tilde", "1.2.0 1.2.9 1.3.0", "delete: [{semver: {range: ~1.2.1}}]", "1.2.9"),
    ("below a version are not its pre-releases", "1.9.0 2.0.0-rc.1", "delete: [{semver: {range: <2}}]", "1.9.0"),
    ("alternatives", "1.0.0 2.0.0 3.0.0", "delete: [{semver: {range: '1.x || 3.x'}}]", "1.0.0 3.0.0"),
    (
        "an old version pushed late is still old",
        "1.0.0@1d 2.0.0@9d",
        "keep: [{semver: {newest: 1}}]\ndelete: [{tag: '.*'}]",
        "1.0.0",
    ),
]

GUARDS = [
    (
        "what is younger than min_age stays",
        "a@1h b@25h",
        "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}",
        "b",
    ),
    ("so does what has no time", "a@? b@25h", "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}", "b"),
    ("and what is from the future", "a@+1d b@25h", "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}", "b"),
    (
        "unless the guard is off",
        "a@1h b@? c@+1d",
        "delete: [{tag: '.'}]\nguards: {min_age: null, min_tags_left: 0}",
        "a b c",
    ),
]

ALL = [
    *RULE_1_DELETE_AND_NO_KEEP,
    *RULE_2_GLOBS_AND_PATTERNS,
    *IMAGES,
    *RULE_3_MANIFESTS,
    *RULE_4_COUNTING,
    *RULE_5_TIMES,
    *RULE_6_VERSIONS,
    *GUARDS,
]


@pytest.mark.parametrize(("there", "policy", "gone"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_case(there, policy, gone):
    assert goes(judge(there, policy)) == gone
