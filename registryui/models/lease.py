"""Work that one process does at a time, and another takes over when it dies."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

#: The states of work that is still to be done, whatever it is.
UNFINISHED = ["queued", "running"]


class Leased(models.Model):
    """``lease_until`` is renewed while a worker is alive; past it, the work is free. Progress is for people.

    Each kind of work has a ``state`` of its own; those of ``UNFINISHED`` are in all of them.
    """

    state: "models.CharField[str, str]"

    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    what = models.CharField(max_length=80, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    step_at = models.DateTimeField(null=True, help_text="When the step of `what` began.")

    class Meta:
        abstract = True

    @property
    def open(self) -> bool:
        """Tell whether it is still to be done."""
        return self.state in UNFINISHED

    @property
    def poll_seconds(self) -> int:
        """After how many seconds a page asks again: what has taken long already is not over in the next second."""
        seconds = (timezone.now() - self.created_at).total_seconds()
        return 1 if seconds < 30 else 3 if seconds < 300 else 10

    @property
    def step_until(self) -> datetime | None:
        """When the step is over if it goes on as it did; ``None`` while that is a guess."""
        now = timezone.now()
        if self.step_at is None or not self.total or self.done < max(1, self.total // 50):
            return None
        spent = (now - self.step_at).total_seconds()
        return now + timedelta(seconds=spent / self.done * (self.total - self.done)) if spent >= 3 else None
