"""Registries read and cleaned through their API (OCI distribution spec 1.1, Docker registry HTTP API V2)."""

from prune.sources.registry_v2.source import RegistryV2

__all__ = ["RegistryV2"]
