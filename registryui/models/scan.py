"""Scans, and the snapshot that the last one left."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from registryui.models.lease import UNFINISHED, Leased


class Scan(Leased):
    """One reading of a registry."""

    class State(models.TextChoices):
        """How far it came."""

        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        COMPLETE = "complete", _("Complete")
        INCOMPLETE = "incomplete", _("Incomplete")
        FAILED = "failed", _("Failed")

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="scans")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    requested_by = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    summary = models.JSONField(null=True)
    problems = models.JSONField(default=list)
    message = models.TextField(blank=True)
    bytes_total = models.PositiveBigIntegerField(null=True)
    bytes_reclaimable = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["registry"],
                condition=models.Q(state__in=UNFINISHED),
                name="one_open_scan_per_registry",
            )
        ]

    def __str__(self) -> str:
        return f"scan {self.pk} of {self.registry}"


class RegistrySnapshot(models.Model):
    """What the last scan found: the input of plans and graphs. ``digest`` is the sha256 of the whole.

    ``body`` is what is in no part; ``head`` and ``around`` are what plans need besides parts, and empty where there
    are none.
    """

    registry = models.OneToOneField("Registry", on_delete=models.CASCADE, related_name="snapshot")
    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="+")
    taken_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    body = models.BinaryField()
    head = models.BinaryField(default=b"")
    around = models.BinaryField(default=b"")

    def __str__(self) -> str:
        return f"snapshot of {self.registry}"


class SnapshotPart(models.Model):
    """One repository as the last scan found it, with the content of all that it serves."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    body = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="snapshot_part_name")]

    def __str__(self) -> str:
        return f"{self.name} of {self.registry}"
