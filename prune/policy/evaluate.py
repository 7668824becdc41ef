"""From a snapshot, facts, a policy and a time to decisions. Pure: the same input gives the same bytes.

An item goes only if at least one delete rule matches and no keep or protect rule does. A keep or protect rule that
cannot be judged keeps; a delete rule that cannot be judged does not delete.
"""

from collections.abc import Iterator
from typing import NamedTuple

from prune.model.duration import parse_duration
from prune.model.errors import Refused
from prune.model.snapshot import Snapshot
from prune.policy.decision import Decision, Evaluation, SkippedRepository
from prune.policy.facts import Facts
from prune.policy.guards import trips
from prune.policy.inventory import Inventory, Shelf
from prune.policy.patterns import Globs, PatternSet
from prune.policy.rules import Judged, Table, ignoring, ready_rules
from prune.policy.schema import Policy, Rule
from prune.policy.times import in_utc
from prune.policy.uses import InUse
from prune.policy.words import describe, fate, unknown_time

#: Speaks like a rule: what is younger than the guard `min_age` stays.
MIN_AGE = "guards.min_age"

type Word = tuple[int, str]
"""The position of a rule, and what it says of this item alone: who uses it, or what is not known."""

type Said = tuple[int, tuple[Word, ...]]
"""Which rules are sure that they match, a bit for each, and words of theirs."""


class Fate(NamedTuple):
    """What many items have in common; see `prune.policy.decision.Decision`."""

    goes: bool
    rules: tuple[str, ...]
    because: str
    asked: bool
    held: bool
    flags: tuple[str, ...]


def evaluate(snapshot: Snapshot, facts: Facts, policy: Policy, now: int) -> Evaluation:
    """Return what ``policy`` decides about ``snapshot`` at ``now`` (seconds, UTC).

    Raises ``Refused`` when a rule asks for the time of pulls and nothing reports pulls.
    """
    return decide(Inventory(snapshot, facts), policy, now)


def decide(inventory: Inventory, policy: Policy, now: int) -> Evaluation:
    """Return what `evaluate` does. Much quicker when the same inventory is judged by one policy after another."""
    facts, snapshot = inventory.facts, inventory.snapshot
    _refuse_unheard_pulls(policy, facts)
    scope = Globs(policy.scope.include, policy.scope.exclude)
    run = Run(inventory, policy, now)
    shelves = [shelf for shelf in inventory.shelves if shelf.name in scope]
    decisions: list[Decision] = []
    for shelf in shelves:
        decisions += run.decide(shelf)
    return Evaluation(
        policy=policy.digest(),
        source=snapshot.source,
        at=now,
        decisions=tuple(decisions),
        tripped=trips(policy.guards, facts, {shelf.name: shelf.tags for shelf in shelves}, decisions, now),
        skipped=tuple(SkippedRepository(name, why) for name, why in inventory.skipped() if name in scope),
        notes=_notes(policy, snapshot, facts, run.in_use, now),
    )


