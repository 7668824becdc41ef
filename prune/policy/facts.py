"""What rules need to know beyond the snapshot. Times are whole seconds since 1970 in UTC.

Whatever is not here is unknown, and what is unknown is kept.
"""

import msgspec

from prune.model.errors import UsageError
from prune.model.in_use import InUseReport


class Times(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """What was noticed of one tag or manifest in one repository. ``first_seen`` is when a scan first found it as it
    is now; ``pulls`` holds the last pull by each user agent."""

    pushed: int | None = None
    first_seen: int | None = None
    untagged_at: int | None = None
    pulls: dict[str, int] = {}


class Facts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """``tags`` and ``manifests`` are by repository, then by tag or digest. ``scanned_at`` is when the snapshot was
    taken (``None``: just now), ``pulls_since`` from when on every pull was reported (``None``: nothing reports
    pulls)."""

    scanned_at: int | None = None
    tags: dict[str, dict[str, Times]] = {}
    manifests: dict[str, dict[str, Times]] = {}
    pulls_since: int | None = None
    in_use: tuple[InUseReport, ...] = ()


def read_facts(body: bytes) -> Facts:
    """Return the facts in a JSON document; raise ``UsageError`` when it holds anything else."""
    try:
        return msgspec.json.decode(body, type=Facts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"These are no facts for a policy: {error}. See docs/policies.md for their form.") from None
