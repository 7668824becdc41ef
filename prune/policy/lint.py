"""What is suspicious in a policy that is right in form: rules that never match, or that others make useless.

Looks at the policy alone. What a rule does to a registry is told by a preview.
"""

from collections.abc import Iterator

import msgspec

from prune.model.duration import parse_duration
from prune.model.reference import is_tag_name
from prune.policy.patterns import Globs, compile_pattern
from prune.policy.schema import Age, Policy, Rule
from prune.policy.versions import Range


class Suspicion(msgspec.Struct, frozen=True, order=True):
    """Something suspicious about the rule with an id (empty: about the whole policy), as a sentence."""

    rule: str
    message: str


#: Tags as people make them. A pattern that matches all of these matches, in all likelihood, every tag.
_TYPICAL = (
    *("latest", "stable", "main", "a", "A", "0", "_", "1", "1.2", "1.2.3", "v1.2.3", "v1.2.3-rc.1", "2024-01-31"),
    *("pr-12", "main-5f3c2a1", "feature-login-page", "build.1234", "Release_2", "5f3c2a1", "x" * 128, "nightly"),
)
_CONDITIONS = (
    "not_tag",
    "digest",
    "label",
    "semver",
    "newest",
    "older_than",
    "newer_than",
    "active_within",
    "in_use",
)


def lint(policy: Policy) -> tuple[Suspicion, ...]:
    """Return all that is suspicious, by rule."""
    return tuple(sorted({Suspicion(rule, message) for rule, message in _found(policy)}))


def _found(policy: Policy) -> Iterator[tuple[str, str]]:
    if not policy.delete:
        yield "", "There are no delete rules, so nothing ever goes."
    if policy.schedule and policy.guards.max_fraction is None and policy.guards.max_count is None:
        yield "", "It runs on a schedule, and neither max_fraction nor max_count limits what one run may take."
    scope = Globs(policy.scope.include, policy.scope.exclude)
    for rule in policy.rules():
        yield from ((rule.id, f"It can never match: {why}.") for why in _never(rule, scope))
    for rule in policy.delete:
        if rule.tag is not None and matches_every_tag(rule.tag) and not _conditions(rule):
            yield rule.id, "Its pattern matches every tag, whatever its age: all goes that no other rule keeps."
    for rule in policy.keep + policy.protect:
        if not _conditions(rule) and not _limited(rule) and not rule.untagged and _any_tag(rule):
            yield rule.id, "It keeps every tag, so no delete rule on tags ever lets one go."
    yield from _shadowed(policy)
    yield from _twice(policy)
    yield from _ages(policy)


def matches_every_tag(pattern: str) -> bool:
    """Tell whether a pattern matches, as far as typical tags show, every tag."""
    compiled = compile_pattern(pattern)
    return all(compiled.fullmatch(tag) for tag in _TYPICAL)


def _never(rule: Rule, scope: Globs) -> Iterator[str]:
    if rule.tag is not None:
        prefix = _prefix(rule.tag)
        if prefix is None:
            yield f"no tag matches {rule.tag!r}"
        elif prefix and not is_tag_name(prefix[:128]):
            yield f"no tag can begin with {prefix!r}"
        if rule.not_tag is not None and (rule.not_tag == rule.tag or matches_every_tag(rule.not_tag)):
            yield "not_tag takes away all that tag matches"
    elif rule.not_tag is not None and matches_every_tag(rule.not_tag):
        yield "not_tag takes away every tag"
    if rule.semver is not None and Range(rule.semver.range).is_empty():
        yield f"no version is in {rule.semver.range!r}"
    names = rule.repositories
    if names and not any("*" in name for name in names):
        here = Globs(names, rule.not_repositories)
        if not any(name in scope and name in here for name in names):
            yield "none of its repositories is in the scope of the policy"


def _prefix(pattern: str) -> str | None:
    """Return how all that a pattern matches begins, ``None`` when it matches nothing but the empty text."""
    compiled = compile_pattern(pattern)
    low, high = compiled.possiblematchrange(128)
    if low == high == b"":
        return None
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return str(low[:length].decode(errors="replace"))


def _conditions(rule: Rule) -> bool:
    named = rule.image_tags or rule.except_image_tags
    return bool(named) or any(getattr(rule, field) is not None for field in _CONDITIONS)


def _limited(rule: Rule) -> bool:
    return bool(rule.repositories or rule.not_repositories)


def _any_tag(rule: Rule) -> bool:
    return rule.tag is None or matches_every_tag(rule.tag)


def _covers(one: Rule, other: Rule) -> bool:
    """Tell whether ``one`` surely matches every tag that ``other`` does: by its pattern alone."""
    if _conditions(one) or one.untagged or other.untagged:
        return False
    if _limited(one) and (one.repositories, one.not_repositories) != (other.repositories, other.not_repositories):
        return False
    return _any_tag(one) or (one.tag is not None and one.tag == other.tag)


def _shadowed(policy: Policy) -> Iterator[tuple[str, str]]:
    keeping = policy.protect + policy.keep
    for rule in policy.delete:
        for keeper in keeping:
            if _covers(keeper, rule):
                yield rule.id, f"{keeper.id} keeps all that it matches, so it never lets anything go."
    for position, rule in enumerate(keeping):
        for number, keeper in enumerate(keeping):
            # Of two that say the same only the later one is called needless.
            if number != position and _covers(keeper, rule) and not (_covers(rule, keeper) and number > position):
                yield rule.id, f"It is not needed: {keeper.id} keeps all that it matches."


def _twice(policy: Policy) -> Iterator[tuple[str, str]]:
    for position, rule in enumerate(policy.delete):
        for other in policy.delete[position + 1 :]:
            if msgspec.structs.replace(rule, id="") == msgspec.structs.replace(other, id=""):
                yield other.id, f"It says the same as {rule.id}."
            elif _covers(rule, other):
                yield other.id, f"It is not needed: {rule.id} lets all go that it matches."
            elif _covers(other, rule):
                yield rule.id, f"It is not needed: {other.id} lets all go that it matches."
            elif _limited(rule) and _limited(other):
                continue  # they may be about different repositories
            elif rule.tag is not None and other.tag is not None and (seen := _both(rule.tag, other.tag)):
                yield other.id, f"It overlaps with {rule.id}: both match tags such as {seen}."


def _both(one: str, other: str) -> str:
    """Return a typical tag that two patterns match, if there is one."""
    first, second = compile_pattern(one), compile_pattern(other)
    return next((tag for tag in _TYPICAL if first.fullmatch(tag) and second.fullmatch(tag)), "")


def _ages(policy: Policy) -> Iterator[tuple[str, str]]:
    for keeper in policy.keep + policy.protect:
        young = keeper.newer_than
        others = [field for field in _CONDITIONS if field != "newer_than" and getattr(keeper, field) is not None]
        if young is None or others or _limited(keeper) or not _any_tag(keeper):
            continue
        for rule in policy.delete:
            old: Age | None = rule.older_than
            if old is not None and old.by == young.by and parse_duration(old.age) < parse_duration(young.age):
                yield rule.id, f"{keeper.id} keeps what is younger than {young.age}, so {old.age} has no effect."
