"""What registries tell of pushes and pulls by their notifications."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

#: User agents of scanners: they pull everything, every day, and use nothing of it.
SCANNERS = "(?i)trivy.*\n(?i)clair.*\n(?i)grype.*\n(?i)anchore.*\n(?i)snyk.*\n(?i)harbor-scanner.*"


class Listening(models.Model):
    """That a registry may tell us of pushes and pulls, and how far what it told can be relied on.

    ``since`` is from when on nothing is known to have been missed, ``None`` until a pull was told; ``last_at`` when
    the last one was, and ``prompt_at`` when the last one was that had only just happened. ``instances`` are processes
    of the registry that were heard of, the newest last; ``echo_at`` is when it last told of a request of our own,
    ``asked_at`` when we last made one to hear whether it does.
    """

    registry = models.OneToOneField("Registry", on_delete=models.CASCADE, related_name="listening")
    token_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    since = models.DateTimeField(null=True, editable=False)
    because = models.CharField(max_length=300, blank=True, editable=False)
    last_at = models.DateTimeField(null=True, editable=False)
    prompt_at = models.DateTimeField(null=True, editable=False)
    echo_at = models.DateTimeField(null=True, editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)
    instances = models.JSONField(default=list, editable=False)
    ignored_agents = models.TextField(
        blank=True,
        default=SCANNERS,
        help_text=_("Patterns (RE2) for whole user agents whose pulls do not count, one a line."),
    )
    quiet_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 366)],
        help_text=_("After so many hours without any event nobody knows what was pulled meanwhile."),
    )
    restart_is_gap = models.BooleanField(
        default=True,
        help_text=_(
            "A registry that restarts forgets the events that it could not deliver. Without this, its restarts are "
            "taken for harmless."
        ),
    )

    def __str__(self) -> str:
        return f"events of {self.registry}"


class Pull(models.Model):
    """The last pull of a manifest by each user agent; ``tag`` is what it asked for then, if it did by tag. ``at`` is
    when we were told, by our own clock: never before the pull."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    repository = models.CharField(max_length=255)
    digest = models.CharField(max_length=140)
    agent = models.CharField(max_length=200, blank=True)
    tag = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["registry", "repository", "digest", "agent"], name="last_pull")
        ]

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest} by {self.agent}"


class Push(models.Model):
    """The last push of a manifest by each of its tags, or by none (``tag`` is empty)."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    repository = models.CharField(max_length=255)
    digest = models.CharField(max_length=140)
    tag = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registry", "repository", "digest", "tag"], name="last_push")]

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


class HeardEvent(models.Model):
    """An event that was taken note of: registries send one again when our answer did not reach them in time."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="+")
    event = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["registry", "event"], name="event_heard_once")]
        indexes = [models.Index(fields=["at"], name="event_heard_at")]

    def __str__(self) -> str:
        return self.event
