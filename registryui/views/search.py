"""Search across registries."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registryui.permissions import VIEW, requires
from registryui.services import images
from registryui.services import search as service


@require_GET
@requires(VIEW)
def search(request: HttpRequest) -> HttpResponse:
    """What a few characters find in every registry."""
    q = request.GET.get("q", "").strip()[:200]
    if not q:
        return render(request, "search.html", {"q": ""})
    found = service.search(q)
    shown = [*found.images.rows, *(label.image for label in found.labels.rows)]
    names = images.names_of({image.registry_id for image in shown}, {image.digest for image in shown})
    context = {"q": q, "found": found, "names": names, "most": service.MOST_COUNTED}
    return render(request, "search.html", context)