class Run:
    """One policy at one time, for all repositories."""

    def __init__(self, inventory: Inventory, policy: Policy, now: int) -> None:
        facts, guards = inventory.facts, policy.guards
        self.now = now
        self.rules, self.positions = ready_rules(policy, now)
        self.patterns = PatternSet(self.positions)
        self.ignored = ignoring(policy.ignore_pulls_by)
        max_age = parse_duration(guards.max_in_use_age) if guards.max_in_use_age is not None else None
        engine = inventory.snapshot.kind == "docker-engine"
        self.in_use = InUse(facts.in_use, now, max_age, engine)
        self.pulls_since = facts.pulls_since
        self.youngest = now - parse_duration(guards.min_age) if guards.min_age is not None else None
        self.young = f"it is younger than {guards.min_age}"
        self.why = [describe(ready.rule) for ready in self.rules]
        self.fates: dict[tuple[Said, str], Fate] = {}

    def decide(self, shelf: Shelf) -> list[Decision]:
        table = self.table(shelf)
        # Which rules are sure of an item is one number, a bit for each; what they say besides is rare.
        sure = [0] * len(shelf.items)
        words: dict[int, tuple[Word, ...]] = {}
        for position, judged in self.judge(table):
            bit = 1 << position
            for i in judged.yes:
                sure[i] |= bit
            for i, word in (*judged.words.items(), *judged.unknown.items()):
                words[i] = (*words.get(i, ()), (position, word))
        decisions = []
        for i, item in enumerate(shelf.items):
            said = sure[i], words.get(i, ())
            found = self._fate(said, "")
            if found.goes and (fresh := self._fresh(table, i)):
                found = self._fate(said, fresh)
            decisions.append(Decision(item.repository, item.tag, item.digest, *found))
        return decisions

    def table(self, shelf: Shelf) -> Table:
        """Lay out a shelf for the rules of this policy."""
        return Table(shelf, self.patterns, self.ignored, self.now)

    def judge(self, table: Table) -> Iterator[tuple[int, Judged]]:
        """Yield the position of each rule that holds in the table's repository, and what it says."""
        protected: set[int] = set()
        for position, ready in enumerate(self.rules):
            if table.shelf.name in ready.globs:
                judged = ready.judge(table, self.in_use, self.pulls_since, protected)
                if ready.section == "protect":
                    protected.update(judged.yes, judged.unknown)
                yield position, judged

    def _fresh(self, table: Table, i: int) -> str:
        """Return why an item is too young to go, or may be; empty when it is old enough."""
        if self.youngest is None:
            return ""
        time = table.times("pushed")[i]
        if time is None and table.shelf.pushed[i] is None:
            time = table.times("first_seen")[i]
        if time is None:
            return unknown_time("pushed")
        return "" if time <= self.youngest else self.young

    def _fate(self, said: Said, fresh: str) -> Fate:
        found = self.fates.get((said, fresh))
        if found is None:
            found = self.fates[said, fresh] = self._judge(said, fresh)
        return found

    def _judge(self, said: Said, fresh: str) -> Fate:
        sure, words = said[0], dict(said[1])
        keeping: list[tuple[str, str]] = []
        doubts: list[tuple[str, str]] = []
        deleting: list[tuple[str, str]] = []
        undecided: list[tuple[str, str]] = []
        rules: list[str] = []
        for position, ready in enumerate(self.rules):
            known = bool(sure >> position & 1)
            if not known and position not in words:
                continue
            rules.append(ready.rule.id)
            pair = (ready.rule.id, words.get(position) or self.why[position])
            if ready.section == "delete":
                (deleting if known else undecided).append(pair)
            else:
                (keeping if known else doubts).append(pair)
        if fresh:
            rules.append(MIN_AGE)
            (keeping if fresh == self.young else doubts).append((MIN_AGE, fresh))
        goes = bool(deleting) and not keeping and not doubts
        flags = () if goes else tuple(sorted({why for _, why in (*doubts, *undecided)}))
        because = fate(goes, keeping, doubts, deleting, undecided)
        return Fate(goes, tuple(rules), because, bool(deleting or undecided), bool(keeping or doubts), flags)


def _refuse_unheard_pulls(policy: Policy, facts: Facts) -> None:
    if facts.pulls_since is not None:
        return
    for rule in policy.rules():
        for part in (rule.newest, rule.older_than, rule.newer_than):
            if part is not None and part.by == "pulled":
                raise Refused(
                    f"The rule {rule.id} asks when images were pulled, and nothing reports pulls of this registry: "
                    "have it send notifications, or count by pushed."
                )


def _reaches(rule: Rule) -> int:
    """Return for how many seconds back a rule asks who pulled."""
    ages = [part.age for part in (rule.older_than, rule.newer_than) if part is not None and part.by == "pulled"]
    return max(map(parse_duration, [*ages, rule.active_within or "0"]))


def _by_pushes(policy: Policy) -> bool:
    return any(
        part is not None and part.by == "pushed"
        for rule in policy.rules()
        for part in (rule.newest, rule.older_than, rule.newer_than)
    )


def _notes(policy: Policy, snapshot: Snapshot, facts: Facts, in_use: InUse, now: int) -> tuple[str, ...]:
    """Say what no single decision can: what the whole registry does not tell."""
    found = []
    if not policy.delete:
        found.append("There are no delete rules, so nothing goes.")
    uses = [rule.id for rule in policy.rules() if rule.in_use is not None]
    if uses and in_use.doubt:
        found.append(f"All that {', '.join(sorted(uses))} could mean stays, because {in_use.doubt}.")
    active = [rule.id for rule in policy.rules() if rule.active_within is not None]
    if active and facts.pulls_since is None:
        found.append(f"All that {', '.join(sorted(active))} could mean stays, because nothing reports pulls.")
    elif facts.pulls_since is not None:
        short = sorted(rule.id for rule in policy.rules() if _reaches(rule) > now - facts.pulls_since)
        if short:
            since = in_utc(facts.pulls_since)
            found.append(f"What {', '.join(short)} cannot tell stays: pulls are reported since {since} only.")
    tells = any(one.tag_times for one in snapshot.repositories.values()) or facts.tags or facts.manifests
    if snapshot.repositories and not tells and (policy.guards.min_age is not None or _by_pushes(policy)):
        found.append(
            "This source does not tell when anything was pushed, so all that rules or min_age judge by that stays: "
            "give facts, or count by created and set min_age to null."
        )
    if any(rule.untagged for rule in policy.delete):
        if snapshot.by_image:
            found.append("Here images are tagged or not at all: rules on untagged manifests match nothing.")
        elif snapshot.kind in ("registry-v2", "registry-v1"):
            found.append("A registry's API does not list untagged manifests: rules on them match nothing.")
    return tuple(found)
