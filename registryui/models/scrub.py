"""Scrubs: looking for damage in a registry, and what was found."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from registryui.models.lease import UNFINISHED, Leased


class Scrub(Leased):
    """One look at everything that a registry holds. ``result`` is `prune.scrub.report.Scrubbed`; ``faults`` counts
    all that were found, also those beyond what is stored."""

    class State(models.TextChoices):
        """How far it came."""

        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Verdict(models.TextChoices):
        """What it found."""

        NONE = "", _("not known yet")
        GOOD = "good", _("nothing damaged")
        BAD = "bad", _("damaged")
        UNKNOWN = "unknown", _("not all could be read")

    class Depth(models.TextChoices):
        """How much is read and compared with its digest."""

        FULL = "full", _("read everything")
        SAMPLED = "sampled", _("read a sample")
        SIZES = "sizes", _("look at names and sizes only")

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="scrubs")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    verdict = models.CharField(max_length=8, choices=Verdict, default=Verdict.NONE, blank=True)
    depth = models.CharField(max_length=8, choices=Depth, default=Depth.FULL)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    faults = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["registry"],
                condition=models.Q(state__in=UNFINISHED),
                name="one_open_scrub_per_registry",
            )
        ]

    def __str__(self) -> str:
        return f"scrub {self.pk} of {self.registry}"
