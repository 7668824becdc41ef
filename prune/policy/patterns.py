"""Patterns over tags (RE2, linear time, always the whole tag) and globs over names of repositories."""

import re
from collections.abc import Iterable
from typing import Any

import re2

from prune.model.errors import UsageError

#: In characters.
MAX_PATTERN = 1000

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_SET_OPTIONS = re2.Options()
_SET_OPTIONS.log_errors = False
_SET_OPTIONS.max_mem = 256 * 1024 * 1024
_GLOB = re.compile(r"[A-Za-z0-9._/:*-]+")
_EVERYTHING = "(?s).*"


def compile_pattern(text: str) -> Any:
    """Return the compiled RE2 pattern, for ``fullmatch``; raise ``UsageError`` with the fix when it is none."""
    if not text.strip():
        raise UsageError(
            "An empty pattern matches nothing a person could mean; write a pattern, or take the key away."
        )
    if len(text) > MAX_PATTERN:
        raise UsageError(
            f"The pattern has {len(text)} characters, more than {MAX_PATTERN}; split it into several rules."
        )
    try:
        return re2.compile(text, _OPTIONS)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if "perl operator" in said:
        raise UsageError(f"{text!r} is no RE2 pattern ({said}): there is no look-ahead; use not_tag, or a keep rule.")
    raise UsageError(f"{text!r} is no RE2 pattern ({said}); see github.com/google/re2/wiki/Syntax.")


class PatternSet:
    """Many patterns matched at once against each whole tag."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [compile_pattern(text) for text in patterns]
        self._set: Any = None
        if len(self._patterns) > 1:
            self._set = re2.Set.FullMatchSet(_SET_OPTIONS)
            for pattern in self._patterns:
                self._set.Add(pattern.pattern)
            self._set.Add(_EVERYTHING)
            self._set.Compile()
        self._cache: dict[str, tuple[int, ...]] = {}

    def matching(self, text: str) -> tuple[int, ...]:
        """Return the positions of the patterns that match the whole of ``text``, ascending."""
        found = self._cache.get(text)
        if found is None:
            found = self._cache[text] = self._match(text)
        return found

    def _match(self, text: str) -> tuple[int, ...]:
        if self._set is not None:
            indices = sorted(self._set.Match(text))
            # A set that runs out of memory says that nothing matched. The last pattern always does.
            if indices and indices[-1] == len(self._patterns):
                return tuple(indices[:-1])
        return tuple(i for i, pattern in enumerate(self._patterns) if pattern.fullmatch(text))


def compile_glob(text: str) -> Any:
    """Return a compiled pattern, for ``fullmatch``, of names of repositories: ``*`` is any part of one segment,
    ``**`` any number of segments, everything else is itself. Raises ``UsageError`` with the fix when ``text`` is
    no glob."""
    if not text:
        raise UsageError("An empty glob matches no repository; write '**' for all, or take it away.")
    if len(text) > 255 or not _GLOB.fullmatch(text):
        raise UsageError(f"{text[:100]!r} is not a glob; only * (in one segment) and ** (any segments) are special.")
    if "***" in text:
        raise UsageError(f"{text!r}: *** means nothing; write * or **.")
    parts = []
    for piece in re.split(r"(^\*\*/|/\*\*/|/\*\*$|\*\*|\*)", text):
        match piece:
            case "**/":
                parts.append("(?:[^/]+/)*")
            case "/**/":
                parts.append("/(?:[^/]+/)*")
            case "/**":
                parts.append("/.+")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case _:
                parts.append(re2.escape(piece))
    return re2.compile("".join(parts), _OPTIONS)


class Globs:
    """Which repositories are meant: any of ``include`` (all, when there is none) and none of ``exclude``."""

    def __init__(self, include: Iterable[str], exclude: Iterable[str]) -> None:
        self._include = [compile_glob(text) for text in include]
        self._exclude = [compile_glob(text) for text in exclude]

    def __contains__(self, name: str) -> bool:
        included = not self._include or any(glob.fullmatch(name) for glob in self._include)
        return included and not any(glob.fullmatch(name) for glob in self._exclude)
