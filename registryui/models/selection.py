"""What somebody has ticked, kept by the server: it survives paging, sorting, searching, and a lost connection."""

from django.conf import settings
from django.db import models


class Selected(models.Model):
    """One reference (a tag, an image by digest, a whole repository) that a person wants to propose for deletion."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    ref = models.CharField(max_length=600)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "registry", "ref"], name="selected_once")]

    def __str__(self) -> str:
        return self.ref
