"""The token of a cluster that is asked what runs from a registry."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from registryui.models import InUsePlace
from registryui.permissions import MANAGE, requires
from registryui.services import in_use
from registryui.services.errors import NotNow
from registryui.views.user import person


@sensitive_post_parameters("token")
@require_POST
@requires(MANAGE)
def let_in(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Keep a token; it is never shown again."""
    place = get_object_or_404(InUsePlace.objects.select_related("registry"), pk=pk, registry__slug=slug)
    try:
        in_use.let_in(person(request), place, request.POST.get("token", ""), request.POST.get("ca_certificate", ""))
        messages.success(request, _("It is asked with this token from now on."))
    except NotNow as error:
        messages.error(request, error.told)
    return redirect("registry", slug)
