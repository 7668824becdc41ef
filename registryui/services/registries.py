"""Registries: adding and changing them."""

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from prune.model.errors import PruneError
from prune.sources.open import open_source
from registryui.models import Registry
from registryui.services import audit
from registryui.services.errors import NotNow

KINDS = {
    "storage-v2": "V2 storage",
    "storage-v1": "V1 storage",
    "registry-v2": "registry API",
    "registry-v1": "V1 registry API",
    "oci-layout": "OCI layout",
    "docker-engine": "Docker Engine",
}


def check(source: str) -> tuple[str, str]:
    """Open a SOURCE and return its normalised name and its kind; raise ``NotNow`` with what is wrong."""
    try:
        opened = open_source(source)
    except PruneError as error:
        raise NotNow(str(error)) from None
    return opened.name, opened.kind


def add(actor: User | None, registry: Registry) -> Registry:
    """Add a registry that was filled in by a form."""
    registry.source, registry.kind = check(registry.source)
    with transaction.atomic():
        registry.save(force_insert=True)
        audit.record(actor, audit.Action.REGISTRY_ADDED, registry, registry=registry.slug, **_facts(registry))
    return registry


def change(actor: User | None, registry: Registry) -> Registry:
    """Save a registry that was changed by a form."""
    registry.source, registry.kind = check(registry.source)
    with transaction.atomic():
        before = _facts(Registry.objects.select_for_update().get(pk=registry.pk))
        registry.save()
        after = _facts(registry)
        changed = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
        if changed:
            audit.record(actor, audit.Action.REGISTRY_CHANGED, registry, registry=registry.slug, changed=changed)
    return registry


def _facts(registry: Registry) -> dict[str, Any]:
    return {
        key: getattr(registry, key)
        for key in (
            "title",
            "source",
            "control_statement",
            "run_on_approval",
            "required_approvals",
            "grace_hours",
            "trash_days",
        )
    }
