"""Registries: the first page, one registry, adding and changing, scanning."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from prune.model.errors import PruneError
from prune.policy.protection import parse_protection
from prune.sources.in_use.open import open_in_use
from prune.sources.registry_v2.client import CONCURRENCY
from prune.sources.registry_v2.source import parse_repositories
from registryui.models import Registry, Repository, Scan
from registryui.permissions import MANAGE, PROPOSE, VIEW, requires
from registryui.secrets import encrypt
from registryui.services import control, in_use, policies, scans, selection
from registryui.services import registries as service
from registryui.services.errors import NotNow
from registryui.views.place import PlaceForm
from registryui.views.table import Column, Table, page_of
from registryui.views.user import person

#: Settings for a registry's API, besides those of its place.
API = ("chosen_repositories", "client_certificate", "new_client_key", "allowed_hosts", "concurrency")
#: Beside those that begin with ``control``.
ABOUT_CONTROL = ("window_minutes", "registry_collects", "cache_url", "new_cache_password")


class RegistryForm(PlaceForm, forms.ModelForm[Registry]):
    """A registry as its operator describes it. The password is only ever written."""

    new_password = forms.CharField(
        label="Password or token",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown. Leave it empty to keep the one that is there.",
    )

    new_client_key = forms.CharField(
        label="Key of the client certificate",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "code"}),
        help_text="In PEM, without a password. Kept encrypted and never shown; empty keeps the one that is there.",
    )
    new_cache_password = forms.CharField(
        label="Password of Redis",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown. Leave it empty to keep the one that is there.",
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
            "slug": "Short name",
            "source": "Address",
            "pull_name": "Name in docker pull",
            "username": "User name",
            "token_realm": "Token server on another host",
            "ca_certificate": "CA certificate",
            "client_certificate": "Client certificate",
            "chosen_repositories": "Repositories",
            "allowed_hosts": "Other hosts with its content",
            "concurrency": "Requests at a time",
            "protection": "Protected from every policy",
            "in_use_places": "What runs here is asked of",
            "control": "While things move",
            "control_statement": "Why nobody can push or pull",
            "control_container": "Container",
            "control_mode": "It is",
            "control_engine": "Docker Engine",
            "control_url": "Where the registry answers",
            "control_commands": "Commands",
            "registry_collects": "The registry's own garbage collection removes the blobs",
            "window_minutes": "Longest time (minutes)",
            "cache_url": "Its cache in Redis",
            "run_on_approval": "Start when approved",
            "required_approvals": "Approvals needed",
            "grace_hours": "Grace (hours)",
            "trash_days": "Undo possible for (days)",
            "verify_depth": "Verification after a cleanup",
        }
        help_texts = {
            "protection": "YAML: protect: [{tag: latest}, {in_use: true}]. Rules as in a policy; all obey it.",
            "in_use_places": "One a line: docker: or docker:tcp://HOST:PORT, kubernetes: or kubernetes:https://HOST. "
            "What cannot be asked, or was long ago, is taken as in use by rules with in_use.",
            "slug": "Used in addresses.",
            "username": "Or <token>, when what follows is an identity token.",
            "run_on_approval": "Otherwise an admin starts each cleanup.",
            "control_statement": "Stands for every run; goes on the record. Empty: whoever starts one says it then.",
            "control_container": "Its name, or a label of it: label=KEY or label=KEY=VALUE.",
            "control_engine": "unix:///path or tcp://HOST:PORT; empty for the engine of the worker's machine. "
            "Whoever may speak to an engine is master of its machine: the worker then is.",
            "control_url": "http(s)://HOST[:PORT], where a push is tried. A container is found without it if its own "
            "addresses can be reached.",
            "control_commands": "YAML: stop: [program, argument, …], start: […], and if you like check: […] (exit "
            "code 0 when nobody can push) and seconds: 60. No shell reads them; they run as the worker does.",
            "cache_url": "redis://[USER@]HOST[:PORT][/NUMBER], if the registry keeps one: what it knows of blobs is "
            "cleared before it comes back.",
            "registry_collects": "It is tried first, and not run when it would remove anything besides the plan. "
            "What it removed cannot be brought back. Otherwise blobs go to the trash, and can be.",
            "window_minutes": "After it the cleanup pauses, the registry comes back, and the cleanup can be gone on "
            "with another time.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fill(self.instance.source)
        for name in ("control", "control_mode", "window_minutes", "verify_depth", "concurrency"):
            self.fields[name].required = False  # left out it is the default
        if not settings.ALLOW_COMMANDS and self.instance.control != Registry.Control.COMMAND:
            choices = [choice for choice in Registry.Control.choices if choice[0] != Registry.Control.COMMAND]
            self.fields["control"] = forms.ChoiceField(choices=choices, required=False, label="While things move")

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
            raise forms.ValidationError(str(error)) from None
        return text

    def clean_in_use_places(self) -> str:
        """Check that each line is a place that can be asked."""
        places = list(dict.fromkeys(self.cleaned_data["in_use_places"].split()))
        for place in places:
            try:
                open_in_use(place)
            except PruneError as error:
                raise forms.ValidationError(str(error)) from None
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
            self.add_error(field.get(chosen.control, "control"), str(error))
        try:
            control.cache_of(Registry(cache_url=cleaned.get("cache_url") or ""))
        except PruneError as error:
            self.add_error("cache_url", str(error))
        return cleaned

    def clean_chosen_repositories(self) -> str:
        """Check that each name can be one."""
        try:
            parse_repositories(self.cleaned_data["chosen_repositories"])
        except PruneError as error:
            raise forms.ValidationError(str(error)) from None
        return str(self.cleaned_data["chosen_repositories"])

    def clean_concurrency(self) -> int:
        """Left out it is the default."""
        return self.cleaned_data["concurrency"] or CONCURRENCY

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


def of_slug(slug: str) -> Registry:
    """Return a registry with its last scan, or a 404."""
    return get_object_or_404(Registry.objects.select_related("last_scan"), slug=slug)


@require_GET
@requires(VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """All registries."""
    rows = Registry.objects.select_related("last_scan").defer("last_scan__problems")
    page = page_of(rows, request)
    open_scans = set(Scan.objects.filter(state__in=["queued", "running"]).values_list("registry_id", flat=True))
    cards = [{"registry": row, "scanning": row.pk in open_scans, "share": _share(row)} for row in page]
    return render(request, "registries.html", {"cards": cards, "page": page})


def _share(registry: Registry) -> dict[str, Any] | None:
    """Return how much of a registry nothing references, for the bar."""
    summary = registry.last_scan.summary if registry.last_scan else None
    if not summary or not summary.get("bytes"):
        return None
    loose = summary["unreferenced_bytes"] or 0
    return {"loose": loose, "percent": max(1, round(100 * loose / summary["bytes"])) if loose else 0}


REPOSITORY_COLUMNS = {
    "name": Column("name", "Repository"),
    "tags": Column("tags", "Tags", number=True),
    "untagged": Column("untagged", "Untagged", number=True),
    "total": Column("bytes_total", "Size", number=True),
    "exclusive": Column("bytes_exclusive", "Only here", number=True),
    "pushed": Column("last_push", "Last push", number=True),
}


REPOSITORY_FILTERS = {"incomplete": Q(complete=False), "untagged": Q(untagged__gt=0), "empty": Q(tags=0)}
REPOSITORY_CHOICES = {"incomplete": "incomplete", "untagged": "with untagged manifests", "empty": "without tags"}
#: Namespaces offered to choose from; with more than this the search is the quicker way.
MOST_NAMESPACES = 200


def repositories_table(request: HttpRequest, registry: Registry) -> Table:
    """Return the table of a registry's repositories as the address asks for it."""
    rows: QuerySet[Repository] = Repository.objects.filter(registry=registry, ended_at=None)
    if within := request.GET.get("in", ""):
        rows = rows.filter(Q(namespace=within) | Q(namespace__startswith=f"{within}/"))
    return Table(request, rows, REPOSITORY_COLUMNS, search=["name"], default="name", filters=REPOSITORY_FILTERS)


