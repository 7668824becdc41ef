"""One image: what it is made of, who shares it, where it is."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from registryui.models import Image, ManifestSighting, Registry, TagSighting
from registryui.permissions import VIEW, requires
from registryui.services import comparison, contents, documents
from registryui.services import images as service
from registryui.services.errors import NotNow, told
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
    if request.GET.get("tab") == "inside" and facts is not None:
        context = {"registry": registry, "digest": digest, "image": image, "facts": facts, "tab": "inside"}
        return render(request, "image_inside.html", context | _inside(registry, facts))
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


def _inside(registry: Registry, facts: service.Description) -> dict[str, object]:
    """Return what is written inside: how an image was built and runs, or what an attached document says."""
    digest = facts.image.digest
    try:
        if facts.image.purpose or (facts.image.subject and facts.image.kind == "image"):
            manifest = contents.of_digests([digest])[digest].manifest
            return {"statement": documents.statement(registry, manifest)} if manifest else {}
        if facts.image.kind == "index":
            return {"trouble": "An index only names images; each of them says for itself how it was built."}
        build = documents.build(registry, digest, facts.config)
    except NotNow as error:
        return {"trouble": told(error)}
    sizes = [layer.size for layer in facts.layers]
    steps = [
        {"step": step, "size": sizes[step.layer] if step.layer is not None and step.layer < len(sizes) else None}
        for step in build.steps
    ]
    return {"build": build, "steps": steps}


@require_GET
@requires(VIEW)
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Two images beside each other; each named by a digest or as ``repository:tag``."""
    registry = of_slug(slug)
    left, right = (request.GET.get(key, "").strip()[:500] for key in ("a", "b"))
    context: dict[str, object] = {"registry": registry, "left": left, "right": right}
    if left and right:
        try:
            found = [comparison.find(registry, text) for text in (left, right)]
            context["comparison"] = comparison.compare(registry, *found)
        except NotNow as error:
            context["trouble"] = told(error)
    return render(request, "compare.html", context)
