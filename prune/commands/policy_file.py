"""Policies and their facts, in files of the person's own."""

from __future__ import annotations

from prune.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from prune.policy.facts import Facts
    from prune.policy.schema import Policy

#: Facts about a million tags are smaller.
MAX_FACTS_BYTES = 1024 * 1024 * 1024


def read_policy_file(path: str) -> Policy:
    """Return the policy in a file; raise ``UsageError`` with every fault in it."""
    from prune.policy.document import MAX_BYTES
    from prune.policy.read import parse_policy

    return parse_policy(read_text_file(path, "policy", MAX_BYTES))


def add_facts(parser: ArgumentParser) -> None:
    """Declare where facts for a policy come from."""
    parser.add_argument(
        "--facts", metavar="FILE", help="JSON: times of pushes and pulls, and what is in use, for the policy"
    )
    parser.add_argument(
        "--in-use",
        action="append",
        default=[],
        metavar="PLACE",
        help="ask what runs there: docker:[ADDRESS] or kubernetes:[https://HOST]; may be repeated",
    )


def find_facts(options: Namespace, now: int) -> Facts:
    """Return the facts that the options name, with what is in use ``now``; raise ``UsageError`` when a file holds
    anything else, or an option names no place."""
    import msgspec

    from prune.policy.facts import Facts, read_facts
    from prune.sources.in_use.open import open_in_use

    facts = read_facts(read_text_file(options.facts, "facts", MAX_FACTS_BYTES)) if options.facts else Facts()
    reports = [open_in_use(text, timeout=options.timeout).read(now) for text in options.in_use]
    return msgspec.structs.replace(facts, in_use=(*facts.in_use, *reports))


def read_text_file(path: str, what: str, limit: int) -> bytes:
    """Return the content of a file, at most one byte more than ``limit``; raise ``UsageError`` when it cannot be
    read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the {what} {path}: {error.strerror}.") from None
