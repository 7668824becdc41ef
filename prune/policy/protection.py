"""What every policy of a registry must obey."""

import msgspec

from prune.policy.document import read_document
from prune.policy.faults import Fault, PolicyError
from prune.policy.read import parse_policy
from prune.policy.schema import Policy

#: No id of a person's own has a colon.
_PREFIX = "registry:"


def parse_protection(text: str | bytes) -> Policy:
    """Return a list of protect rules for a whole registry: a policy with nothing but ``protect`` and a
    ``description``. Raises ``PolicyError`` as `parse_policy` does."""
    policy = parse_policy(text)
    document = read_document(text)
    faults = [
        Fault(document.line((key,)), key, "What a whole registry protects has only protect rules; take this away.")
        for key in document.value
        if key not in ("protect", "description")
    ]
    if faults:
        raise PolicyError(faults)
    return policy


def obeying(policy: Policy, protection: Policy) -> Policy:
    """Return ``policy`` with the protect rules of ``protection`` besides its own; their ids begin with ``registry:``.

    The result has a digest of its own: what it decides depends on both.
    """
    rules = tuple(msgspec.structs.replace(rule, id=_PREFIX + rule.id) for rule in protection.protect)
    return msgspec.structs.replace(policy, protect=(*policy.protect, *rules))
