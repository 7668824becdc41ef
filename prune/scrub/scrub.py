"""Scrubbing any source that can be scrubbed."""

from prune.model.errors import UsageError
from prune.plan.faults import GRACE
from prune.plan.verification import Depth
from prune.scrub.api import scrub_registry
from prune.scrub.report import Scrubbed
from prune.scrub.storage import scrub_by_digest, scrub_v1
from prune.sources.base import Report, Source, silent
from prune.sources.oci_layout.source import OciLayout
from prune.sources.registry_v2.source import RegistryV2
from prune.sources.storage_v1 import StorageV1
from prune.sources.storage_v2.source import StorageV2


def scrub(
    source: Source, *, now: int, depth: Depth | None = None, grace: int = GRACE, report: Report = silent
) -> Scrubbed:
    """Look for damage in ``source``; writes nothing.

    ``depth`` says whether content is read and compared with its digests: none (``sizes``), some or all of it. Left
    out, storage is read whole, and over an API, where that means downloading everything, only asked for. ``now`` and
    ``grace`` (seconds) tell what was left over from what is being pushed. Raises ``UsageError`` for sources that
    look after their own content.
    """
    if isinstance(source, StorageV2 | OciLayout):
        return scrub_by_digest(source, depth or "full", now, grace, report)
    if isinstance(source, StorageV1):
        return scrub_v1(source, depth or "full", now, grace, report)
    if isinstance(source, RegistryV2):
        return scrub_registry(source, depth or "sizes", now, report)
    raise UsageError(
        f"A source of kind {source.kind} cannot be scrubbed; storage, layouts and registries over their API can."
    )
