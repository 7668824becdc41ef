"""One worker at a time, and the next one when it dies.

The queue gives a task to one worker once; a worker that is killed never gives it back. So a scan or a run is
*leased*: who works on it renews the lease, and work of which the lease ran out goes back into the queue.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from prune.sources.base import Progress
from registryui.models import Draft, PolicyRun, Run, Scan, Scrub
from registryui.models.lease import UNFINISHED

log = logging.getLogger(__name__)

CALLED_OFF = gettext_noop("It was called off.")

#: What one worker does at a time.
type Work = type[Scan] | type[Run] | type[Scrub] | type[PolicyRun] | type[Draft]


class LeaseLost(Exception):
    """Another worker has taken over, or somebody called it off; this one must stop at once."""


class Lease:
    """A lease that is held. ``report`` takes the engine's progress; it raises ``LeaseLost`` when it is over."""

    def __init__(self, model: Work, pk: int, owner: str) -> None:
        self.model = model
        self.pk = pk
        self.owner = owner
        self.lost = threading.Event()
        self._latest: Progress | None = None
        self._shown: Progress | None = None

    def report(self, progress: Progress) -> None:
        """Take note of how far the work is. The background writes it down: the engine may be in an event loop,
        where the database must not be waited for."""
        if self.lost.is_set():
            raise LeaseLost
        self._latest = progress

    def show(self) -> None:
        """Write the latest progress down, if it is new."""
        progress = self._latest
        if progress is not None and progress != self._shown:
            new = self._shown is None or self._shown.what != progress.what
            self._shown = progress
            step = {"step_at": timezone.now()} if new else {}
            if not self.mine().update(what=progress.what[:80], done=progress.done, total=progress.total, **step):
                self.lost.set()

    def mine(self) -> QuerySet[Any]:
        """Return the row, as long as it is ours."""
        return self.model._default_manager.filter(pk=self.pk, lease_owner=self.owner, state="running")

    def check(self) -> None:
        """Raise ``LeaseLost`` when the row is not ours any more, before what was found is written down."""
        if not self.mine().exists():
            self.lost.set()
            raise LeaseLost

    def renew(self) -> None:
        """Say that we are alive."""
        if not self.mine().update(lease_until=_later()):
            self.lost.set()


def _later() -> datetime:
    return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)


def patience() -> datetime:
    """Return until when something may wait in the queue before it is put there again."""
    return timezone.now() + timedelta(seconds=10 * settings.LEASE_SECONDS)


@contextmanager
def held(model: Work, pk: int) -> Iterator[Lease | None]:
    """Take the lease of a scan or run and renew it in the background; ``None`` when somebody else has it."""
    owner = f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
    now = timezone.now()
    free = Q(state="queued") | Q(state="running", lease_until__lt=now)
    # One UPDATE with its condition: of two workers that come at once, one changes a row and the other none.
    taken = model._default_manager.filter(free, pk=pk).update(
        state="running", lease_owner=owner, lease_until=_later(), what="", done=0, total=None, step_at=None
    )
    if not taken:
        yield None
        return
    model._default_manager.filter(pk=pk, started_at=None).update(started_at=now)
    lease = Lease(model, pk, owner)
    over = threading.Event()

    def beat() -> None:
        renewed = time.monotonic()
        while not over.wait(settings.LEASE_BEAT_SECONDS):
            try:
                lease.show()
                if time.monotonic() - renewed > settings.LEASE_SECONDS / 3:
                    lease.renew()
                    renewed = time.monotonic()
            except DatabaseError as error:
                # Busy or restarting: the next beat will do; when none does, the lease runs out, and that is right.
                log.warning("The lease of %s %s could not be renewed: %s", model.__name__, pk, error)
        connection.close()

    heart = threading.Thread(target=beat, name=f"lease of {model.__name__} {pk}", daemon=True)
    heart.start()
    try:
        yield lease
    finally:
        over.set()
        heart.join()


def call_off(model: type[Scan] | type[Scrub], pk: int) -> bool:
    """Take work away from whoever does it, who notices with the next step, or from the queue. Only for what writes
    nothing to a registry. Return whether there was something to take."""
    open_one = model._default_manager.filter(pk=pk, state__in=UNFINISHED)
    return bool(open_one.update(state="failed", lease_owner="", message=CALLED_OFF, finished_at=timezone.now()))


def recover() -> int:
    """Put work back into the queue that nobody works on any more; return how much."""
    from registryui.tasks import carry_out, draft, run_policy, scan, scrub

    found = 0
    now = timezone.now()
    work: tuple[tuple[Work, Any], ...] = (
        (Scan, scan),
        (Run, carry_out),
        (Scrub, scrub),
        (PolicyRun, run_policy),
        (Draft, draft),
    )
    for model, task in work:
        # Queued too long counts as well: the entry in the queue may have been lost with its worker.
        left = Q(state="running", lease_until__lt=now) | Q(state="queued", lease_until__lt=now)
        for pk in model._default_manager.filter(left).values_list("pk", flat=True):
            with transaction.atomic():
                changed = model._default_manager.filter(left, pk=pk).update(state="queued", lease_until=patience())
                if changed:
                    transaction.on_commit(partial(task.enqueue, pk))
            found += changed
    return found
