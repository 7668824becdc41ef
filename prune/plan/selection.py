"""From what a person wrote to what it names in a snapshot, or to the sentence that refuses it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prune.model.digest import Digest, short
from prune.model.plan import Refusal
from prune.model.reference import Reference
from prune.model.snapshot import Repository, Snapshot


@dataclass
class Selection:
    """What was asked for, by repository. ``whole`` are the repositories named without tag or digest; ``folders``
    those of them that go as they are, with everything in them."""

    tags: dict[str, set[str]] = field(default_factory=dict)
    digests: dict[str, set[Digest]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    refused: list[Refusal] = field(default_factory=list)

    def repositories(self) -> list[str]:
        """Return the names of all repositories that the request touches, sorted."""
        return sorted({*self.tags, *self.digests, *self.whole})


def select(snapshot: Snapshot, refs: Iterable[str]) -> Selection:
    """Look every reference up in the snapshot. Raises ``UsageError`` for one that is malformed.

    A reference to something absent, or into a repository that could not be read completely, is refused.
    """
    chosen = Selection()
    blocked = snapshot.store_blocked
    for text in sorted(set(refs)):
        reference = Reference.parse(text)
        name = reference.repository
        repository = snapshot.repositories.get(name)
        if blocked is not None:
            reason = f"nothing in this registry may be deleted: {blocked.where} {blocked.what}"
        elif repository is None:
            reason = f"there is no repository {name} here"
        elif not repository.complete:
            reason = f"{name} could not be read completely, so nothing of it may go: {_problem_of(snapshot, name)}"
        else:
            reason = _choose(chosen, repository, reference)
        if reason:
            chosen.refused.append(Refusal(text, reason))
    for name in chosen.whole:
        chosen.tags.pop(name, None)
        chosen.digests.pop(name, None)
    odd = snapshot.left_alone()
    chosen.folders = chosen.whole - odd.keys()
    for name in chosen.whole & odd.keys():
        why = f"the repository itself stays, without tags: {odd[name].where} {odd[name].what}, {odd[name].effect}"
        chosen.refused.append(Refusal(name, why))
    return chosen


def _choose(chosen: Selection, repository: Repository, reference: Reference) -> str:
    name = repository.name
    if reference.tag is not None:
        if reference.tag not in repository.tags:
            return f"{name} has no tag {reference.tag}"
        chosen.tags.setdefault(name, set()).add(reference.tag)
    elif reference.digest is not None:
        if reference.digest not in repository.revisions and reference.digest not in repository.tags.values():
            return f"{name} has no manifest {short(reference.digest)}"
        chosen.digests.setdefault(name, set()).add(reference.digest)
    else:
        chosen.whole.add(name)
    return ""


def _problem_of(snapshot: Snapshot, name: str) -> str:
    for problem in snapshot.problems:
        if problem.repository == name and problem.blocks != "nothing":
            return f"{problem.where} {problem.what}"
    return "see the problems of the scan"
