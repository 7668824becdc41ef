"""A rule made ready: which items of a repository it matches, and which it cannot judge.

Columns in place of single items: a policy of fifty rules looks at millions of pairs.
"""

from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Any, Literal, NamedTuple

from prune.model.duration import parse_duration
from prune.policy.inventory import Shelf
from prune.policy.patterns import Globs, PatternSet, compile_pattern
from prune.policy.schema import Policy, Rule
from prune.policy.times import known
from prune.policy.uses import InUse
from prune.policy.versions import Range, Version, parse_version
from prune.policy.words import unknown_time

Section = Literal["protect", "keep", "delete"]

type Times = list[int | None]


class Judged(NamedTuple):
    """Positions of items on a shelf: those that a rule matches, with a word on it where there is one to say, and
    those that it cannot judge, with what is not known."""

    yes: list[int]
    words: dict[int, str]
    unknown: dict[int, str]


class Table:
    """One shelf laid out for all rules: which patterns match which items, versions, and times that can be true."""

    def __init__(self, shelf: Shelf, patterns: PatternSet, ignored: Callable[[str], bool], now: int) -> None:
        self.shelf = shelf
        self.now = now
        self._ignored = ignored
        self.matching: dict[int, list[int]] = {}
        for position, item in enumerate(shelf.items[: shelf.tags]):
            for pattern in patterns.matching(item.tag or ""):
                self.matching.setdefault(pattern, []).append(position)
        self._times: dict[str, Times] = {}
        self._on_digests: dict[int, set[int]] = {}
        self._orders: dict[str, list[Any]] = {}

    @cached_property
    def versions(self) -> list[Version | None]:
        """Return the version that each tag is, ``None`` where there is none."""
        return [parse_version(item.tag) if item.tag else None for item in self.shelf.items]

    def on_digests(self, pattern: int) -> set[int]:
        """Return the tags whose digest has any tag that a pattern matches."""
        if pattern not in self._on_digests:
            items = self.shelf.items
            digests = {items[i].digest for i in self.matching.get(pattern, ())}
            self._on_digests[pattern] = {i for i in range(self.shelf.tags) if items[i].digest in digests}
        return self._on_digests[pattern]

    def times(self, by: str) -> Times:
        """Return a column of times, ``None`` for each that is unknown or cannot be true."""
        if by not in self._times:
            raw = self.last_pulls if by == "pulled" else getattr(self.shelf, by)
            self._times[by] = [known(time, self.now) for time in raw]
        return self._times[by]

    def order(self, by: str) -> list[Any]:
        """Return what to sort by: a time or the version, then the version, then the name."""
        if by not in self._orders:
            first = self.versions if by == "version" else self.times(by)
            self._orders[by] = [
                (one, version or (), item.tag or item.digest)
                for one, version, item in zip(first, self.versions, self.shelf.items, strict=True)
            ]
        return self._orders[by]

    @cached_property
    def last_pulls(self) -> Times:
        """Return the last pull of each item by anybody whose pulls count, true or not."""
        return [
            max((time for agent, time in pulls.items() if not self._ignored(agent)), default=None)
            for pulls in self.shelf.pulls
        ]


