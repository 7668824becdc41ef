"""What a person has selected in a registry: kept across pages, shown, and taken back. Works without JavaScript."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from registryui.models import Registry
from registryui.permissions import PROPOSE, requires
from registryui.services import selection as service
from registryui.services.errors import NotNow, told
from registryui.services.plans import MOST_REFERENCES
from registryui.views.registries import of_slug, repositories_table
from registryui.views.repositories import of_name, rows_table
from registryui.views.table import page_of
from registryui.views.user import person


@require_http_methods(["GET", "POST"])
@requires(PROPOSE)
def selection(request: HttpRequest, slug: str) -> HttpResponse:
    """What is selected; or, posted, what a page shows and which of it is ticked."""
    registry = of_slug(slug)
    user = person(request)
    if request.method == "POST":
        try:
            _change(request, registry)
        except NotNow as error:
            messages.error(request, told(error))
        if request.headers.get("HX-Request") == "true":
            context = {"registry": registry, "selected": service.rows(user, registry).count()}
            return render(request, "_selected.html", context)
        return redirect(back(request, slug))
    page = page_of(service.rows(user, registry), request)
    return render(request, "selection.html", {"registry": registry, "page": page})


def _change(request: HttpRequest, registry: Registry) -> None:
    user = person(request)
    ticked = request.POST.getlist("ref")
    match request.POST.get("do", ""):
        case "clear":
            service.clear(user, registry)
        case "remove":
            service.rows(user, registry).filter(ref__in=ticked).delete()
        case "every":
            # Everything that the table behind the form holds, on all its pages: its state stands in the address.
            service.add(user, registry, _matching(request, registry))
        case _:
            service.settle(user, registry, request.POST.getlist("shown"), ticked)


def _matching(request: HttpRequest, registry: Registry) -> list[str]:
    name = request.GET.get("repository", "")
    if not name:
        names = repositories_table(request, registry).rows.filter(complete=True)
        return list(names.values_list("name", flat=True)[: MOST_REFERENCES + 1])
    repository = of_name(registry, name)
    if not repository.complete:
        raise NotNow("This repository could not be read completely, so nothing of it can be deleted.")
    bare = request.GET.get("tab") == "untagged"
    rows = rows_table(request, repository, "untagged" if bare else "tags").rows
    column, sign = ("digest", "@") if bare else ("tag", ":")
    found = rows.values_list(column, flat=True)[: MOST_REFERENCES + 1]
    return [f"{repository.name}{sign}{one}" for one in found]


def back(request: HttpRequest, slug: str) -> str:
    """Return where a form wants to go: a page of its table, or where it came from; never another site."""
    came_from = request.POST.get("next", "")
    if not came_from or not url_has_allowed_host_and_scheme(came_from, allowed_hosts={request.get_host()}):
        return reverse("registry", args=[slug]) if slug else reverse("proposals")
    go = request.POST.get("go", "")
    return came_from.partition("?")[0] + go if go.startswith("?") else came_from
