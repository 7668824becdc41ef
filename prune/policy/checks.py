"""What a well-formed policy must still obey. Everything here errs on the side of refusing a text."""

import re
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from prune.model.duration import parse_duration
from prune.model.errors import UsageError
from prune.policy.document import Path
from prune.policy.patterns import compile_glob, compile_pattern
from prune.policy.schema import Age, Guards, Policy, Rule, Schedule, Semver
from prune.policy.versions import Range

type Found = Iterator[tuple[Path, str]]

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_SELECTING = (
    "tag",
    "not_tag",
    "digest",
    "label",
    "untagged",
    "semver",
    "newest",
    "older_than",
    "newer_than",
    "active_within",
)


def check(policy: Policy) -> Found:
    """Yield every fault as where it is and what to do about it."""
    yield from _globs(policy.scope.include, ("scope", "include"))
    yield from _globs(policy.scope.exclude, ("scope", "exclude"))
    if not policy.scope.include:
        yield ("scope", "include"), "'include' is empty, so the policy would see nothing; write '**' for everything."
    for number, pattern in enumerate(policy.ignore_pulls_by):
        yield from _pattern(pattern, ("ignore_pulls_by", number))
    ids = Counter(rule.id for rule in policy.rules())
    for section in ("protect", "keep", "delete"):
        for number, rule in enumerate(getattr(policy, section)):
            path: Path = (section, number)
            if not _ID.fullmatch(rule.id):
                yield (*path, "id"), f"{rule.id[:70]!r} is no id; use up to 64 letters, digits, dots, - and _."
            if ids[rule.id] > 1:
                yield (*path, "id"), f"{ids[rule.id]} rules have the id {rule.id!r}; give each its own."
            yield from _rule(section, rule, path)
    yield from _guards(policy.guards)
    if policy.schedule is not None:
        yield from _schedule(policy.schedule)


def _rule(section: str, rule: Rule, path: Path) -> Found:
    yield from _globs(rule.repositories, (*path, "repositories"))
    yield from _globs(rule.not_repositories, (*path, "not_repositories"))
    for key in ("tag", "not_tag", "digest"):
        if (pattern := getattr(rule, key)) is not None:
            yield from _pattern(pattern, (*path, key))
    for key in ("image_tags", "except_image_tags"):
        for number, pattern in enumerate(getattr(rule, key)):
            yield from _pattern(pattern, (*path, key, number))
    if rule.label is not None and not re.fullmatch(r"[^=\s][^=]*(=.*)?", rule.label, re.DOTALL):
        yield (*path, "label"), f"{rule.label!r} is no label; write 'name' or 'name=value'."
    selecting = bool(rule.image_tags) or any(getattr(rule, key) is not None for key in _SELECTING)
    if section == "delete":
        if not selecting:
            yield path, "A delete rule must say what goes; write tag: '.*' if you mean every tag."
        yield from _not_in_delete(rule, path)
    else:
        if not selecting and rule.in_use is None and not (rule.repositories or rule.not_repositories):
            yield path, "This rule says nothing; add tag, label, semver, in_use or repositories, or take it away."
        counting = rule.newest is not None or (rule.semver is not None and rule.semver.newest is not None)
        if rule.older_than is not None and not counting:
            yield (*path, "older_than"), f"A {section} rule keeps what is young; write newer_than."
        if rule.in_use is False:
            yield (*path, "in_use"), f"A {section} rule keeps what is in use; write in_use: true."
        if section == "protect" and (rule.newest or (rule.semver and rule.semver.newest)):
            yield path, "A protect rule looks at each tag alone; move what counts the newest to keep."
    yield from _untagged(rule, path)
    yield from _ages(rule, path)
    yield from _orders(rule, path)


def _not_in_delete(rule: Rule, path: Path) -> Found:
    if rule.with_all_tags is not None:
        yield (*path, "with_all_tags"), "A delete rule takes tags one by one; say which images by image_tags."
    if rule.newest is not None:
        yield (*path, "newest"), "The newest would go first; keep them with a keep rule instead."
    if rule.semver is not None and rule.semver.newest is not None:
        yield (*path, "semver", "newest"), "The newest would go first; keep them with a keep rule instead."
    if rule.newer_than is not None:
        yield (*path, "newer_than"), "What is young would go; a delete rule takes older_than."
    if rule.active_within is not None:
        yield (*path, "active_within"), "What is used would go; keep it with a keep rule instead."
    if rule.in_use is True:
        yield (*path, "in_use"), "What is in use would go; a delete rule takes in_use: false."