class ReadyRule:
    """A rule of one section, compiled."""

    def __init__(self, section: Section, rule: Rule, patterns: dict[str, int], now: int) -> None:
        self.section = section
        self.rule = rule
        self.globs = Globs(rule.repositories, rule.not_repositories)
        self._tag = patterns[rule.tag] if rule.tag is not None else None
        self._not_tag = patterns[rule.not_tag] if rule.not_tag is not None else None
        self._image_tags = [patterns[text] for text in rule.image_tags]
        self._except_tags = [patterns[text] for text in rule.except_image_tags]
        self._digest: Any = compile_pattern(rule.digest) if rule.digest is not None else None
        self._range = Range(rule.semver.range) if rule.semver is not None else None
        self._older = now - parse_duration(rule.older_than.age) if rule.older_than else 0
        self._newer = now - parse_duration(rule.newer_than.age) if rule.newer_than else 0
        self._active = now - parse_duration(rule.active_within) if rule.active_within else 0
        group_by = rule.newest.group_by if rule.newest is not None else None
        self._group: Any = compile_pattern(group_by) if group_by is not None else None

    def judge(self, table: Table, in_use: InUse, pulls_since: int | None, protected: Collection[int]) -> Judged:
        """Return what the rule says of each item. ``protected`` are items that do not use up what is counted."""
        rule = self.rule
        found = self._by_name(table)
        unknown: dict[int, str] = {}
        words: dict[int, str] = {}
        if rule.label is not None and found:
            found = self._labelled(table, found, unknown)
        if rule.older_than is not None and found:
            times, limit = table.times(rule.older_than.by), self._older
            _doubt(found, times, rule.older_than.by, unknown)
            found = [i for i in found if (time := times[i]) is None or time <= limit]
            if rule.older_than.by == "pulled":
                _unheard(found, pulls_since, limit, unknown)
        if rule.newer_than is not None and found:
            times, limit = table.times(rule.newer_than.by), self._newer
            _doubt(found, times, rule.newer_than.by, unknown)
            if rule.newer_than.by == "pulled" and not _heard(pulls_since, limit):
                _unheard([i for i in found if (time := times[i]) and time <= limit], pulls_since, limit, unknown)
            else:
                found = [i for i in found if (time := times[i]) is None or time > limit]
        if rule.active_within is not None and found:
            found = self._recent(table, found, pulls_since, unknown)
        if rule.in_use is not None and found:
            found = self._used(table, found, in_use, unknown, words)
        yes = [i for i in found if i not in unknown] if unknown else found
        if rule.newest is not None or (rule.semver is not None and rule.semver.newest is not None):
            yes = self._first(table, [i for i in yes if i not in protected], pulls_since, unknown)
        if self._except_tags:
            # Only now: what is passed over was counted.
            passed = set().union(*(table.on_digests(pattern) for pattern in self._except_tags))
            yes = [i for i in yes if i not in passed]
            found = [i for i in found if i not in passed]
        if rule.with_all_tags:
            found, yes = self._with_all_tags(table, found, yes, unknown)
        if unknown:
            staying = set(found)
            unknown = {i: why for i, why in unknown.items() if i in staying}
        return Judged(yes, words, unknown)

    def _with_all_tags(
        self, table: Table, found: list[int], yes: list[int], unknown: dict[int, str]
    ) -> tuple[list[int], list[int]]:
        """Add the other tags of the images that a rule keeps, or may keep."""
        items = table.shelf.items
        sure = {items[i].digest for i in yes}
        doubtful = {items[i].digest: unknown[i] for i in found if i in unknown}
        all_, kept = set(found), set(yes)
        for i in range(table.shelf.tags):
            digest = items[i].digest
            if digest in sure:
                kept.add(i)
                unknown.pop(i, None)
            elif digest in doubtful:
                all_.add(i)
                unknown.setdefault(i, doubtful[digest])
        return sorted(all_ | kept), sorted(kept)

    def _by_name(self, table: Table) -> list[int]:
        """Return the items that the fields about tags match."""
        rule, shelf = self.rule, table.shelf
        found: list[int]
        if rule.untagged:
            return list(range(shelf.tags, len(shelf.items)))
        if self._tag is not None:
            found = table.matching.get(self._tag, [])
        elif rule.not_tag or rule.semver or rule.image_tags or rule.untagged is False or self.section == "delete":
            found = list(range(shelf.tags))
        else:
            # What is kept without a word on tags is kept untagged as well; what is to go must be called untagged.
            found = list(range(len(shelf.items)))
        if self._not_tag is not None:
            without = set(table.matching.get(self._not_tag, ()))
            found = [i for i in found if i not in without]
        for pattern in self._image_tags:
            having = table.on_digests(pattern)
            found = [i for i in found if i in having]
        if self._digest is not None:
            items = shelf.items
            found = [i for i in found if self._digest.fullmatch(items[i].digest)]
        if self._range is not None and rule.semver is not None:
            versions, range_, which = table.versions, self._range, rule.semver.prerelease
            found = [i for i in found if (version := versions[i]) is not None and version in range_]
            if which != "include":
                found = [i for i in found if (version := versions[i]) and version.is_prerelease == (which == "only")]
        return found

    def _labelled(self, table: Table, found: list[int], unknown: dict[int, str]) -> list[int]:
        name, equals, value = (self.rule.label or "").partition("=")
        passed = []
        cache: dict[str, bool | None] = {}
        for i in found:
            digest = table.shelf.items[i].digest
            if digest not in cache:
                said = [
                    None if labels is None else name in labels and (not equals or labels[name] == value)
                    for labels in table.shelf.inventory.labels(digest)
                ]
                cache[digest] = self._of_all(said)
            holds = cache[digest]
            if holds is None:
                unknown.setdefault(i, "its labels are not known")
            if holds is not False:
                passed.append(i)
        return passed

    def _of_all(self, said: list[bool | None]) -> bool | None:
        """Join what holds for each platform: one is enough to keep, to go it must hold for all."""
        enough = self.section != "delete"
        if enough in said:
            return enough
        return None if None in said or not said else not enough

    def _recent(self, table: Table, found: list[int], pulls_since: int | None, unknown: dict[int, str]) -> list[int]:
        pushed, pulled, last = table.times("pushed"), table.times("pulled"), table.last_pulls
        seen, raw = table.times("first_seen"), table.shelf.pushed
        limit = self._active
        heard = _heard(pulls_since, limit)
        passed = []
        for i in found:
            push, pull = pushed[i], pulled[i]
            if push is None and raw[i] is None:
                # What a scan found before had been pushed before.
                push = seen[i]
            if (push is not None and push > limit) or (pull is not None and pull > limit):
                passed.append(i)
            elif push is None:
                unknown.setdefault(i, unknown_time("pushed"))
                passed.append(i)
            elif not heard or (pull is None and last[i] is not None):
                unknown.setdefault(i, unknown_time("pulled"))
                passed.append(i)
        return passed

    def _used(
        self, table: Table, found: list[int], in_use: InUse, unknown: dict[int, str], words: dict[int, str]
    ) -> list[int]:
        passed = []
        for i in found:
            users = in_use.users(table.shelf, table.shelf.items[i])
            if users:
                if self.rule.in_use:
                    words[i] = users
                    passed.append(i)
            elif in_use.doubt:
                unknown.setdefault(i, in_use.doubt)
                passed.append(i)
            elif not self.rule.in_use:
                passed.append(i)
        return passed

    def _first(self, table: Table, found: list[int], pulls_since: int | None, unknown: dict[int, str]) -> list[int]:
        """Return those that come first, of each group. What has no time is not counted, and not judged."""
        newest, semver = self.rule.newest, self.rule.semver
        if newest is not None:
            times = table.times(newest.by)
            _doubt(found, times, newest.by, unknown)
            if newest.by == "pulled":
                for i in found:
                    _unheard([i], pulls_since, times[i] or 0, unknown)
            found = [i for i in found if i not in unknown] if unknown else found
            return _leading(table, table.order(newest.by), self._grouped(table, found), newest.count, newest.n)
        if semver is None or semver.newest is None:
            return found
        lines: dict[Any, list[int]] = {}
        for i in found:
            if (version := table.versions[i]) is not None:
                lines.setdefault(version.line(semver.per), []).append(i)
        return _leading(table, table.order("version"), lines.values(), semver.count, semver.newest)

    def _grouped(self, table: Table, found: list[int]) -> Iterable[list[int]]:
        newest = self.rule.newest
        if self._group is None:
            if newest is not None and newest.with_untagged:
                return (found,)
            # What nobody gave a name must not take the place of the newest that has one.
            tags = table.shelf.tags
            return [i for i in found if i < tags], [i for i in found if i >= tags]
        groups: dict[Any, list[int]] = {}
        for i in found:
            tag = table.shelf.items[i].tag
            match = self._group.fullmatch(tag) if tag else None
            groups.setdefault((tag is None, match.groups() if match else None), []).append(i)
        return groups.values()


