"""Proposals that take longer to work out than a page may take."""

from django.conf import settings
from django.db import models

from registryui.models.lease import UNFINISHED, Leased


class Draft(Leased):
    """What somebody asked to have proposed; the worker plans it, and ``proposal`` is what it came to."""

    class State(models.TextChoices):
        """How far it came."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    refs = models.JSONField(default=list)
    sweep = models.BooleanField(default=True)
    uploads_days = models.PositiveIntegerField(null=True)
    empty_repositories = models.BooleanField(default=False)
    title = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    proposal = models.ForeignKey("Proposal", null=True, on_delete=models.SET_NULL, related_name="+")
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["registry", "user"],
                condition=models.Q(state__in=UNFINISHED),
                name="one_open_draft_per_person",
            )
        ]

    def __str__(self) -> str:
        return f"draft {self.pk} for {self.registry}"
