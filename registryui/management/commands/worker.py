"""`manage.py worker`: does scans and runs, and takes over what dead workers left."""

import logging
import threading
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from registryui.services import control, in_use, leases, listening, policy_runs

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """The database worker with an eye on leases that ran out. Start as many as you like."""

    help = "Do scans and runs from the queue."

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until told to stop."""
        # Whoever waits to push comes first.
        control.put_all_right()
        listening.started()
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(over,), name="leases", daemon=True)
        watch.start()
        try:
            call_command("db_worker", interval=0.5, verbosity=0, startup_delay=False)
        finally:
            over.set()


def _watch(over: threading.Event) -> None:
    while True:
        try:
            control.put_all_right()
            leases.recover()
            in_use.look()
            listening.look()
            policy_runs.look()
        except DatabaseError as error:
            # A database that is busy or restarting: the next look will do.
            log.warning("Looking for work left behind failed: %s", error)
        connection.close()
        if over.wait(settings.LEASE_SECONDS / 2):
            return
