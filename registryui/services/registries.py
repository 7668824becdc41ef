"""Registries: adding and changing them."""

import contextlib
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from prune.model.errors import PruneError
from prune.sources.base import Source
from prune.sources.docker_engine.source import DockerEngine
from prune.sources.registry_v1.source import RegistryV1
from prune.sources.registry_v2.source import Found, RegistryV2
from registryui.models import Registry
from registryui.services import audit, control, events, in_use
from registryui.services.access import open_registry
from registryui.services.errors import NotNow
from registryui.services.kinds import words_of
from registryui.services.sentences import said as translated

#: Settings that say how a registry is held, and so how it is given back.
CONTROL = ("control", "control_container", "control_mode", "control_engine", "control_url", "control_commands")


#: What scans and runs write, never a form.
WORKERS = ("held_", "last_scan", "created_at", "id")


def check(registry: Registry) -> tuple[str, str, str]:
    """Open a registry as it was filled in; return its normalised source, its kind, and a sentence about it. What it
    can do is put onto ``registry``.

    Raises ``NotNow`` with what is wrong.
    """
    try:
        opened = open_registry(registry, anew=True)
        what = words_of(opened.kind).name
        if isinstance(opened, DockerEngine):
            said = _("%(name)s can be reached: %(what)s.") % {"name": opened.name, "what": opened.test()}
            return opened.name, opened.kind, said
        if not isinstance(opened, RegistryV2 | RegistryV1):
            said = _("%(name)s can be read: %(what)s.") % {"name": opened.name, "what": what}
            return opened.name, opened.kind, said
        found = opened.test()
    except PruneError as error:
        raise NotNow(str(error)) from None
    registry.server, registry.abilities = _seen(found)
    if found.catalog:
        said = _("%(name)s can be reached: %(what)s; it lists its repositories.")
    else:
        said = _("%(name)s can be reached: %(what)s; it does not list its repositories, so name them.")
    cannot = [
        translated(one.means) for one in found.abilities if one.has is False and one.name in ("write", "delete")
    ]
    return opened.name, opened.kind, " ".join([said % {"name": opened.name, "what": what}, *cannot])


def see_abilities(registry: Registry, source: Source) -> None:
    """Remember what a registry says about itself and can do at the moment; what it was, when it does not answer."""
    if isinstance(source, RegistryV2 | RegistryV1):
        with contextlib.suppress(PruneError):
            server, abilities = _seen(source.test())
            Registry.objects.filter(pk=registry.pk).update(server=server, abilities=abilities)


def _seen(found: Found) -> tuple[str, list[dict[str, Any]]]:
    return found.server, [msgspec.to_builtins(one) for one in found.abilities]


def check_control(registry: Registry) -> str:
    """Look whether a registry could be brought under control; return a sentence, raise ``NotNow`` with what is
    wrong. Nothing is touched."""
    try:
        return f"{translated(control.test(registry))} {translated(control.test_cache(registry))}".strip()
    except PruneError as error:
        raise NotNow(str(error)) from None


def add(actor: User | None, registry: Registry) -> Registry:
    """Add a registry that was filled in by a form."""
    registry.source, registry.kind, _ = check(registry)
    with transaction.atomic():
        registry.save(force_insert=True)
        in_use.keep_places(registry)
        audit.record(actor, audit.Action.REGISTRY_ADDED, registry, registry=registry.slug, **_facts(registry))
    return registry


def change(actor: User | None, registry: Registry) -> Registry:
    """Save a registry that was changed by a form."""
    registry.source, registry.kind, _ = check(registry)
    with transaction.atomic():
        old = Registry.objects.select_for_update().get(pk=registry.pk)
        if old.held_since is not None and _how_held(old) != _how_held(registry):
            raise NotNow("This registry is held at the moment, and has to be given back as it was taken: wait.")
        before = _facts(old)
        if old.source != registry.source:
            registry.moved_at = timezone.now()
        # What the worker writes meanwhile is not ours to put back.
        registry.save(
            update_fields=[f.name for f in Registry._meta.concrete_fields if not f.name.startswith(WORKERS)]
        )
        in_use.keep_places(registry)
        after = _facts(registry)
        if before["source"] != after["source"]:
            # What pulls and pushes were told of was somewhere else.
            events.doubt(registry, "The address of the registry was changed.")
        changed: dict[str, Any] = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
        if old.password != registry.password:
            changed["password"] = "changed"  # noqa: S105  # that it changed is for the record, what it is for nobody
        if old.client_key != registry.client_key:
            changed["client_key"] = "changed"
        if old.cache_password != registry.cache_password:
            changed["cache_password"] = "changed"  # noqa: S105  # likewise
        if changed:
            audit.record(actor, audit.Action.REGISTRY_CHANGED, registry, registry=registry.slug, changed=changed)
    return registry


def _how_held(registry: Registry) -> list[Any]:
    return [registry.source, *(getattr(registry, field) for field in CONTROL)]


def _facts(registry: Registry) -> dict[str, Any]:
    return {
        key: getattr(registry, key)
        for key in (
            "title",
            "source",
            "username",
            "token_realm",
            "chosen_repositories",
            "concurrency",
            "allowed_hosts",
            "client_certificate",
            "control_statement",
            "run_on_approval",
            *CONTROL,
            "window_minutes",
            "cache_url",
            "registry_collects",
            "required_approvals",
            "grace_hours",
            "trash_days",
            "pull_name",
            "verify_depth",
            "protection",
            "in_use_places",
        )
    }
