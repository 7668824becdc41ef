"""What lists show of images, written by each scan that finds a change, so that no page reads a whole registry."""

from django.db import models

from registryui.models.content import Sighting


class Image(Sighting):
    """One image, index or artifact in one registry. Gone ones stay, with their end, for the history."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="images")
    digest = models.CharField(max_length=140, db_index=True)
    kind = models.CharField(max_length=20)
    platform = models.CharField(max_length=200, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of a pull; of an index, of all its platforms.")
    own = models.PositiveBigIntegerField(default=0, help_text="Bytes that nothing else in the registry needs.")
    created_at = models.DateTimeField(null=True, help_text="As its config says, where that can be true.")
    base = models.CharField(max_length=140, blank=True)
    dependents = models.PositiveIntegerField(default=0, help_text="Images that are directly based on it.")
    subject = models.CharField(max_length=140, blank=True)
    inside = models.CharField(max_length=140, blank=True, help_text="An index that contains it.")
    same_as = models.CharField(max_length=140, blank=True, help_text="Another manifest of the same layers.")
    purpose = models.CharField(max_length=40, blank=True)
    attached = models.CharField(max_length=40, blank=True, help_text="What is attached to it: signature, sbom …")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registry", "digest"], name="image_in_registry")]
        indexes = [
            models.Index(
                # In the order of a list, so that of a base of thousands no more is read than is shown.
                fields=["registry", "base", "-dependents", "-created_at", "digest"],
                name="image_base",
                condition=models.Q(ended_at=None) & ~models.Q(base=""),
            ),
            models.Index(
                fields=["registry", "subject"],
                name="image_subject",
                condition=models.Q(ended_at=None) & ~models.Q(subject=""),
            ),
            models.Index(
                fields=["registry", "same_as"],
                name="image_same_as",
                condition=models.Q(ended_at=None) & ~models.Q(same_as=""),
            ),
            models.Index(fields=["dependents"], name="image_dependents", condition=models.Q(dependents__gt=0)),
        ]

    def __str__(self) -> str:
        return self.digest


class Label(models.Model):
    """A label of an image's config, as far as one can search for it."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(max_length=120)
    value = models.CharField(max_length=200, db_index=True)

    class Meta:
        indexes = [models.Index(fields=["name", "value"], name="label_name")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class SharedLayer(models.Model):
    """A layer that several images of a registry have; one that is not here is in one image at most."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=140)
    size = models.PositiveBigIntegerField()
    images = models.PositiveIntegerField()
    examples = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["registry", "digest"], name="shared_layer_in_registry"),
            models.CheckConstraint(condition=models.Q(images__gte=2), name="shared_layer_is_shared"),
        ]

    def __str__(self) -> str:
        return self.digest


class BuildsOn(models.Model):
    """Images of a repository are based on some of another one, as the last scan saw it."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    repository = models.ForeignKey("Repository", on_delete=models.CASCADE, related_name="+")
    base = models.ForeignKey("Repository", on_delete=models.CASCADE, related_name="+")
    images = models.PositiveIntegerField(help_text="Of the repository, that are based on one of the other.")
    shared = models.PositiveBigIntegerField(help_text="Bytes of those bases, each layer once.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repository", "base"], name="builds_on_once")]
        indexes = [models.Index(fields=["registry", "-shared", "id"], name="builds_on_shared")]

    def __str__(self) -> str:
        return f"{self.repository} on {self.base}"