def _untagged(rule: Rule, path: Path) -> Found:
    if rule.untagged:
        for key in ("tag", "not_tag", "semver", "image_tags"):
            if getattr(rule, key):
                yield (*path, key), f"What is untagged has no tag, so {key!r} can never match; make two rules of it."
    else:
        for key in ("newest", "older_than", "newer_than"):
            part = getattr(rule, key)
            if part is not None and part.by == "untagged_at":
                yield (*path, key, "by"), "Only what is untagged has untagged_at; add untagged: true."


def _ages(rule: Rule, path: Path) -> Found:
    for key in ("older_than", "newer_than"):
        age: Age | None = getattr(rule, key)
        if age is not None:
            yield from _duration(age.age, (*path, key, "age"), zero=False)
    if rule.active_within is not None:
        yield from _duration(rule.active_within, (*path, "active_within"), zero=False)


def _orders(rule: Rule, path: Path) -> Found:
    newest = rule.newest
    if newest is not None:
        if not 1 <= newest.n <= 10**9:
            yield (*path, "newest", "n"), "'n' must be at least 1; to keep none, take the rule away."
        if newest.with_untagged and (newest.group_by or rule.tag or rule.not_tag or rule.untagged is not None):
            yield (
                (*path, "newest", "with_untagged"),
                "The rule is about tags or untagged manifests alone; take it away.",
            )
        if newest.group_by is not None:
            yield from _group(newest.group_by, (*path, "newest", "group_by"))
        if rule.semver is not None and rule.semver.newest is not None:
            yield path, "'newest' and 'semver.newest' count in two ways; make two rules of it."
    if rule.semver is not None:
        yield from _semver(rule.semver, (*path, "semver"))


def _semver(semver: Semver, path: Path) -> Found:
    try:
        Range(semver.range)
    except UsageError as error:
        yield (*path, "range"), str(error)
    if semver.newest is not None and not 1 <= semver.newest <= 10**9:
        yield (*path, "newest"), "'newest' must be at least 1; to keep none, take the rule away."
    if semver.per is not None and semver.newest is None:
        yield (*path, "per"), "'per' says of which versions the newest stay; add newest, or take it away."


def _group(pattern: str, path: Path) -> Found:
    try:
        if not compile_pattern(pattern).groups:
            yield path, "'group_by' has no parentheses; put them around the part that tags of one group share."
    except UsageError as error:
        yield path, str(error)


def _pattern(pattern: str, path: Path) -> Found:
    try:
        compile_pattern(pattern)
    except UsageError as error:
        yield path, str(error)


def _globs(globs: tuple[str, ...], path: Path) -> Found:
    for number, glob in enumerate(globs):
        try:
            compile_glob(glob)
        except UsageError as error:
            yield (*path, number), str(error)


def _duration(text: str, path: Path, *, zero: bool) -> Found:
    if text.isascii() and text.isdigit() and text.strip("0"):
        yield path, f"{text!r} has no unit; write for instance {text}d or {text}h."
        return
    try:
        seconds = parse_duration(text)
    except UsageError as error:
        yield path, str(error)
        return
    if not seconds and not zero:
        yield path, "A duration must be more than 0, for instance 14d; leave the key out if any age will do."


def _guards(guards: Guards) -> Found:
    for key in ("min_age", "max_scan_age", "max_in_use_age"):
        if (text := getattr(guards, key)) is not None:
            yield from _duration(text, ("guards", key), zero=True)
    for key in ("min_tags_left", "max_count"):
        if (number := getattr(guards, key)) is not None and number < 0:
            yield ("guards", key), f"{key!r} must not be negative; write 0 or more, or null to switch it off."
    if guards.max_fraction is not None and not 0 <= guards.max_fraction <= 1:
        yield (
            ("guards", "max_fraction"),
            "'max_fraction' is a part of all tags; write a number from 0 to 1, as in 0.3.",
        )


def _schedule(schedule: Schedule) -> Found:
    try:
        zoneinfo.ZoneInfo(schedule.tz)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        yield ("schedule", "tz"), f"{schedule.tz[:60]!r} is no time zone; write for instance Europe/Berlin or UTC."
    try:
        next(CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        yield ("schedule", "cron"), f"{schedule.cron[:60]!r} is no cron expression ({error}); write five fields."
    except StopIteration:
        yield ("schedule", "cron"), f"{schedule.cron[:60]!r} is never due; look at its days and months."
