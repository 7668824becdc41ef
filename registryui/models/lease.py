"""Work that one process does at a time, and another takes over when it dies."""

from django.db import models


class Leased(models.Model):
    """``lease_until`` is renewed while a worker is alive; past it, the work is free. Progress is for people."""

    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    what = models.CharField(max_length=80, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)

    class Meta:
        abstract = True
