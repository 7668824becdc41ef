"""Policies and their facts, in files of the person's own."""

from __future__ import annotations

from prune.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prune.policy.facts import Facts
    from prune.policy.schema import Policy

#: Facts about a million tags are smaller.
MAX_FACTS_BYTES = 1024 * 1024 * 1024


def read_policy_file(path: str) -> Policy:
    """Return the policy in a file; raise ``UsageError`` with every fault in it."""
    from prune.policy.document import MAX_BYTES
    from prune.policy.read import parse_policy

    return parse_policy(read_text_file(path, "policy", MAX_BYTES))


def read_facts_file(path: str | None) -> Facts:
    """Return the facts in a file, none without one; raise ``UsageError`` when it holds anything else."""
    from prune.policy.facts import Facts, read_facts

    return read_facts(read_text_file(path, "facts", MAX_FACTS_BYTES)) if path is not None else Facts()


def read_text_file(path: str, what: str, limit: int) -> bytes:
    """Return the content of a file, at most one byte more than ``limit``; raise ``UsageError`` when it cannot be
    read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the {what} {path}: {error.strerror}.") from None
