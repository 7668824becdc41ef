"""A proposal that is being worked out, until it is there."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from registryui.models import Draft
from registryui.permissions import PROPOSE, requires


def _of_number(slug: str, pk: int) -> Draft:
    return get_object_or_404(Draft.objects.select_related("registry"), registry__slug=slug, pk=pk)


@require_GET
@requires(PROPOSE)
def detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """How far it is; the proposal as soon as there is one."""
    draft = _of_number(slug, pk)
    if draft.proposal_id is not None:
        return redirect("proposal", draft.proposal_id)
    return render(request, "draft.html", {"draft": draft, "registry": draft.registry})


@require_GET
@requires(PROPOSE)
def progress(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """How far it is, for the page to swap in; then on to the proposal."""
    draft = _of_number(slug, pk)
    response = render(request, "draft.html#progress", {"draft": draft, "registry": draft.registry})
    if draft.proposal_id is not None:
        response["HX-Redirect"] = reverse("proposal", args=[draft.proposal_id])
    elif not draft.open:
        response["HX-Refresh"] = "true"
    return response
