"""Proposals to delete, the plans they stand for, and who said what to them."""

from django.conf import settings
from django.db import models
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _


class Proposal(models.Model):
    """Something to delete. ``plan`` is the newest; approvals of older ones count for nothing."""

    class State(models.TextChoices):
        """The way of a proposal."""

        PROPOSED = "proposed", _("Proposed")
        APPROVED = "approved", _("Approved")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        PARTIAL = "partial", _("Partial")
        FAILED = "failed", _("Failed")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        STALE = "stale", _("Stale")

    #: In these it can still be edited, approved, rejected or withdrawn.
    OPEN = (State.PROPOSED, State.APPROVED, State.STALE)

    registry = models.ForeignKey("Registry", on_delete=models.PROTECT, related_name="proposals")
    title = models.CharField(max_length=200)
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    proposer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="proposals")
    last_editor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    plan = models.ForeignKey("PlanRecord", null=True, on_delete=models.PROTECT, related_name="+")
    policy = models.ForeignKey("PolicyVersion", null=True, on_delete=models.PROTECT, related_name="proposals")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"


class PlanRecord(models.Model):
    """A plan as it was computed: its canonical JSON and digest, never changed."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="plans")
    scan = models.ForeignKey("Scan", on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=71)
    body = models.BinaryField()
    tags = models.PositiveIntegerField()
    items = models.PositiveIntegerField()
    freed_bytes = models.PositiveBigIntegerField()
    before = models.TextField(blank=True, help_text="The image graph as it was then, drawn for the page.")
    after = models.TextField(blank=True)
    drawing = models.BinaryField(null=True, help_text="What both were drawn from, for files of them.")
    undrawn = models.TextField(blank=True, help_text="Why there is no drawing.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.digest

    @property
    def before_svg(self) -> SafeString:
        """Return the drawing; it was built from an allow-list with every text escaped (prune.drawing.svg)."""
        return mark_safe(self.before)  # noqa: S308

    @property
    def after_svg(self) -> SafeString:
        """Return the drawing of what is left."""
        return mark_safe(self.after)  # noqa: S308


class Approval(models.Model):
    """A person's verdict on a plan. The database itself refuses approval by who proposed or last edited it."""

    class Decision(models.TextChoices):
        """Yes or no."""

        APPROVE = "approve", _("Approve")
        REJECT = "reject", _("Reject")

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="approvals")
    plan = models.ForeignKey(PlanRecord, on_delete=models.PROTECT, related_name="approvals")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    user_name = models.CharField(max_length=150)
    decision = models.CharField(max_length=8, choices=Decision)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["plan", "user"], name="one_verdict_per_person_and_plan")]

    def __str__(self) -> str:
        return f"{self.user_name}: {self.decision}"


class Comment(models.Model):
    """What somebody said to a proposal."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="comments")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    item = models.CharField(max_length=600, blank=True, help_text="What of the plan it is about, if one thing.")
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.text[:60]
