"""Reading configs and attached documents: from the registry once, afterwards from the database."""

import zlib

from prune.model.build import Build
from prune.model.errors import PruneError, Unreadable
from prune.model.manifest import MAX_CONFIG_BYTES, Manifest
from prune.model.statement import MAX_STATEMENT_BYTES, Statement, read_statement
from prune.sources.base import ByImage, ByRepository
from registryui.models import Document, ManifestSighting, Registry, TagSighting
from registryui.services.access import open_registry
from registryui.services.errors import NotNow

#: Documents up to this many bytes are kept; larger ones are read anew each time.
MOST_KEPT = 4 * 1024 * 1024


def build(registry: Registry, digest: str, config: str) -> Build:
    """Return how the image ``digest`` was built and runs, by its ``config`` (empty in V1, where it lies beside the
    image); raise ``NotNow`` with why that cannot be read."""
    try:
        return Build.parse(_read(registry, digest, config, MAX_CONFIG_BYTES))
    except Unreadable as error:
        raise NotNow("Its config %(error)s.", error=error) from None


def statement(registry: Registry, manifest: Manifest) -> Statement:
    """Return what an attached artifact says; raise ``NotNow`` when it cannot be read."""
    if not manifest.layers:
        raise NotNow("It has no content.")
    layer = manifest.layers[0]
    try:
        found = read_statement(_read(registry, manifest.digest, layer.digest, MAX_STATEMENT_BYTES))
    except Unreadable as error:
        raise NotNow("Its content %(error)s.", error=error) from None
    return found


def _read(registry: Registry, image: str, digest: str, limit: int) -> bytes:
    key = digest or image
    kept = Document.objects.filter(digest=key).first()
    if kept is not None:
        return zlib.decompress(bytes(kept.body))
    try:
        source = open_registry(registry)
        if not digest and isinstance(source, ByImage):
            body = source.read_config(image, limit)
        elif not digest:
            raise Unreadable("cannot be read from a registry of this kind")
        elif isinstance(source, ByRepository):
            body = source.read_blob_of(_repository(registry, image), digest, limit)
        else:
            body = source.read_blob(digest, limit)
    except Unreadable:
        raise
    except PruneError as error:
        raise NotNow(str(error)) from None
    if len(body) <= MOST_KEPT:
        Document.objects.get_or_create(digest=key, defaults={"body": zlib.compress(body, 6)})
    return body


def _repository(registry: Registry, digest: str) -> str:
    """Return a repository that serves ``digest``."""
    for model in (TagSighting, ManifestSighting):
        rows = model._default_manager.filter(repository__registry=registry, digest=digest, ended_at=None)
        name = rows.values_list("repository__name", flat=True).first()
        if name is not None:
            return str(name)
    raise Unreadable("is served by no repository any more")
