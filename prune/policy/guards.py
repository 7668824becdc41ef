"""What no run may do, whatever its rules say."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prune.model.duration import parse_duration
from prune.plan.words import counted, listed
from prune.policy.decision import Decision, Trip
from prune.policy.facts import Facts
from prune.policy.schema import Guards


def trips(
    guards: Guards, facts: Facts, tags: Mapping[str, int], decisions: Iterable[Decision], now: int
) -> tuple[Trip, ...]:
    """Return every guard that trips. ``tags`` is how many tags each repository in scope has."""
    gone: Counter[str] = Counter()
    going = 0
    for decision in decisions:
        if decision.goes:
            going += 1
            gone[decision.repository] += decision.tag is not None
    found = []
    if guards.min_tags_left is not None:
        empty = [name for name in sorted(gone) if gone[name] and tags[name] - gone[name] < guards.min_tags_left]
        if empty:
            found.append(
                Trip(
                    "min_tags_left",
                    f"{listed(empty)} would be left with fewer than {counted(guards.min_tags_left, 'tag')}.",
                )
            )
    lost, all_ = gone.total(), sum(tags.values())
    if guards.max_fraction is not None and lost > guards.max_fraction * all_:
        found.append(
            Trip("max_fraction", f"{lost} of {counted(all_, 'tag')} would go, more than {guards.max_fraction:.0%}.")
        )
    if guards.max_count is not None and going > guards.max_count:
        found.append(
            Trip(
                "max_count",
                f"{counted(going, 'tag or manifest', 'tags and manifests')} would go, more than {guards.max_count}.",
            )
        )
    if guards.max_scan_age is not None and facts.scanned_at is not None:
        age = now - facts.scanned_at
        if age < 0:
            found.append(Trip("max_scan_age", "The scan says that it was made in the future; check the clocks."))
        elif age > parse_duration(guards.max_scan_age):
            found.append(
                Trip(
                    "max_scan_age",
                    f"The scan is {age // 3600} hours old, more than {guards.max_scan_age}; scan again.",
                )
            )
    return tuple(sorted(found))
