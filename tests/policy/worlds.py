"""Registries in one line, for tests that must be read at a glance.

Words of a world: ``main-1@30d`` is an image in the repository `app`, pushed 30 days ago; ``latest=main-1`` another
tag on it, ``latest=main-1@2d`` one that was set 2 days ago; ``-@9d`` an untagged manifest; ``team/x:v1@1d`` is in
another repository; ``@?`` has an unknown time, ``@0`` the time zero, ``@+1d`` one in the future.
"""

import msgspec

from prune.model.duration import parse_duration
from prune.model.snapshot import Snapshot
from prune.policy.decision import Evaluation
from prune.policy.evaluate import evaluate
from prune.policy.facts import Facts
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW, Registry

LOOSE = "guards: {min_age: null, min_tags_left: null}"


def ago(text: str) -> int | None:
    """Return the time that an age stands for."""
    if text == "?":
        return None
    if text.startswith("+"):
        return NOW + parse_duration(text[1:])
    return 0 if text == "0" else NOW - parse_duration(text)


def world(text: str, *, kind: str = "storage-v2") -> Snapshot:
    """Return the snapshot that ``text`` describes."""
    registry = Registry()
    made: dict[str, str] = {}
    for word in text.split():
        ref, _, age = word.partition("@")
        repository, _, name = ref.rpartition(":")
        repository = repository or "app"
        name, _, target = name.partition("=")
        if target:
            digest = made[f"{repository}:{target}"]
            registry.tags[repository][name] = digest
            time = ago(age) if age else registry.tag_times[repository].get(target)
        else:
            time = ago(age or "30d")
            digest = registry.image(repository, *([] if name == "-" else [name]), time=time)
            registry.revisions[repository][digest] = time
        if name != "-":
            made[f"{repository}:{name}"] = digest
            times = registry.tag_times.setdefault(repository, {})
            times.pop(name, None)
            if time is not None:
                times[name] = time
    return msgspec.structs.replace(registry.snapshot(), kind=kind)


def judge(snapshot: Snapshot | str, policy: str, facts: Facts | None = None) -> Evaluation:
    """Evaluate a policy; without a word on guards there are none."""
    if isinstance(snapshot, str):
        snapshot = world(snapshot)
    if "guards:" not in policy:
        policy = f"{policy}\n{LOOSE}"
    return evaluate(snapshot, facts or Facts(), parse_policy(policy), NOW)


def goes(evaluation: Evaluation) -> str:
    """Return what goes: tags of `app` by name, others with their repository, ``-`` for each untagged manifest."""
    return " ".join(
        ("" if decision.repository == "app" else f"{decision.repository}:") + (decision.tag or "-")
        for decision in evaluation.going()
    )
