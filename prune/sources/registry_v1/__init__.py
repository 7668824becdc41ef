"""Registries of the first generation over their API (docker-registry 0.x): tags and repositories go, images never."""

from prune.sources.registry_v1.source import RegistryV1

__all__ = ["RegistryV1"]
