"""One image: what it is made of, who shares it, where it is."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registryui.models import Manifest, ManifestSighting, TagSighting
from registryui.permissions import VIEW, requires
from registryui.services import images as service
from registryui.views.registries import of_slug


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str, digest: str) -> HttpResponse:
    """The page of an image, index or artifact, by its digest or V1 id."""
    registry = of_slug(slug)
    tags = TagSighting.objects.filter(repository__registry=registry, digest=digest, ended_at=None)
    served = ManifestSighting.objects.filter(repository__registry=registry, digest=digest, ended_at=None)
    facts = service.describe(registry, digest)
    manifest = Manifest.objects.filter(digest=digest).first()
    if facts is None and manifest is None:
        raise Http404
    context = {
        "registry": registry,
        "digest": digest,
        "manifest": manifest,
        "facts": facts,
        "tags": tags.select_related("repository").order_by("repository__name", "tag")[:500],
        "served": served.select_related("repository").order_by("repository__name")[:500],
    }
    return render(request, "image.html", context)
