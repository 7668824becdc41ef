"""The `acr purge` command of Azure Container Registry (docs, "Automatically purge images")."""

import argparse
import re
import shlex
from fractions import Fraction
from typing import Any, NoReturn

from prune.model.errors import UsageError
from prune.policy.importers.draft import Draft
from prune.policy.importers.wildcards import duration, pattern_globs, searched

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"This is no acr purge command: {message}.")


def translate(text: str) -> Draft:
    """Return the policy that a command line stands for; what is around it in a shell script is passed over."""
    options = _options(text)
    draft = Draft("acr purge command")
    draft.note("acr purge goes by the last change of a tag; here it is the last push.")
    draft.note("Locked tags are a setting of Azure's: add protect rules for them.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    seconds = _ago(options.ago if options.ago is not None else "" if options.untagged_only else "1d")
    age = {"age": duration(seconds), "by": "pushed"} if seconds else None
    if not options.filter:
        _untagged(draft, "untagged", {}, age, options.keep)
    for number, text_ in enumerate(options.filter, 1):
        name = f"filter-{number}" if len(options.filter) > 1 else "filter"
        repository, colon, tags = text_.partition(":")
        if not colon or not repository or not tags:
            raise UsageError(f"The filter {text_[:60]!r} must be REPOSITORY:PATTERN.")
        try:
            globs = pattern_globs(repository)
        except UsageError as error:
            draft.note(f"{name} is left out: {error}")
            continue
        pattern = searched(tags)
        where: dict[str, Any] = {"repositories": globs}
        if not pattern:
            draft.note(f"{name} matches no tag: it is for untagged manifests only.")
        comment = "acr purge looks for the pattern anywhere in a tag." if pattern not in (".*", tags) else ""
        if pattern and not options.untagged_only:
            if options.keep:
                newest = {"n": options.keep, "by": "pushed", "count": "tag"}
                draft.add(
                    "keep",
                    f"{name}-keep",
                    {"tag": pattern, **where, "older_than": age, "newest": newest},
                    "--keep counts only what would be deleted: leave older_than out to count all tags.",
                )
            draft.add("delete", name, {"tag": pattern, **where, "older_than": age}, comment)
        if options.untagged or options.untagged_only:
            _untagged(draft, f"{name}-untagged", where, age, options.keep if options.untagged_only else 0)
    if options.dry_run:
        draft.note("--dry-run is not a part of a policy: every plan is one.")
    return draft


def _untagged(draft: Draft, name: str, where: dict[str, Any], age: dict[str, Any] | None, keep: int) -> None:
    rule = {"untagged": True, **where, "older_than": age}
    if keep:
        newest = {"n": keep, "by": "pushed"}
        draft.add("keep", f"{name}-keep", {**rule, "newest": newest}, "--keep counts only what would be deleted.")
    draft.add("delete", name, rule, "Before acr-cli 0.17 --ago said nothing about untagged manifests." if age else "")


def _options(text: str) -> argparse.Namespace:
    # A backslash before a line's end goes on; the words before `purge` are how it is started.
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise UsageError(f"This is no acr purge command: {error}.") from None
    inner = [word for word in words if "purge " in word]
    if inner:
        words = shlex.split(inner[0].partition("=")[2] if inner[0].startswith("PURGE_CMD=") else inner[0])
    if "purge" not in words:
        raise UsageError("This is no acr purge command: the word purge is not in it.")
    parser = _Parser(prog="acr purge", add_help=False, allow_abbrev=False)
    parser.add_argument("--filter", "-f", action="append", default=[])
    parser.add_argument("--ago")
    parser.add_argument("--keep", type=int, default=0)
    parser.add_argument("--untagged", action="store_true")
    parser.add_argument("--untagged-only", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    for other in ("--registry", "-r", "--concurrency", "--username", "-u", "--password", "-p", "--timeout"):
        parser.add_argument(other)
    parser.add_argument("--include-locked", action="store_true")
    options, _ = parser.parse_known_args(words[words.index("purge") + 1 :])
    if not options.filter and not options.untagged_only:
        raise UsageError("This acr purge command has no --filter, so it purges nothing.")
    if options.keep < 0:
        raise UsageError("--keep must not be negative.")
    return options


def _ago(text: str) -> int:
    """Return a duration as Go writes it, with days: ``2d3h6m``, ``1.5h``; in whole seconds, rounded up."""
    if text in ("0", ""):
        return 0
    if not re.fullmatch(r"(\d{1,6}(\.\d{1,6})?[dhms])+", text):
        raise UsageError(f"{text[:40]!r} is no duration of acr purge; it writes 2d3h6m.")
    total = sum(Fraction(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([dhms])", text))
    return -int(-total // 1)
