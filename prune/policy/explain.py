"""Why one tag or manifest stays or goes: what is known of it, and what every rule says."""

from typing import Literal

import msgspec

from prune.model.errors import UsageError
from prune.model.reference import Reference
from prune.model.snapshot import Snapshot
from prune.policy.decision import Decision, Trip
from prune.policy.evaluate import Run, decide
from prune.policy.facts import Facts
from prune.policy.inventory import Inventory, Item, Shelf
from prune.policy.patterns import Globs
from prune.policy.rules import ReadyRule, Section, Table
from prune.policy.schema import Policy, Rule
from prune.policy.words import describe

_FIELDS = (
    "untagged",
    "tag",
    "not_tag",
    "image_tags",
    "except_image_tags",
    "digest",
    "semver",
    "label",
    "older_than",
    "newer_than",
    "active_within",
    "in_use",
)


class RuleSays(msgspec.Struct, frozen=True):
    """What one rule says of the item, and why in words."""

    id: str
    section: Section
    says: Literal["matches", "in doubt", "does not match"]
    why: str


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """``decision`` is ``None`` when the policy does not decide about the item; ``because`` then says why not.

    ``times`` are what is known (seconds, UTC; ``None`` for unknown or impossible). ``tripped`` are guards that stop
    the whole run; only what its repository alone can tell is looked at.
    """

    ref: str
    because: str
    decision: Decision | None = None
    times: dict[str, int | None] = {}
    rules: tuple[RuleSays, ...] = ()
    tripped: tuple[Trip, ...] = ()


def explain(snapshot: Snapshot, facts: Facts, policy: Policy, now: int, ref: str) -> Explanation:
    """Return why ``ref`` (``repository:tag`` or ``repository@digest``) stays or goes.

    Raises ``UsageError`` when there is no such thing, ``Refused`` as `evaluate` does.
    """
    reference = Reference.parse(ref)
    repository = snapshot.repositories.get(reference.repository)
    if repository is None:
        raise UsageError(f"There is no repository {reference.repository} here.")
    if reference.tag is None and reference.digest is None:
        raise UsageError(f"{ref!r} names a whole repository; name a tag or a digest of it.")
    if reference.tag is not None and reference.tag not in repository.tags:
        raise UsageError(f"{reference.repository} has no tag {reference.tag}.")
    known = repository.revisions.keys() | set(repository.tags.values())
    if reference.digest is not None and reference.digest not in known:
        raise UsageError(f"{reference.repository} has no manifest {reference.digest}.")
    if repository.name not in Globs(policy.scope.include, policy.scope.exclude):
        return Explanation(ref, f"It stays: {repository.name} is not in the scope of the policy.")
    inventory = Inventory(msgspec.structs.replace(snapshot, repositories={repository.name: repository}), facts)
    for name, why in inventory.skipped():
        return Explanation(ref, f"It stays: {name} is skipped, because {why}.")
    (shelf,) = inventory.shelves
    for position, item in enumerate(shelf.items):
        if str(item) == ref:
            return _explain(inventory, policy, now, shelf, position, item)
    return Explanation(ref, _follows(shelf, reference))


def _follows(shelf: Shelf, reference: Reference) -> str:
    """Say why something is not decided by itself."""
    if reference.tag is not None:
        return f"It is not decided by itself: it belongs to {shelf.following[reference.tag]} and goes when that goes."
    digest = reference.digest or ""
    graph = shelf.graph
    if graph is not None:
        if tags := sorted(graph.tags_of.get(digest, ())):
            return f"It is not decided by itself: it stays as long as one of its tags does ({', '.join(tags)})."
        if parents := sorted(graph.parents.get(digest, ())):
            return f"It is not decided by itself: it stays as long as the index {parents[0]} does."
    return "It is not decided by itself: it goes when what it belongs to goes."


def _explain(inventory: Inventory, policy: Policy, now: int, shelf: Shelf, position: int, item: Item) -> Explanation:
    evaluation = decide(inventory, policy, now)
    decision = next(one for one in evaluation.decisions if one.ref == str(item))
    run = Run(inventory, policy, now)
    table = run.table(shelf)
    judged = dict(run.judge(table))
    rules = []
    for number, ready in enumerate(run.rules):
        said = judged.get(number)
        if said is None:
            rules.append(RuleSays(ready.rule.id, ready.section, "does not match", "it is about other repositories"))
        elif position in said.unknown:
            rules.append(RuleSays(ready.rule.id, ready.section, "in doubt", said.unknown[position]))
        elif position in said.yes:
            why = said.words.get(position) or describe(ready.rule)
            rules.append(RuleSays(ready.rule.id, ready.section, "matches", why))
        else:
            why = _why_not(run, table, ready, position)
            rules.append(RuleSays(ready.rule.id, ready.section, "does not match", why))
    bases = ["pushed", "first_seen", "created", "pulled"] + (["untagged_at"] if item.tag is None else [])
    times = {by: table.times(by)[position] for by in bases}
    return Explanation(str(item), decision.because, decision, times, tuple(rules), evaluation.tripped)


def _why_not(run: Run, table: Table, ready: ReadyRule, position: int) -> str:
    """Return which fields of a rule do not hold, each tried alone."""
    rule, item = ready.rule, table.shelf.items[position]
    if item.tag is None and not rule.untagged:
        return "it has no tag, and the rule is about tags"
    if item.tag is not None and rule.untagged:
        return "it has a tag"
    failed = []
    for field in _FIELDS:
        value = getattr(rule, field)
        if value in (None, ()) or field == "untagged":
            continue
        if field == "semver":
            value = msgspec.structs.replace(value, newest=None, per=None)
        alone = Rule(rule.id, **{field: value})
        said = ReadyRule(ready.section, alone, run.positions, run.now).judge(table, run.in_use, run.pulls_since, ())
        if position not in said.yes and position not in said.unknown:
            failed.append(describe(alone))
    if failed and not rule.with_all_tags:
        return f"it is not so that {' or that '.join(failed)}"
    return "others come before it, or it is protected and not counted"
