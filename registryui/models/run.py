"""Runs: a plan carried out, undone, or its trash emptied."""

import hashlib
import json

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from registryui.models.lease import UNFINISHED, Leased


class Run(Leased):
    """``engine_run`` is the name under which the store remembers it; ``parent`` what is undone or emptied.
    ``skipped`` are the first of what was skipped, ``skipped_number`` and ``skipped_digest`` tell of all of it;
    ``held_seconds`` is how long the run kept pushes out of the registry, ``None`` where that is not ours."""

    class Kind(models.TextChoices):
        """What it does."""

        APPLY = "apply", _("cleanup")
        RESTORE = "restore", _("undo")
        EMPTY = "empty", _("emptying the trash")

    class State(models.TextChoices):
        """How far it came."""

        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        PARTIAL = "partial", _("Partial")
        FAILED = "failed", _("Failed")

    class Trash(models.TextChoices):
        """What became of the things that a cleanup took away."""

        NONE = "none", _("None")
        HELD = "held", _("Held")
        RESTORED = "restored", _("Restored")
        EMPTIED = "emptied", _("Emptied")
        FINAL = "final", _("Gone for good")

    registry = models.ForeignKey("Registry", on_delete=models.PROTECT, related_name="runs")
    proposal = models.ForeignKey("Proposal", null=True, on_delete=models.PROTECT, related_name="runs")
    plan = models.ForeignKey("PlanRecord", null=True, on_delete=models.PROTECT, related_name="runs")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="followers")
    standing = models.ForeignKey("StandingApproval", null=True, on_delete=models.PROTECT, related_name="cleanups")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    engine_run = models.CharField(max_length=40, blank=True)
    stopped_reason = models.TextField(blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    items = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=list)
    skipped_number = models.PositiveIntegerField(default=0)
    skipped_digest = models.CharField(max_length=64, blank=True, default="")
    freed_bytes = models.PositiveBigIntegerField(default=0)
    held_seconds = models.FloatField(null=True)
    verified = models.JSONField(null=True)
    trash = models.CharField(max_length=8, choices=Trash, default=Trash.NONE)
    trash_until = models.DateTimeField(null=True)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("restore_run", "Can undo a cleanup"), ("empty_trash", "Can empty the trash")]
        constraints = [
            models.UniqueConstraint(
                fields=["registry"],
                condition=models.Q(state__in=UNFINISHED),
                name="one_open_run_per_registry",
            )
        ]

    def __str__(self) -> str:
        with override("en"):  # logs and the record call it by its English name
            return f"{self.get_kind_display()} {self.pk}"

    @property
    def called(self) -> str:
        """Return it as the pages call it, in the language of the request."""
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def losses_open(self) -> bool:
        """Tell whether its verification found something missing, or not all could be put back, and nobody has
        accepted that, so that the trash waits."""
        found = self.verified or {}
        if "accepted" in found:
            return False
        if self.kind == self.Kind.RESTORE and self.parent is not None:
            later = self.parent.followers.filter(kind=self.Kind.RESTORE, pk__gt=self.pk)
            held = self.parent.trash == self.Trash.HELD
            return self.state == self.State.PARTIAL and held and not later.exists()
        return self.trash == self.Trash.HELD and found.get("state") == "bad"

    @property
    def skipped_count(self) -> int:
        """Return how many things were skipped, also those that are not kept here by name."""
        return max(self.skipped_number, len(self.skipped))

    @property
    def losses_mark(self) -> str:
        """Return a mark that is another one for another verification, or for another undo."""
        undo = self.kind == self.Kind.RESTORE
        shown = [self.verified, self.skipped, self.skipped_digest] if undo else self.verified
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
