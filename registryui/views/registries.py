"""Registries: the first page, one registry, adding and changing, scanning."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from registryui.models import Registry, Repository, Scan
from registryui.permissions import MANAGE, VIEW, requires
from registryui.secrets import encrypt
from registryui.services import registries as service
from registryui.services import scans
from registryui.services.errors import NotNow
from registryui.views.table import Column, Table, page_of
from registryui.views.user import person


class RegistryForm(forms.ModelForm[Registry]):
    """A registry as its operator describes it. The password is only ever written."""

    new_password = forms.CharField(
        label="Password or token",
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
            "control_statement",
            "run_on_approval",
            "required_approvals",
            "grace_hours",
            "trash_days",
        ]
        widgets = {
            "control_statement": forms.Textarea(attrs={"rows": 3}),
            "ca_certificate": forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
            "username": forms.TextInput(attrs={"autocomplete": "off"}),
        }
        labels = {
            "slug": "Short name",
            "source": "Source",
            "pull_name": "Name in docker pull",
            "username": "User name",
            "token_realm": "Token server on another host",
            "ca_certificate": "CA certificate",
            "control_statement": "Control of pushes and pulls",
            "run_on_approval": "Start when approved",
            "required_approvals": "Approvals needed",
            "grace_hours": "Grace (hours)",
            "trash_days": "Undo possible for (days)",
        }
        help_texts = {
            "slug": "Used in addresses.",
            "source": "https://registry.example.com, https://registry.example.com/repository, or storage:/path",
            "run_on_approval": "Otherwise an admin starts each cleanup.",
        }

    def save_password(self) -> None:
        """Put a new password, encrypted, onto the registry."""
        if self.cleaned_data["new_password"]:
            self.instance.password = encrypt(self.cleaned_data["new_password"])


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


def _namespaces(rows: QuerySet[Repository]) -> list[dict[str, Any]]:
    """Return the namespaces with their numbers of repositories and tags and the bytes that only they need."""
    named = rows.exclude(namespace="").values("namespace").order_by("namespace")
    found = named.annotate(repositories=Count("pk"), tagged=Sum("tags"), exclusive=Sum("bytes_exclusive"))
    return [dict(row) for row in found[:MOST_NAMESPACES]]


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """One registry: its repositories and what is wrong with it."""
    registry = of_slug(slug)
    rows: QuerySet[Repository] = Repository.objects.filter(registry=registry, ended_at=None)
    namespaces = _namespaces(rows)
    within = request.GET.get("in", "")
    if within:
        rows = rows.filter(Q(namespace=within) | Q(namespace__startswith=f"{within}/"))
    context = {
        "registry": registry,
        "table": Table(
            request, rows, REPOSITORY_COLUMNS, search=["name"], default="name", filters=REPOSITORY_FILTERS
        ),
        "filters": REPOSITORY_CHOICES,
        "within": within,
        "namespaces": namespaces,
        "scan": Scan.objects.filter(registry=registry).first(),
        "share": _share(registry),
        "kind": service.KINDS.get(registry.kind, registry.kind),
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
        form.save_password()
        try:
            if "check" in request.POST:
                messages.success(request, service.check(form.instance)[2])
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
