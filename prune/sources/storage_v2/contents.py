"""Reading manifests and configs: each digest once, whatever the number of repositories that serve it."""

from prune.model.digest import Digest, matches
from prune.model.errors import Unreadable
from prune.model.manifest import (
    IMAGE_CONFIG_TYPES,
    MAX_CONFIG_BYTES,
    MAX_MANIFEST_BYTES,
    ImageConfig,
    Manifest,
    parse_manifest,
)
from prune.model.snapshot import Blob, Snapshot
from prune.sources.storage_v2.layout import blob_folder
from prune.sources.stores.base import Store


class Contents:
    """Manifests and configs by digest. ``unreadable`` says, by digest, why a manifest could not be read."""

    def __init__(self, store: Store, base: str, blobs: dict[Digest, Blob], known: Snapshot | None) -> None:
        self._store = store
        self._base = base
        self._blobs = blobs
        self._known = known
        self.manifests: dict[Digest, Manifest] = {}
        self.configs: dict[Digest, ImageConfig] = {}
        self.unreadable: dict[Digest, str] = {}
        self.odd_configs: dict[Digest, str] = {}

    def add(self, digest: Digest) -> None:
        """Read a manifest, its children and their configs, as far as they are there and not read yet."""
        pending = [digest]
        while pending:
            digest = pending.pop()
            if digest in self.manifests or digest in self.unreadable:
                continue
            blob = self._blobs.get(digest)
            if blob is None:
                self.unreadable[digest] = "is not among the blobs"
                continue
            manifest = self._known.manifests.get(digest) if self._known else None
            if manifest is None or manifest.size != blob.size:
                try:
                    manifest = parse_manifest(digest, self.read(digest, MAX_MANIFEST_BYTES))
                except Unreadable as error:
                    self.unreadable[digest] = str(error)
                    continue
            self.manifests[digest] = manifest
            pending += [child.digest for child in manifest.children]
            if manifest.config is not None and manifest.config.media_type in IMAGE_CONFIG_TYPES:
                self._add_config(manifest.config.digest)

    def _add_config(self, digest: Digest) -> None:
        if digest in self.configs or digest in self.odd_configs or digest not in self._blobs:
            return
        config = self._known.configs.get(digest) if self._known else None
        if config is None:
            try:
                config = ImageConfig.parse(self.read(digest, MAX_CONFIG_BYTES))
            except Unreadable as error:
                self.odd_configs[digest] = str(error)
                return
        self.configs[digest] = config

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return the bytes of a blob; raise ``Unreadable`` when they are missing, too many, or not its own."""
        try:
            body, _ = self._store.read(f"{blob_folder(self._base, digest)}/data", limit)
        except FileNotFoundError:
            raise Unreadable("is not among the blobs") from None
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from None
        if not matches(digest, body):
            raise Unreadable("is not what its digest says")
        return body
