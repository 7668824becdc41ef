"""The flags of deckschrubber, which removes images of a Docker registry by the age in their configs."""

import argparse
import shlex
from typing import Any, NoReturn

from prune.model.errors import UsageError
from prune.policy.importers.draft import Draft
from prune.policy.importers.wildcards import pattern_globs, searched

#: The longest that a month and a year are: in doubt an image stays a day longer.
_DAYS = {"day": 1, "month": 31, "year": 366}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"This is no command line of deckschrubber: {message}.")


def translate(text: str) -> Draft:
    """Return the policy that a command line stands for."""
    options = _options(text)
    draft = Draft("deckschrubber command line")
    draft.note("deckschrubber removes an image only when all of its tags may go; here each tag goes by itself.")
    draft.note("A month is 31 days here, a year 366. The time is the one in an image's config; without one it stays.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    where: dict[str, Any] = {}
    if options.repos and not options.repos.isdigit():
        where["repositories"] = [name.strip() for name in options.repos.split(",") if name.strip()]
    elif options.repo_regexp != ".*":
        where["repositories"] = _searched_globs(options.repo_regexp)
    pattern = searched(options.tag_regexp)
    named = {"tag": pattern, "not_tag": searched(options.ntag) if options.ntag else None, **where}
    if options.latest > 0:
        newest = {"n": options.latest, "by": "created", "count": "tag"}
        draft.add("keep", "latest", {**named, "newest": newest})
    days = sum(getattr(options, unit) * size for unit, size in _DAYS.items())
    age = {"age": f"{days}d", "by": "created"} if days else None
    draft.add("delete", "outdated", {**named, "older_than": age})
    return draft


def _searched_globs(pattern: str) -> list[str]:
    """Return globs for an unanchored pattern of names."""
    globs = []
    for one in pattern.split("|"):
        begin = "" if one.startswith(("^", ".*")) else ".*"
        end = "" if one.endswith(("$", ".*")) else ".*"
        globs += pattern_globs(f"{begin}{one}{end}")
    return globs


def _options(text: str) -> argparse.Namespace:
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise UsageError(f"This is no command line of deckschrubber: {error}.") from None
    starts = [i for i, word in enumerate(words) if word.rpartition("/")[2] == "deckschrubber"]
    words = words[starts[-1] + 1 :] if starts else words
    # Go's flags have one dash or two.
    words = [f"--{word.lstrip('-')}" if word.startswith("-") and len(word) > 1 else word for word in words]
    parser = _Parser(prog="deckschrubber", add_help=False, allow_abbrev=False)
    for unit in _DAYS:
        parser.add_argument(f"--{unit}", type=int, default=0)
    parser.add_argument("--latest", type=int, default=1)
    parser.add_argument("--repos", default="")
    parser.add_argument("--repo_regexp", "--repo", default=".*")
    parser.add_argument("--tag_regexp", "--tag", default=".*")
    parser.add_argument("--ntag", default="")
    for other in ("--registry", "--username", "--user", "--password"):
        parser.add_argument(other)
    for switch in ("--dry", "--debug", "--insecure", "--v"):
        parser.add_argument(switch, action="store_true")
    options, more = parser.parse_known_args(words)
    if more:
        raise UsageError(f"deckschrubber has no {more[0][:40]!r}.")
    if min(options.day, options.month, options.year, options.latest) < 0:
        raise UsageError("deckschrubber takes no negative numbers.")
    return options
