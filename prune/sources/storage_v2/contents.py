"""Reading manifests and configs: each digest once, whatever the number of repositories that serve it."""

from collections.abc import Sequence

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
from prune.model.snapshot import Snapshot
from prune.sources.storage_v2.layout import blob_folder
from prune.sources.stores.base import Store

MISSING = "is not among the blobs"


class Contents:
    """Manifests and configs by digest. ``unreadable`` says, by digest, why a manifest could not be read."""

    def __init__(self, store: Store, base: str, known: Snapshot | None, *, configs: bool = True) -> None:
        self.store = store
        self.base = base
        self._with_configs = configs
        self.known_manifests = known.manifests if known else {}
        self._known_configs = known.configs if known else {}
        self._proven: set[Digest] = set()
        self.manifests: dict[Digest, Manifest] = {}
        self.configs: dict[Digest, ImageConfig] = {}
        self.unreadable: dict[Digest, str] = {}
        self.odd_configs: dict[Digest, str] = {}

    def expect(self, digests: Sequence[Digest]) -> None:
        """Say which manifests are to be added next, see ``Store.expect``."""
        unread = [d for d in digests if d not in self.manifests and d not in self.known_manifests]
        self.store.expect([self.path(digest) for digest in unread], MAX_MANIFEST_BYTES)

    def add(self, digest: Digest) -> None:
        """Read a manifest, its children and their configs, as far as they are there and not read yet.

        What was known before is taken as it is; whether its blob is still there, the list of blobs says.
        """
        pending = [digest]
        while pending:
            digest = pending.pop()
            if digest in self.manifests or digest in self.unreadable:
                continue
            manifest = self.known_manifests.get(digest)
            if manifest is None:
                try:
                    manifest = parse_manifest(digest, self.read(digest, MAX_MANIFEST_BYTES), proven=self._proven)
                except Unreadable as error:
                    self.unreadable[digest] = str(error)
                    continue
                self._proven.update([layer.digest for layer in manifest.layers])
            self.manifests[digest] = manifest
            pending += [child.digest for child in manifest.children]
            config = manifest.config if self._with_configs else None
            if config is not None and config.media_type in IMAGE_CONFIG_TYPES:
                self._add_config(config.digest)

    def _add_config(self, digest: Digest) -> None:
        if digest in self.configs or digest in self.odd_configs:
            return
        config = self._known_configs.get(digest)
        if config is None:
            try:
                config = ImageConfig.parse(self.read(digest, MAX_CONFIG_BYTES))
            except Unreadable as error:
                if str(error) != MISSING:  # a missing one is said of its image
                    self.odd_configs[digest] = str(error)
                return
        self.configs[digest] = config

    def path(self, digest: Digest) -> str:
        """Return where the bytes of a blob lie."""
        return blob_folder(self.base, digest) + "/data"

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return the bytes of a blob; raise ``Unreadable`` when they are missing, too many, or not its own."""
        try:
            body = self.store.read(self.path(digest), limit)[0]
        except (FileNotFoundError, NotADirectoryError):
            raise Unreadable(MISSING) from None
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from None
        if not matches(digest, body):
            raise Unreadable("is not what its digest says")
        return body
