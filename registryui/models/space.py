"""Where the bytes of a registry are, as its last scan saw it."""

from django.db import models


class SpacePicture(models.Model):
    """The figures of `prune.plan.space.Space`; those of repositories stand with them, those of each scan with it."""

    registry = models.OneToOneField("Registry", on_delete=models.CASCADE, related_name="space")
    made_at = models.DateTimeField()
    total = models.PositiveBigIntegerField()
    shared = models.PositiveBigIntegerField()
    unreferenced = models.PositiveBigIntegerField(null=True)
    reclaimable = models.PositiveBigIntegerField(null=True)
    garbage = models.JSONField(default=list)
    garbage_items = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"space of {self.registry}"
