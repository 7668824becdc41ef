"""One image: what it is made of, who shares it, where it is."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registryui.models import Image, ManifestSighting, TagSighting
from registryui.permissions import VIEW, requires
from registryui.services import images as service
from registryui.views.registries import of_slug

#: Tags and repositories named on the page of an image.
MOST_PLACES = 200


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str, digest: str) -> HttpResponse:
    """The page of an image, index or artifact, by its digest or V1 id."""
    registry = of_slug(slug)
    facts = service.describe(registry, digest)
    image = facts.image if facts else Image.objects.filter(registry=registry, digest=digest).first()
    if image is None:
        raise Http404
    tags = TagSighting.objects.filter(repository__registry=registry, digest=digest).select_related("repository")
    bare = ManifestSighting.objects.filter(
        repository__registry=registry, digest=digest, ended_at=None, untagged_since__isnull=False
    )
    context = {
        "registry": registry,
        "digest": digest,
        "image": image,
        "facts": facts,
        "tags": tags.filter(ended_at=None).order_by("repository__name", "tag")[:MOST_PLACES],
        "earlier": tags.filter(ended_at__isnull=False).order_by("-ended_at", "pk")[:MOST_PLACES],
        "untagged": bare.select_related("repository").order_by("repository__name")[:MOST_PLACES],
    }
    return render(request, "image.html", context)
