"""The record: who did what, each entry chained to the one before. The database refuses to change it."""

from django.db import models


class AuditEntry(models.Model):
    """One thing that somebody did. Names are copied, so that it can be read when their owners are gone."""

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    object_kind = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    label = models.CharField(max_length=300, blank=True)
    registry = models.CharField(max_length=50, blank=True)
    plan_digest = models.CharField(max_length=71, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=32, blank=True)
    data = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["registry", "-id"], name="audit_registry"),
            models.Index(fields=["actor_name", "-id"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.actor_name} {self.action}"


class AuditHead(models.Model):
    """The number and digest of the newest entry: taking entries off the end does not go unseen."""

    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="")

    def __str__(self) -> str:
        return str(self.number)
