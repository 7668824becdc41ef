"""Other tools' wildcards and patterns as ours."""

import re

from prune.model.errors import UsageError
from prune.policy.patterns import compile_glob, compile_pattern


def prefix(text: str) -> str:
    """Return a pattern for tags that begin with ``text``."""
    return f"{escape(text)}.*"


def escape(text: str) -> str:
    """Return a pattern for ``text`` alone, as people would write it."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: "\\" + match[0], text)


def stars(text: str) -> str:
    """Return a pattern for tags where ``*`` stands for anything and all else for itself."""
    return ".*".join(escape(part) for part in text.split("*"))


def any_of(patterns: list[str]) -> str:
    """Return one pattern for what any of ``patterns`` matches."""
    return patterns[0] if len(patterns) == 1 else "|".join(patterns)


def searched(pattern: str) -> str:
    """Return a pattern for the whole of each tag in which an unanchored search for ``pattern`` finds something.

    Raises ``UsageError`` when it is no RE2 pattern.
    """
    compile_pattern(pattern)
    if pattern in (".*", "^.*$", "^.*", ".*$"):
        return ".*"
    if re.fullmatch(r"[^|()\[\]\\]*", pattern):
        begin = "" if pattern.startswith(("^", ".*")) else ".*"
        end = "" if pattern.endswith(("$", ".*")) else ".*"
        return f"{begin}{pattern.removeprefix('^').removesuffix('$')}{end}"
    return f"(?s:.*)(?:{pattern})(?s:.*)"


def doublestar(text: str) -> list[str]:
    """Return what Harbor's wildcards mean for tags, as patterns: ``{a,b}`` is either, ``?`` one character."""
    found = []
    for one in _alternatives(text):
        parts = []
        for piece in re.split(r"(\*+|\?|\[[^\]]*\])", one):
            if piece.startswith("*"):
                parts.append(".*")
            elif piece == "?":
                parts.append(".")
            elif piece.startswith("["):
                parts.append(piece.replace("[!", "[^"))
            else:
                parts.append(escape(piece))
        pattern = "".join(parts)
        compile_pattern(pattern)
        found.append(pattern)
    return found


def repository_globs(text: str) -> list[str]:
    """Return what Harbor's wildcards mean for repositories, as globs; raise ``UsageError`` for ``?`` and ``[]``."""
    found = _alternatives(text)
    for glob in found:
        compile_glob(glob)
    return found


def _alternatives(text: str) -> list[str]:
    """Return ``a{b,c}d,e`` as ``abd``, ``acd`` and ``e``."""
    pending = [part.strip() for part in re.split(r",(?![^{]*\})", text) if part.strip()]
    found: list[str] = []
    while pending:
        one = pending.pop(0)
        if len(pending) + len(found) > 1000:
            raise UsageError(f"{text[:60]!r} stands for too many names.")
        if brace := re.search(r"\{([^{}]*)\}", one):
            pending[:0] = [one[: brace.start()] + part.strip() + one[brace.end() :] for part in brace[1].split(",")]
        else:
            found.append(one)
    if not found:
        raise UsageError("An empty wildcard names nothing.")
    return found


def pattern_globs(pattern: str) -> list[str]:
    """Return globs for the repositories that a simple regular expression names in full: letters, ``.*`` and
    alternatives. Raises ``UsageError`` for all others: a glob that means something else might name too much."""
    found = []
    for one in pattern.split("|"):
        text = one.removeprefix("^").removesuffix("$")
        glob = re.sub(r"\\([./_-])", r"\1", text.replace(".*", "\0")).replace("\0", "**")
        if re.search(r"[\\()\[\]{}?+^$]", glob) or re.search(r"(?<![\\*])\.(?![*])", text.replace(".*", "")):
            raise UsageError(f"The pattern {pattern!r} of repositories cannot be written as globs.")
        compile_glob(glob)
        found.append(glob)
    return found


def duration(seconds: int) -> str:
    """Return a whole number of seconds as our durations: ``2d3h6m``."""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
