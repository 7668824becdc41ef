"""Registries."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Registry(models.Model):
    """A registry that is watched. ``source`` is the engine's SOURCE string. The fields that begin with ``held`` say
    that it is held for a cleanup at the moment, and what is wrong when it did not come back."""

    class Control(models.TextChoices):
        """How pushes are kept out while a cleanup moves things."""

        STATED = "stated", _("a person sees to it and says so")
        DOCKER = "docker", _("its container is held")
        PROBE = "probe", _("it is read-only already")
        COMMAND = "command", _("commands of its operator")

    class Mode(models.TextChoices):
        """How a container is held."""

        STOP = "stop", _("stopped, and started again")
        READONLY = "readonly", _("replaced by a read-only one, so that pulls go on")

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=120)
    source = models.CharField(max_length=1000)
    kind = models.CharField(max_length=20, blank=True, editable=False)
    username = models.CharField(max_length=200, blank=True)
    password = models.TextField(blank=True, editable=False, help_text="Encrypted; see registryui.secrets.")
    token_realm = models.CharField(
        max_length=300, blank=True, help_text=_("Another host that may ask for these credentials to give out tokens.")
    )
    chosen_repositories = models.TextField(
        blank=True,
        help_text=_(
            "Needed where it does not list them: names, or prefixes such as team/, one in a line. Empty: all."
        ),
    )
    concurrency = models.PositiveSmallIntegerField(
        default=16,
        validators=[MinValueValidator(1), MaxValueValidator(256)],
        help_text=_("Under way at a time; fewer while the registry asks for it."),
    )
    allowed_hosts = models.TextField(
        blank=True,
        help_text=_(
            "Where its content may be fetched from when it redirects there, such as *.storage.example.com. "
            "They never get credentials."
        ),
    )
    client_certificate = models.TextField(blank=True, help_text=_("For registries that ask for one, in PEM."))
    client_key = models.TextField(blank=True, editable=False, help_text="Encrypted; see registryui.secrets.")
    server = models.CharField(max_length=100, blank=True, editable=False)
    abilities = models.JSONField(default=list, editable=False, help_text="What it can do, as it was seen last.")
    ca_certificate = models.TextField(blank=True, help_text=_("Of a private CA, in PEM."))
    control_statement = models.TextField(
        blank=True,
        help_text=_("Why nobody can push or pull while a cleanup runs. Stands for every run; goes on the record."),
    )
    run_on_approval = models.BooleanField(default=False, help_text=_("Begin the cleanup as soon as it is approved."))
    control = models.CharField(max_length=8, choices=Control, default=Control.STATED)
    control_container = models.CharField(max_length=200, blank=True)
    control_mode = models.CharField(max_length=8, choices=Mode, default=Mode.STOP)
    control_engine = models.CharField(max_length=200, blank=True)
    control_url = models.CharField(max_length=300, blank=True)
    control_commands = models.TextField(blank=True)
    cache_url = models.CharField(max_length=300, blank=True)
    cache_password = models.TextField(blank=True, editable=False, help_text="Encrypted; see registryui.secrets.")
    registry_collects = models.BooleanField(default=False)
    window_minutes = models.PositiveSmallIntegerField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(1440)]
    )
    held_since = models.DateTimeField(null=True, editable=False)
    held_run = models.ForeignKey("Run", null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    held_words = models.CharField(max_length=300, blank=True, editable=False)
    held_problem = models.TextField(blank=True, editable=False)
    required_approvals = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    moved_at = models.DateTimeField(null=True, editable=False)  # when its address was changed last
    grace_hours = models.PositiveIntegerField(default=24, help_text=_("Nothing younger is taken as garbage."))
    trash_days = models.PositiveIntegerField(default=14, help_text=_("How long a cleanup can be undone."))
    pull_name = models.CharField(
        max_length=300,
        blank=True,
        help_text=_("How clients name it: what stands before the repository in docker pull."),
    )
    verify_depth = models.CharField(
        max_length=8,
        choices=[
            ("sizes", _("sizes only")),
            ("sampled", _("sizes, and read a sample")),
            ("full", _("read everything")),
        ],
        default="sizes",
        help_text=_("How closely everything that stays is looked at after a cleanup."),
    )
    protection = models.TextField(
        blank=True, help_text=_("What no policy may delete here: the protect rules of a policy, as YAML.")
    )
    in_use_places = models.TextField(
        blank=True,
        help_text=_(
            "Who runs images of this registry, one a line: docker:, docker:tcp://HOST:PORT, kubernetes:, "
            "kubernetes:https://HOST."
        ),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_scan = models.ForeignKey("Scan", null=True, editable=False, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["title", "slug"]
        verbose_name_plural = _("registries")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(run_on_approval=False)
                | ~models.Q(control_statement="")
                | ~models.Q(control="stated"),
                name="registry_runs_on_approval_only_under_control",
                violation_error_message=_("Say why nobody can push or pull before cleanups may start by themselves."),
            ),
            models.CheckConstraint(condition=models.Q(required_approvals__gte=1), name="registry_needs_an_approval"),
        ]

    @property
    def needs_control(self) -> bool:
        """Tell whether a cleanup works behind the registry's back, so that pushes and pulls must be under control."""
        return self.kind.startswith("storage") or self.kind == "oci-layout"

    @property
    def pull_prefix(self) -> str:
        """Return what stands before a repository's name when clients pull, with its slash; empty when unknown."""
        host = self.pull_name
        if not host and self.source.startswith(("https://", "http://")):
            host = self.source.partition("://")[2].partition("/")[0]
        return f"{host}/" if host else ""

    @property
    def sees_to_control(self) -> bool:
        """Tell whether the run itself brings the registry under control; otherwise a person says how it is."""
        return self.needs_control and self.control != self.Control.STATED

    @property
    def collects(self) -> bool:
        """Tell whether the registry's own garbage collection removes the blobs: then nothing can be undone."""
        return self.registry_collects and self.kind == "storage-v2" and self.control == self.Control.DOCKER

    @property
    def can_be_scrubbed(self) -> bool:
        """Tell whether `prune.scrub.scrub.scrub` can look for damage in it."""
        return self.kind.startswith("storage") or self.kind in ("registry-v2", "oci-layout")

    @property
    def cannot_clean(self) -> bool:
        """Tell whether the registry was seen to let nothing be deleted."""
        return any(one["has"] is False for one in self.abilities if one["name"] in ("write", "delete"))

    def __str__(self) -> str:
        return self.title
