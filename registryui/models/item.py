"""What a plan takes away, one row each: for reviewers to sort and search, and for the history of every image."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class PlanItem(models.Model):
    """A tag, manifest, V1 image, upload or whole repository that goes. Written with the plan, from its own body."""

    class Kind(models.TextChoices):
        """What it is."""

        TAG = "tag", _("Tag")
        MANIFEST = "manifest", _("Manifest")
        IMAGE = "image", _("Image")
        UPLOAD = "upload", _("Upload")
        REPOSITORY = "repository", _("Repository")

    class Cause(models.TextChoices):
        """Why it goes."""

        ASKED = "asked", _("was asked for")
        FOLLOWS = "follows", _("nothing else holds it then")
        SWEPT = "swept", _("nothing referenced it")

    plan = models.ForeignKey("PlanRecord", on_delete=models.PROTECT, related_name="rows")
    kind = models.CharField(max_length=12, choices=Kind)
    cause = models.CharField(max_length=8, choices=Cause)
    repository = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True, help_text="The tag, or the id of an upload.")
    digest = models.CharField(max_length=140, blank=True)
    own = models.PositiveBigIntegerField(default=0, help_text="Bytes that nothing else in the registry needed.")
    pushed_at = models.DateTimeField(null=True)
    weight = models.PositiveSmallIntegerField(default=0, help_text="How much spoke for keeping it.")
    signals = models.JSONField(default=list, help_text="What spoke for keeping it, in words.")

    class Meta:
        indexes = [
            models.Index(fields=["plan", "-weight", "id"], name="item_weight"),
            models.Index(fields=["plan", "kind", "repository", "name", "digest"], name="item_key"),
            models.Index(fields=["repository", "name"], name="item_tag"),
            models.Index(fields=["digest"], name="item_digest"),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        """Return it as one names it: ``repository:tag``, ``repository@digest``, an id, or a repository."""
        if self.kind == self.Kind.TAG:
            return f"{self.repository}:{self.name}"
        if self.kind == self.Kind.MANIFEST:
            return f"{self.repository}@{self.digest}"
        return self.digest or self.name or self.repository
