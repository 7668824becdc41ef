"""Keeping once what many images have in common: the layers of a base stand in each manifest that is built on it."""

import msgspec

from prune.model.digest import Digest
from prune.model.manifest import Descriptor, ImageConfig, Manifest

#: What is remembered at a time, in values. Images of a team come close to each other, so that is enough, and what
#: a scan needs besides its result does not grow with the registry.
MOST_REMEMBERED = 16_384


class Sharing:
    """Gives equal parts of manifests and configs back as one and the same object."""

    def __init__(self) -> None:
        self._layers: dict[Digest, Descriptor] = {}
        self._texts: dict[str, str] = {}

    def manifest(self, manifest: Manifest) -> Manifest:
        """Return an equal manifest that shares what it can."""
        config = manifest.config
        if config is not None:
            config = msgspec.structs.replace(config, media_type=self._text(config.media_type))
        return msgspec.structs.replace(
            manifest,
            media_type=self._text(manifest.media_type),
            config=config,
            layers=tuple(map(self._layer, manifest.layers)),
        )

    def config(self, config: ImageConfig) -> ImageConfig:
        """Return an equal config that shares what it can."""
        return msgspec.structs.replace(config, diff_ids=tuple(map(self._text, config.diff_ids)))

    def _layer(self, layer: Descriptor) -> Descriptor:
        known = self._layers.get(layer.digest)
        if known == layer:
            return known
        if len(self._layers) >= MOST_REMEMBERED:
            self._layers.clear()
        mine = msgspec.structs.replace(layer, media_type=self._text(layer.media_type))
        self._layers[layer.digest] = mine
        return mine

    def _text(self, text: str) -> str:
        known = self._texts.get(text)
        if known is not None:
            return known
        if len(self._texts) >= MOST_REMEMBERED:
            self._texts.clear()
        self._texts[text] = text
        return text