def ticks(request: HttpRequest, registry: Registry, shown: list[str], state: str) -> dict[str, Any]:
    """Return what a table with boxes needs: which of ``shown`` are ticked, how many there are in all, and the state
    of the table for whoever wants every row of it."""
    if not request.user.has_perm(PROPOSE):
        return {}
    user = person(request)
    return {
        "ticked": selection.among(user, registry, shown),
        "selected": selection.rows(user, registry).count(),
        "state": f"?{state}",
    }


def _namespaces(registry: Registry) -> list[dict[str, Any]]:
    """Return the namespaces with their numbers of repositories and tags and the bytes that only they need."""
    rows = Repository.objects.filter(registry=registry, ended_at=None)
    named = rows.exclude(namespace="").values("namespace").order_by("namespace")
    found = named.annotate(repositories=Count("pk"), tagged=Sum("tags"), exclusive=Sum("bytes_exclusive"))
    return [dict(row) for row in found[:MOST_NAMESPACES]]


def _ruled(registry: Registry) -> dict[str, Any]:
    """Return the policies that are for a registry, and who is asked what runs from it."""
    places = in_use.places_of(registry)
    doubt = any(not place.complete or place.stale for place in places)
    return {"places": places, "places_in_doubt": doubt, "policies": policies.policies_of(registry)}


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One registry: its repositories and what is wrong with it."""
    registry = of_slug(slug)
    table = repositories_table(request, registry)
    context = {
        "registry": registry,
        "table": table,
        "filters": REPOSITORY_CHOICES,
        "within": request.GET.get("in", ""),
        "namespaces": _namespaces(registry),
        **ticks(request, registry, [row.name for row in table], request.GET.urlencode()),
        "scan": Scan.objects.filter(registry=registry).first(),
        "share": _share(registry),
        **_ruled(registry),
    }
    return render(request, "registry.html", context)


@require_GET
@requires(VIEW)
def scan_state(request: HttpRequest, slug: str) -> HttpResponse:
    """How far the newest scan is, for the page to swap in."""
    registry = of_slug(slug)
    scan = Scan.objects.filter(registry=registry).first()
    response = render(request, "registry.html#scan", {"registry": registry, "scan": scan})
    if scan is not None and not scan.open and request.GET.get("was") == "open":
        response["HX-Refresh"] = "true"
    return response


@require_POST
@requires(VIEW)
def scan(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a scan."""
    scans.request(person(request), of_slug(slug))
    return redirect("registry", slug)


