"""Rules and fates in words."""

from collections.abc import Sequence

from prune.plan.words import listed
from prune.policy.schema import Rule

_SINCE = {
    "pushed": "pushed",
    "first_seen": "first seen",
    "created": "created",
    "pulled": "last pulled",
    "untagged_at": "untagged",
}


def unknown_time(by: str) -> str:
    """Return why a time is of no use: ``when it was pushed is not known``."""
    return f"when it was {_SINCE[by]} is not known"


def describe(rule: Rule) -> str:
    """Return what a rule says of an item that it matches, to be read after ``because``."""
    said = []
    if rule.untagged:
        said.append("it is untagged")
    elif rule.untagged is False and rule.tag is None:
        said.append("it has a tag")
    if rule.tag is not None:
        said.append(f"its tag matches '{rule.tag}'")
    if rule.not_tag is not None:
        said.append(f"its tag does not match '{rule.not_tag}'")
    if rule.image_tags:
        said.append(f"its image has tags that match {listed([repr(one) for one in rule.image_tags], most=9)}")
    if rule.except_image_tags:
        said.append(f"its image has no tag that matches {' or '.join(map(repr, rule.except_image_tags))}")
    if rule.digest is not None:
        said.append(f"its digest matches '{rule.digest}'")
    if rule.semver is not None:
        said += _semver(rule)
    if rule.label is not None:
        said.append(f"it has the label {rule.label}")
    if rule.older_than is not None:
        said.append(f"it was {_SINCE[rule.older_than.by]} at least {rule.older_than.age} ago")
    if rule.newer_than is not None:
        said.append(f"it was {_SINCE[rule.newer_than.by]} less than {rule.newer_than.age} ago")
    if rule.active_within is not None:
        said.append(f"it was pushed or pulled in the last {rule.active_within}")
    if rule.in_use is not None:
        said.append("it is in use" if rule.in_use else "it is not in use")
    if rule.newest is not None:
        group = "its group" if rule.newest.group_by else "its repository"
        of = "that the rule finds in " if said else "in "
        which = "the newest" if rule.newest.n == 1 else f"one of the {rule.newest.n} newest"
        said.append(f"it is {which} {of}{group}, by when it was {_SINCE[rule.newest.by]}")
    if rule.with_all_tags:
        said = [f"{listed(said, most=len(said)) or 'it is there'}, or so it is with another tag of its image"]
    if not said:
        said.append(
            f"its repository is one of {listed(rule.repositories)}" if rule.repositories else "of its repository"
        )
    return listed(said, most=len(said))


def _semver(rule: Rule) -> list[str]:
    semver = rule.semver
    assert semver is not None  # noqa: S101 - asked for by the caller
    kind = {"include": "a version", "exclude": "a released version", "only": "a pre-release"}[semver.prerelease]
    said = [f"its tag is {kind}" + (f" in '{semver.range}'" if semver.range != "*" else "")]
    if semver.newest is not None:
        line = f" of its {semver.per} version" if semver.per else ""
        which = "the highest" if semver.newest == 1 else f"one of the {semver.newest} highest"
        said.append(f"it is {which}{line}")
    return said


def fate(
    goes: bool,
    keeping: Sequence[tuple[str, str]],
    doubts: Sequence[tuple[str, str]],
    deleting: Sequence[tuple[str, str]],
    undecided: Sequence[tuple[str, str]],
) -> str:
    """Return the sentence of a decision, from pairs of a rule's id and its reason: what keeps, what keeps because
    something is not known, what deletes, and what would if something were known."""
    asking = _listed(_said(deleting, "because"))
    unsure = f"; {_listed(_said(undecided, 'but'))} cannot tell" if undecided else ""
    if goes:
        return f"It goes: {asking} {'lets' if len(deleting) == 1 else 'let'} it go{unsure}."
    if keeping or doubts:
        both = [*_said(keeping, "because"), *_said(doubts, "in doubt, because")]
        kept = f"It stays: {_listed(both)} {'keeps' if len(both) == 1 else 'keep'} it"
        return f"{kept}; {asking} would let it go{unsure}." if deleting else f"{kept}{unsure}."
    if undecided:
        return f"It stays: only {_listed(_said(undecided, 'but'))} would let it go."
    return "It stays: no delete rule matches it."


def _said(pairs: Sequence[tuple[str, str]], joint: str) -> list[str]:
    return [f"{id_} ({joint} {why})" for id_, why in pairs]


def _listed(said: Sequence[str]) -> str:
    return listed(said, most=len(said))
