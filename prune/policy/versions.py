"""Semantic versions (semver.org 2.0.0) and ranges of them, with an optional ``v`` before the number.

Ranges are written as npm's: ``>=1.2 <3``, ``1.x``, ``^1.2``, ``~1.2.3``, alternatives with ``||``. Other than
npm's they take pre-releases by plain precedence; whether those count at all is a key of its own.
"""

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import semver

from prune.model.errors import UsageError


class Version(NamedTuple):
    """A version that sorts by precedence (semver.org, 11): ``stage`` is ``(1,)`` for a release, and for a
    pre-release 0 and its identifiers, numbers before words."""

    major: int
    minor: int
    patch: int
    stage: tuple[int | tuple[int, int | str], ...]

    @property
    def is_prerelease(self) -> bool:
        """Tell whether a pre-release follows the three numbers."""
        return self.stage[0] == 0

    def line(self, per: str | None) -> tuple[int, ...]:
        """Return the numbers that versions of one ``major``, ``minor`` or ``patch`` line share; none for ``None``."""
        return self[: {"major": 1, "minor": 2, "patch": 3}[per]] if per else ()  # type: ignore[return-value]  # numbers only


_RELEASE = (1,)
_LOWEST = (0,)
"""Before every release and pre-release of the same numbers."""


def _version(found: semver.Version) -> Version:
    stage: tuple[int | tuple[int, int | str], ...] = _RELEASE
    if found.prerelease:
        words = found.prerelease.split(".")
        stage = (0, *((0, int(word)) if word.isdigit() else (1, word) for word in words))
    return Version(found.major, found.minor, found.patch, stage)


@lru_cache(maxsize=200_000)
def parse_version(tag: str) -> Version | None:
    """Return the version that a tag is, ``None`` when it is none: ``1.2`` and ``1.02.3`` are not."""
    text = tag[1:] if tag[:1] == "v" else tag
    if not text[:1].isdigit():
        return None
    try:
        return _version(semver.Version.parse(text))
    except ValueError:
        return None


_COMPARE: dict[str, Callable[[Version, Version], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

_PART = re.compile(r"(>=|<=|!=|>|<|=|\^|~)?\s*v?(\d+|[xX*])(?:\.(\d+|[xX*])(?:\.(\d+|[xX*])(-[0-9A-Za-z.-]+)?)?)?")


class Range:
    """A range of versions. Raises ``UsageError`` with the fix when ``text`` is none."""

    def __init__(self, text: str) -> None:
        self._text = text if len(text) <= 100 else text[:100] + "…"
        if len(text) > 1000:
            raise self._error("it has more than 1000 characters")
        self._alternatives = [self._comparators(part) for part in text.split("||")]
        self._seen: dict[Version, bool] = {}

    def __contains__(self, version: Version) -> bool:
        found = self._seen.get(version)
        if found is None:
            found = self._seen[version] = any(
                all(_COMPARE[sign](version, bound) for sign, bound in alternative)
                for alternative in self._alternatives
            )
        return found

    def is_empty(self) -> bool:
        """Tell whether no version is in the range."""
        bounds = {bound for alternative in self._alternatives for _, bound in alternative}
        # Where a range holds anything it holds a bound, what comes right after one, or the lowest version of all.
        first = (0, (0, 0))
        near = {Version(0, 0, 0, first)}
        for bound in bounds:
            stage = first if bound.stage == _LOWEST else bound.stage
            near |= {bound._replace(stage=stage), bound._replace(stage=_RELEASE)}
            near.add(bound._replace(patch=bound.patch + 1, stage=first))
            if bound.is_prerelease:
                near.add(bound._replace(stage=(*stage, (0, 0))))
        return not any(version in self for version in near)

    def _error(self, why: str) -> UsageError:
        return UsageError(
            f"{self._text!r} is no range of versions, because {why}; "
            "write for instance '>=1.2 <3', '1.x', '^1.2' or '~1.2.3'."
        )

    def _comparators(self, text: str) -> list[tuple[str, Version]]:
        rest = text.strip(" ,")
        if not rest:
            raise self._error("a part of it is empty")
        found: list[tuple[str, Version]] = []
        while rest:
            match = _PART.match(rest)
            if match is None or (match.end() < len(rest) and rest[match.end()] not in " ,"):
                raise self._error(f"{rest[:40]!r} cannot be read")
            found += self._bounds(match)
            rest = rest[match.end() :].lstrip(" ,")
        return found

    def _bounds(self, match: re.Match[str]) -> list[tuple[str, Version]]:
        """Return one written comparator as plain comparisons."""
        sign = match[1] or "="
        numbers: list[int] = []
        for part in match.group(2, 3, 4):
            if part is None or part in "xX*":
                break
            if len(part) > 18 or (len(part) > 1 and part[0] == "0"):
                raise self._error(f"{part[:20]!r} is no number of a version")
            numbers.append(int(part))
        if not numbers:
            if sign in ("!=", "<", ">"):
                raise self._error(f"{match[0]!r} matches nothing")
            return []
        given = len(numbers)
        start = self._start(numbers, match[5] if given == 3 else None)
        if sign == "^":
            first = next((i for i, number in enumerate(numbers) if number), given - 1)
            return [(">=", start), ("<", _after(numbers, first))]
        if sign == "~":
            return [(">=", start), ("<", _after(numbers, min(given, 2) - 1))]
        if given == 3 or sign == ">=":
            return [(sign, start)]
        # A number left out stands for all that it could be: <=1.2 takes 1.2.9, >1.2 begins after all of 1.2.
        end = _after(numbers, given - 1)
        match sign:
            case "=":
                return [(">=", start), ("<", end)]
            case ">":
                return [(">=", end)]
            case "<=":
                return [("<", end)]
            case "<":
                return [("<", start._replace(stage=_LOWEST))]
        raise self._error(f"{match[0]!r} leaves numbers out; write all three, as in !=1.2.3")

    def _start(self, numbers: list[int], prerelease: str | None) -> Version:
        low = [*numbers, 0, 0][:3]
        try:
            return _version(semver.Version(low[0], low[1], low[2], prerelease[1:] if prerelease else None))
        except ValueError:
            raise self._error(f"{prerelease!r} is no pre-release") from None


def _after(numbers: list[int], position: int) -> Version:
    """Return what comes before every version with the number at ``position`` one higher."""
    raised = [*numbers[:position], numbers[position] + 1, 0, 0][:3]
    return Version(raised[0], raised[1], raised[2], _LOWEST)