@require_POST
@requires(MANAGE)
def looked_after(request: HttpRequest, slug: str) -> HttpResponse:
    """Say that a registry which did not come back runs as it should."""
    try:
        control.looked_after(person(request), of_slug(slug))
        messages.success(request, "It is on the record that this registry runs as it should.")
    except NotNow as error:
        messages.error(request, str(error))
    return redirect("registry", slug)


@requires(MANAGE)
def add(request: HttpRequest) -> HttpResponse:
    """Add a registry."""
    return _edit(request, Registry(), "Add a registry")


@requires(MANAGE)
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Change a registry."""
    return _edit(request, of_slug(slug), "Change this registry")


def _edit(request: HttpRequest, registry: Registry, title: str) -> HttpResponse:
    new = registry.pk is None
    form = RegistryForm(request.POST or None, instance=registry)
    if request.method == "POST" and form.is_valid():
        form.save_secrets()
        try:
            if "check" in request.POST:
                messages.success(request, service.check(form.instance)[2])
                if form.instance.control != Registry.Control.STATED or form.instance.cache_url:
                    messages.success(request, service.check_control(form.instance))
            else:
                actor = person(request)
                saved = service.add(actor, form.instance) if new else service.change(actor, form.instance)
                scans.request(actor, saved)
                return redirect("registry", saved.slug)
        except NotNow as error:
            form.add_error("source", str(error))
    return render(
        request, "registry_form.html", {"form": form, "title": title, "registry": None if new else registry}
    )
