"""Runs: how far, what came of it, undo; and the trash."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from registryui.models import Run
from registryui.permissions import CLEAN_UP, EMPTY_TRASH, RESTORE, VIEW, requires
from registryui.services import runs as service
from registryui.services.errors import NotNow, told
from registryui.views.table import PER_PAGE
from registryui.views.user import person


def of_number(pk: int) -> Run:
    """Return a run with what its page needs, or a 404."""
    rows = Run.objects.select_related("registry", "proposal", "plan", "parent", "started_by")
    return get_object_or_404(rows, pk=pk)


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run."""
    run = of_number(pk)
    return render(request, "run.html", {"run": run, "followers": run.followers.all(), "registry": run.registry})


@require_GET
@requires(VIEW)
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, for the page to swap in; the whole page anew when it has ended."""
    run = of_number(pk)
    response = render(request, "run.html#progress", {"run": run, "registry": run.registry})
    if not run.open:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@requires(CLEAN_UP)
def call_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a run out of the queue before it begins."""
    try:
        service.call_off(person(request), of_number(pk))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("run", pk)


@require_POST
@requires(RESTORE)
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a cleanup."""
    try:
        return redirect("run", service.restore(person(request), of_number(pk)).pk)
    except NotNow as error:
        messages.error(request, told(error))
        return redirect("run", pk)


@require_POST
@requires(EMPTY_TRASH)
def empty(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the bytes back for good."""
    try:
        return redirect("run", service.empty(person(request), of_number(pk)).pk)
    except NotNow as error:
        messages.error(request, told(error))
        return redirect("run", pk)


@require_POST
@requires(EMPTY_TRASH)
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Take note of what a verification did not find."""
    try:
        service.accept(person(request), of_number(pk), request.POST.get("reason", ""), request.POST.get("seen", ""))
    except NotNow as error:
        messages.error(request, told(error))
    return redirect("run", pk)


@require_GET
@requires(VIEW)
def trash(request: HttpRequest) -> HttpResponse:
    """What can still be undone."""
    rows = Run.objects.filter(kind="apply", trash="held").select_related("registry", "proposal", "started_by")
    held = rows.aggregate(total=Sum("freed_bytes"))["total"] or 0
    page = Paginator(rows.order_by("trash_until", "pk"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "trash.html", {"page": page, "held": held})