def _doubt(found: list[int], times: Times, by: str, unknown: dict[int, str]) -> None:
    """Note which items have no time to judge by."""
    for i in found:
        if times[i] is None:
            unknown.setdefault(i, unknown_time(by))


def _heard(pulls_since: int | None, limit: int) -> bool:
    """Tell whether every pull after ``limit`` was reported: who pulled while nobody listened is not known."""
    return pulls_since is not None and pulls_since <= limit


def _unheard(found: list[int], pulls_since: int | None, limit: int, unknown: dict[int, str]) -> None:
    """Note which items may have been pulled after ``limit`` without anybody being told."""
    if not _heard(pulls_since, limit):
        for i in found:
            unknown.setdefault(i, unknown_time("pulled"))


def _leading(table: Table, order: list[Any], groups: Iterable[list[int]], count: str, most: int) -> list[int]:
    """Return the items of the ``most`` highest digests, or tags, of each group."""
    items = table.shelf.items
    chosen: list[int] = []
    for group in groups:
        ranked = sorted(group, key=order.__getitem__, reverse=True)
        if count == "tag":
            chosen += ranked[:most]
            continue
        digests: set[str] = set()
        for i in ranked:
            if len(digests) == most:
                break
            digests.add(items[i].digest)
        chosen += [i for i in group if items[i].digest in digests]
    return chosen


def ready_rules(policy: Policy, now: int) -> tuple[list[ReadyRule], dict[str, int]]:
    """Compile all rules, by section and then by id: the order in which they are written never matters. Also return
    the position of each pattern over tags."""
    patterns: dict[str, int] = {}
    for rule in policy.rules():
        for pattern in (rule.tag, rule.not_tag, *rule.image_tags, *rule.except_image_tags):
            if pattern is not None:
                patterns.setdefault(pattern, len(patterns))
    sections: list[tuple[Section, Iterable[Rule]]] = [
        ("protect", policy.protect),
        ("keep", policy.keep),
        ("delete", policy.delete),
    ]
    rules = [
        ReadyRule(section, rule, patterns, now)
        for section, some in sections
        for rule in sorted(some, key=lambda rule: rule.id)
    ]
    return rules, patterns


def ignoring(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return whether the pulls of a user agent do not count."""
    compiled = [compile_pattern(pattern) for pattern in patterns]
    cache: dict[str, bool] = {}

    def ignored(agent: str) -> bool:
        if agent not in cache:
            cache[agent] = any(pattern.fullmatch(agent) for pattern in compiled)
        return cache[agent]

    return ignored
