"""Retention policies with their versions, what their runs came to, and approvals that stand."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from prune.policy.patterns import Globs
from registryui.models.lease import Leased


class Policy(models.Model):
    """A policy by name. ``active`` is the version that its schedule uses; without one nothing happens by itself.
    ``since`` is when it last began to apply as it does now: what was due before is not made up for."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=120)
    registries = models.CharField(
        max_length=500, blank=True, help_text="Short names or globs of short names, separated by spaces: shop prod-*"
    )
    active = models.ForeignKey("PolicyVersion", null=True, on_delete=models.PROTECT, related_name="+")
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["title", "slug"]
        verbose_name_plural = _("policies")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(active=None) | models.Q(activated_by__isnull=False, since__isnull=False),
                name="policy_was_activated_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return self.title

    def applies_to(self, slug: str) -> bool:
        """Tell whether the registry with a short name is meant; without any name none is."""
        globs = self.registries.split()
        return bool(globs) and slug in Globs(globs, ())


class PolicyVersion(models.Model):
    """One text of a policy. Nobody changes or deletes it, the database sees to that; an edit makes the next one."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    digest = models.CharField(max_length=71, help_text="Of what it means, whatever its layout.")
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number")]

    def __str__(self) -> str:
        return f"{self.policy.title}, version {self.number}"


class PolicyRun(Leased):
    """One look of a version at one registry. ``due_at`` is when the schedule asked for it, ``None`` when a person
    did; ``trips`` are the guards that tripped, each with its sentence, and then nothing was proposed."""

    class State(models.TextChoices):
        """What became of it."""

        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("looking")
        PROPOSED = "proposed", _("proposed")
        NOTHING = "nothing", _("nothing to do")
        TRIPPED = "tripped", _("stopped by a guard")
        OVERRIDDEN = "overridden", _("guard set aside")
        DISMISSED = "dismissed", _("left alone")
        FAILED = "failed", _("failed")

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="runs")
    registry = models.ForeignKey("Registry", on_delete=models.PROTECT, related_name="policy_runs")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    due_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    proposal = models.ForeignKey("Proposal", null=True, on_delete=models.PROTECT, related_name="policy_runs")
    standing = models.ForeignKey("StandingApproval", null=True, on_delete=models.PROTECT, related_name="runs")
    trips = models.JSONField(default=list)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "registry", "due_at"],
                condition=models.Q(due_at__isnull=False),
                name="policy_is_due_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["registry", "policy", "-id"], name="policy_run_tripped", condition=models.Q(state="tripped")
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} on {self.registry}"


class StandingApproval(models.Model):
    """Leave for a named version to clean a registry without asking again. It counts once as many others signed it
    as a proposal there needs, and until somebody revokes it. ``digest`` is that of the policy together with what
    the registry protected then: when either is another one, it does not count."""

    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="standing")
    registry = models.ForeignKey("Registry", on_delete=models.PROTECT, related_name="standing")
    digest = models.CharField(max_length=71)
    reason = models.TextField(blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "registry"], condition=models.Q(revoked_at=None), name="one_standing_approval"
            )
        ]

    def __str__(self) -> str:
        return f"standing approval of {self.version} on {self.registry}"


class StandingSignature(models.Model):
    """A second person's word. The database refuses that of who asked for it or wrote the version."""

    standing = models.ForeignKey(StandingApproval, on_delete=models.PROTECT, related_name="signatures")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    user_name = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["standing", "user"], name="one_signature_per_person")]

    def __str__(self) -> str:
        return self.user_name


class InUsePlace(models.Model):
    """An engine or cluster that is asked what it runs, and what it said last. ``report`` is the engine's, as JSON;
    ``token`` and ``ca_certificate`` are a cluster's own, and go nowhere else."""

    registry = models.ForeignKey("Registry", on_delete=models.CASCADE, related_name="places")
    place = models.CharField(max_length=300)
    asked_at = models.DateTimeField(null=True)
    at = models.DateTimeField(null=True)
    complete = models.BooleanField(default=False)
    problem = models.TextField(blank=True)
    images = models.PositiveIntegerField(default=0)
    report = models.BinaryField(null=True)
    token = models.TextField(blank=True, editable=False, help_text="Encrypted; see registryui.secrets.")
    ca_certificate = models.TextField(blank=True)

    #: Whether it said so too long ago, set by who shows it.
    stale = False

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["registry", "place"], name="in_use_place")]

    def __str__(self) -> str:
        return self.place

    @property
    def takes_token(self) -> bool:
        """Tell whether it is a cluster at an address, which asks for a token."""
        return self.place.startswith(("kubernetes:https:", "kubernetes:http:"))
