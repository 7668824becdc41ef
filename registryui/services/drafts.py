"""Large sweeps are worked out by the worker: they read all of a registry, and nobody waits for a page that long."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from prune.sources.base import Progress
from registryui.models import Draft, Registry
from registryui.permissions import PROPOSE
from registryui.services import plans, proposals
from registryui.services.errors import NotNow
from registryui.services.leases import Lease, LeaseLost, held, patience
from registryui.services.sweeping import Sweeping

#: A sweep of so many blobs or images takes more than a moment.
LARGE = 50_000


def is_needed(registry: Registry, *, sweep: bool) -> bool:
    """Tell whether a proposal takes too long for a page."""
    found = registry.last_scan.summary if registry.last_scan else None
    return sweep and found is not None and max(found.get("blobs") or 0, found.get("images") or 0) > LARGE


def request(
    actor: User,
    registry: Registry,
    refs: Sequence[str],
    *,
    title: str,
    reason: str,
    besides: Sweeping = plans.PLAIN,
) -> Draft:
    """Queue the planning of a sweep, with ``refs`` to delete besides, that becomes a proposal of ``actor``."""
    from registryui.tasks import draft as task

    if len(refs) > plans.MOST_REFERENCES:
        raise NotNow(
            "A proposal may name %(most)d things at most; propose whole repositories instead.",
            most=plans.MOST_REFERENCES,
        )
    try:
        with transaction.atomic():
            row = Draft.objects.create(
                registry=registry,
                user=actor,
                refs=list(refs),
                uploads_days=besides.uploads_days,
                empty_repositories=besides.repositories,
                title=title.strip()[:200],
                reason=reason.strip(),
                lease_until=patience(),
            )
            transaction.on_commit(lambda: task.enqueue(row.pk))
    except IntegrityError:
        raise NotNow("A proposal of yours for this registry is being worked out already.") from None
    return row


def perform(pk: int) -> None:
    """Work a queued draft out, unless somebody else does. One that was interrupted begins anew."""
    with held(Draft, pk) as lease:
        if lease is None:
            return
        row = Draft.objects.select_related("registry__last_scan", "user").get(pk=pk)
        lease.report(Progress("reading what the last scan found", 0, None))
        lease.show()
        try:
            with transaction.atomic():
                _propose(row, lease)
        except NotNow as error:
            row.state, row.message = Draft.State.FAILED, str(error)
        except LeaseLost:
            return
        row.finished_at = timezone.now()
        row.save(update_fields=["state", "message", "proposal", "finished_at"])


def _propose(row: Draft, lease: Lease) -> None:
    if not row.user.is_active or not row.user.has_perm(PROPOSE):
        raise NotNow("Who asked for this may not propose any more.")
    row.proposal = proposals.create(
        row.user,
        row.registry,
        row.refs,
        title=row.title,
        reason=row.reason,
        sweep=row.sweep,
        besides=Sweeping(row.uploads_days, row.empty_repositories),
    )
    row.state = Draft.State.DONE
    if not lease.mine().exists():
        raise LeaseLost  # another worker proposes it
