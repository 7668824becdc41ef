"""Content by digest, and sightings: what was where, from when to when."""

from django.db import models


class Repository(models.Model):
    """One repository of a registry, with the figures of the last scan. ``ended_at`` is set when it went."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="repositories")
    name = models.CharField(max_length=255)
    namespace = models.CharField(max_length=255, blank=True, help_text="What stands before the last slash.")
    tags = models.PositiveIntegerField(default=0)
    untagged = models.PositiveIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(default=0)
    bytes_exclusive = models.PositiveBigIntegerField(default=0)
    bytes_reclaimable = models.PositiveBigIntegerField(default=0)
    last_push = models.DateTimeField(null=True)
    complete = models.BooleanField(default=True)
    first_seen = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "repositories"
        constraints = [models.UniqueConstraint(fields=["registry", "name"], name="repository_name")]

    def __str__(self) -> str:
        return self.name


class Manifest(models.Model):
    """A manifest, or an image of V1: the same for ever, and for every repository that serves it."""

    digest = models.CharField(max_length=140, primary_key=True)
    kind = models.CharField(max_length=20)
    media_type = models.CharField(max_length=120, blank=True)
    size = models.PositiveBigIntegerField(help_text="The bytes of a whole pull, each layer once.")
    platform = models.CharField(max_length=80, blank=True)
    created = models.CharField(max_length=64, blank=True, help_text="As its config says, which may be anything.")
    content = models.BinaryField(null=True, help_text="What the engine read of it; see registryui.services.contents.")

    def __str__(self) -> str:
        return self.digest


class Sighting(models.Model):
    """From when to when something was seen. ``ended_at`` is the first complete scan that did not see it."""

    first_seen = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class TagSighting(Sighting):
    """A tag pointed at a digest."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="tag_sightings")
    tag = models.CharField(max_length=255)
    digest = models.CharField(max_length=140)
    pushed_at = models.DateTimeField(null=True)
    image = models.ForeignKey("Image", null=True, on_delete=models.SET_NULL, related_name="tags")

    class Meta:
        indexes = [
            models.Index(fields=["repository", "tag", "-first_seen"], name="tag_history"),
            models.Index(fields=["digest"], name="tag_digest"),
            # ``ended_at`` is in it so that a search through all tags needs nothing but the index.
            models.Index(fields=["tag", "repository", "ended_at"], name="tag_now", condition=models.Q(ended_at=None)),
            models.Index(
                fields=["repository", "-pushed_at", "id"], name="tag_pushed", condition=models.Q(ended_at=None)
            ),
            models.Index(fields=["repository", "-first_seen", "-id"], name="tag_timeline"),
            models.Index(fields=["-first_seen", "-id"], name="tag_changes"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "tag"], condition=models.Q(ended_at=None), name="tag_points_at_one_digest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tag} → {self.digest}"


class ManifestSighting(Sighting):
    """A repository served a manifest."""

    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, related_name="manifest_sightings")
    digest = models.CharField(max_length=140)
    untagged_since = models.DateTimeField(null=True)
    image = models.ForeignKey("Image", null=True, on_delete=models.SET_NULL, related_name="served")

    class Meta:
        indexes = [
            models.Index(fields=["digest"], name="manifest_digest"),
            models.Index(
                fields=["repository", "-untagged_since"],
                name="manifest_untagged",
                condition=models.Q(ended_at=None, untagged_since__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["repository", "digest"], condition=models.Q(ended_at=None), name="manifest_served_once"
            )
        ]

    def __str__(self) -> str:
        return self.digest
