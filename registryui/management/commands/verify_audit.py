"""`manage.py verify_audit`: is the record whole?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registryui.services import audit


class Command(BaseCommand):
    """Exit code 0 when every entry follows the one before it unchanged, 1 at the first that does not."""

    help = "Check the chain of the audit record."

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and say so."""
        verdict = audit.verify()
        if verdict.broken_at is not None:
            raise CommandError(f"Audit entry {verdict.broken_at} {verdict.what}.")
        self.stdout.write(f"The audit record is whole: {verdict.entries} entries.")
