"""The form of a registry: its names, its place, its API, its rules, and what keeps pushes out while things move."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from prune.model.errors import PruneError
from prune.policy.protection import parse_protection
from prune.sources.in_use.open import open_in_use
from prune.sources.registry_v2.client import CONCURRENCY
from prune.sources.registry_v2.source import parse_repositories
from registryui.models import Registry
from registryui.secrets import encrypt
from registryui.services import control
from registryui.services import registries as service
from registryui.services.errors import told
from registryui.views.place import PlaceForm

#: Settings for a registry's API, besides those of its place.
API = ("chosen_repositories", "client_certificate", "new_client_key", "allowed_hosts", "concurrency")
#: Beside those that begin with ``control``.
ABOUT_CONTROL = ("window_minutes", "registry_collects", "cache_url", "new_cache_password")


class RegistryForm(PlaceForm, forms.ModelForm[Registry]):
    """A registry as its operator describes it. The password is only ever written."""

    new_password = forms.CharField(
        label=_("Password or token"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Kept encrypted and never shown. Leave it empty to keep the one that is there."),
    )

    new_client_key = forms.CharField(
        label=_("Key of the client certificate"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "code"}),
        help_text=_("In PEM, without a password. Kept encrypted and never shown; empty keeps the one that is there."),
    )
    new_cache_password = forms.CharField(
        label=_("Password of Redis"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Kept encrypted and never shown. Leave it empty to keep the one that is there."),
    )

    class Meta:
        model = Registry
        fields = [
            "title",
            "slug",
            "source",
            "pull_name",
            "username",
            "new_password",
            "token_realm",
            "ca_certificate",
            "client_certificate",
            "new_client_key",
            "chosen_repositories",
            "allowed_hosts",
            "concurrency",
            "run_on_approval",
            "required_approvals",
            "grace_hours",
            "trash_days",
            "protection",
            "in_use_places",
            "control",
            "control_statement",
            "control_container",
            "control_mode",
            "control_engine",
            "control_url",
            "control_commands",
            "registry_collects",
            "window_minutes",
            "cache_url",
            "new_cache_password",
            "verify_depth",
        ]
        widgets = {
            "protection": forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "code"}),
            "in_use_places": forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "code"}),
            "control_statement": forms.Textarea(attrs={"rows": 3}),
            "control_commands": forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "code"}),
            "ca_certificate": forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "code"}),
            "client_certificate": forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "code"}),
            "chosen_repositories": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            "allowed_hosts": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "username": forms.TextInput(attrs={"autocomplete": "off"}),
        }
        labels = {
            "title": _("Title"),
            "slug": _("Short name"),
            "source": _("Address"),
            "pull_name": _("Name in docker pull"),
            "username": _("User name"),
            "token_realm": _("Token server on another host"),
            "ca_certificate": _("CA certificate"),
            "client_certificate": _("Client certificate"),
            "chosen_repositories": _("Repositories"),
            "allowed_hosts": _("Other hosts with its content"),
            "concurrency": _("Requests at a time"),
            "protection": _("Protected from every policy"),
            "in_use_places": _("What runs here is asked of"),
            "control": _("While things move"),
            "control_statement": _("Why nobody can push or pull"),
            "control_container": _("Container"),
            "control_mode": _("It is"),
            "control_engine": _("Docker Engine"),
            "control_url": _("Where the registry answers"),
            "control_commands": _("Commands"),
            "registry_collects": _("The registry's own garbage collection removes the blobs"),
            "window_minutes": _("Longest time (minutes)"),
            "cache_url": _("Its cache in Redis"),
            "run_on_approval": _("Start when approved"),
            "required_approvals": _("Approvals needed"),
            "grace_hours": _("Grace (hours)"),
            "trash_days": _("Undo possible for (days)"),
            "verify_depth": _("Verification after a cleanup"),
        }
        help_texts = {
            "protection": _("YAML: protect: [{tag: latest}, {in_use: true}]. Rules as in a policy; all obey it."),
            "in_use_places": _(
                "One a line: docker: or docker:tcp://HOST:PORT, kubernetes: or kubernetes:https://HOST. "
                "What cannot be asked, or was long ago, is taken as in use by rules with in_use."
            ),
            "slug": _("Used in addresses."),
            "username": _("Or <token>, when what follows is an identity token."),
            "run_on_approval": _("Otherwise an admin starts each cleanup."),
            "control_statement": _(
                "Stands for every run; goes on the record. Empty: whoever starts one says it then."
            ),
            "control_container": _("Its name, or a label of it: label=KEY or label=KEY=VALUE."),
            "control_engine": _(
                "unix:///path or tcp://HOST:PORT; empty for the engine of the worker's machine. "
                "Whoever may speak to an engine is master of its machine: the worker then is."
            ),
            "control_url": _(
                "http(s)://HOST[:PORT], where a push is tried. A container is found without it if its own "
                "addresses can be reached."
            ),
            "control_commands": _(
                "YAML: stop: [program, argument, …], start: […], and if you like check: […] (exit "
                "code 0 when nobody can push) and seconds: 60. No shell reads them; they run as the worker does."
            ),
            "cache_url": _(
                "redis://[USER@]HOST[:PORT][/NUMBER], if the registry keeps one: what it knows of blobs is "
                "cleared before it comes back."
            ),
            "registry_collects": _(
                "It is tried first, and not run when it would remove anything besides the plan. "
                "What it removed cannot be brought back. Otherwise blobs go to the trash, and can be."
            ),
            "window_minutes": _(
                "After it the cleanup pauses, the registry comes back, and the cleanup can be gone on "
                "with another time."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fill(self.instance.source)
        for name in ("control", "control_mode", "window_minutes", "verify_depth", "concurrency"):
            self.fields[name].required = False  # left out it is the default
        if not settings.ALLOW_COMMANDS and self.instance.control != Registry.Control.COMMAND:
            choices = [choice for choice in Registry.Control.choices if choice[0] != Registry.Control.COMMAND]
            self.fields["control"] = forms.ChoiceField(choices=choices, required=False, label=_("While things move"))

    def general(self) -> list[forms.BoundField]:
        """Return the fields that are about neither names nor the place nor its API nor control."""
        others = ("title", "slug", *self.shown, *API)
        return [field for field in self if field.name not in others and not _about_control(field)]

    def naming(self) -> list[forms.BoundField]:
        """Return the fields that come first: what it is called."""
        return [self["title"], self["slug"]]

    def about_api(self) -> list[forms.BoundField]:
        """Return the fields about a registry's API that are seldom needed."""
        return [self[name] for name in API]

    def about_control(self) -> list[forms.BoundField]:
        """Return the fields about control."""
        return [field for field in self if _about_control(field)]

    def clean_control(self) -> str:
        """Left out it is the default; what is empty would not be checked against the others."""
        return self.cleaned_data["control"] or str(Registry.Control.STATED)

    def clean_protection(self) -> str:
        """Check that it says what is protected, and nothing else."""
        text = str(self.cleaned_data["protection"]).replace("\r\n", "\n")
        try:
            if text.strip():
                parse_protection(text)
        except PruneError as error:
            raise forms.ValidationError(told(error)) from None
        return text

    def clean_in_use_places(self) -> str:
        """Check that each line is a place that can be asked."""
        places = list(dict.fromkeys(self.cleaned_data["in_use_places"].split()))
        for place in places:
            try:
                open_in_use(place)
            except PruneError as error:
                raise forms.ValidationError(told(error)) from None
        return "\n".join(places)

    def clean(self) -> dict[str, Any]:
        """Check that the settings of the chosen control mean something."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.put_together(cleaned)
        chosen = Registry(**{name: cleaned.get(name) or "" for name in service.CONTROL}, pk=self.instance.pk)
        field = {"docker": "control_container", "probe": "control_url", "command": "control_commands"}
        try:
            control.control_of(chosen)
        except PruneError as error:
            self.add_error(field.get(chosen.control, "control"), told(error))
        try:
            control.cache_of(Registry(cache_url=cleaned.get("cache_url") or ""))
        except PruneError as error:
            self.add_error("cache_url", told(error))
        return cleaned

    def clean_chosen_repositories(self) -> str:
        """Check that each name can be one."""
        try:
            parse_repositories(self.cleaned_data["chosen_repositories"])
        except PruneError as error:
            raise forms.ValidationError(told(error)) from None
        return str(self.cleaned_data["chosen_repositories"])

    def clean_concurrency(self) -> int:
        """Left out it is the default."""
        return self.cleaned_data["concurrency"] or CONCURRENCY

    def troubles(self) -> list[tuple[str, str]]:
        """Return what is wrong, each with the name of its field; those of the place speak for themselves."""
        return [
            ("" if field.name in self.shown else str(field.label), str(error))
            for field in self
            for error in field.errors
        ]

    def retype(self) -> bool:
        """Tell whether something was typed that is not sent back with the form."""
        return any(self.data.get(name) for name in self.fields if name.startswith("new_"))

    def save_secrets(self) -> None:
        """Put a new password and a new key, encrypted, onto the registry; without a certificate there is no key."""
        if self.cleaned_data["new_password"]:
            self.instance.password = encrypt(self.cleaned_data["new_password"])
        if self.cleaned_data["new_client_key"]:
            self.instance.client_key = encrypt(self.cleaned_data["new_client_key"])
        if not self.instance.client_certificate.strip():
            self.instance.client_key = ""
        if self.cleaned_data["new_cache_password"]:
            self.instance.cache_password = encrypt(self.cleaned_data["new_cache_password"])


def _about_control(field: forms.BoundField) -> bool:
    return field.name.startswith("control") or field.name in ABOUT_CONTROL
