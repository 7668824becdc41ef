"""Policies: writing versions, activating one, and saying which registries they are for."""

from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import slugify

from prune.model.errors import UsageError
from prune.policy.faults import PolicyError
from prune.policy.patterns import compile_glob
from prune.policy.protection import obeying, parse_protection
from prune.policy.read import parse_policy
from prune.policy.schema import Policy as Rules
from registryui.models import Policy, PolicyVersion, Registry
from registryui.services import audit
from registryui.services.errors import NotNow

#: More would make every page of a registry slow, and nobody could keep them apart.
MOST_POLICIES = 200


def effective(version: PolicyVersion, registry: Registry) -> Rules:
    """Return what a version means for a registry: its own rules, and what the registry protects from all policies.

    Raises ``NotNow`` when what the registry protects cannot be read: then nothing may be decided.
    """
    return obeyed(parse_policy(version.text), registry)


def obeyed(rules: Rules, registry: Registry) -> Rules:
    """Return ``rules`` with what ``registry`` protects; raise ``NotNow`` when that cannot be read."""
    if not registry.protection.strip():
        return rules
    try:
        return obeying(rules, parse_protection(registry.protection))
    except PolicyError as error:
        raise NotNow(
            "What %(registry)s protects cannot be read, so no policy is used there: %(error)s",
            registry=registry,
            error=error,
        ) from None


def checked_globs(text: str) -> str:
    """Return short names and globs of registries, tidied; raise ``NotNow`` with what is wrong with one."""
    globs = text.replace(",", " ").split()
    try:
        for glob in globs:
            compile_glob(glob)
    except UsageError as error:
        raise NotNow(str(error)) from None
    tidy = " ".join(dict.fromkeys(globs))
    if len(tidy) > 500:
        raise NotNow("These are too many names; use a glob such as prod-*.")
    return tidy


def registries_of(policy: Policy) -> list[Registry]:
    """Return the registries that a policy is for, by name."""
    return [one for one in Registry.objects.order_by("title", "slug") if policy.applies_to(one.slug)]


def policies_of(registry: Registry) -> list[Policy]:
    """Return the policies that are for a registry."""
    return [one for one in Policy.objects.select_related("active") if one.applies_to(registry.slug)]


def active() -> QuerySet[Policy]:
    """Return the policies that have an active version."""
    return Policy.objects.exclude(active=None).select_related("active", "activated_by")


def create(actor: User, title: str, registries: str, text: str, note: str = "") -> PolicyVersion:
    """Write a new policy with its first version; nothing happens until somebody activates it."""
    title = title.strip()[:120]
    if not title:
        raise NotNow("Give the policy a name.")
    globs = checked_globs(registries)
    rules = parse_policy(text)
    if Policy.objects.count() >= MOST_POLICIES:
        raise NotNow("There are %(number)d policies; join some of them.", number=MOST_POLICIES)
    slug = base = slugify(title)[:40] or "policy"
    number = 2
    while Policy.objects.filter(slug=slug).exists():
        slug, number = f"{base}-{number}", number + 1
    try:
        with transaction.atomic():
            policy = Policy.objects.create(slug=slug, title=title, registries=globs)
            return _write(actor, policy, 1, text, rules, note)
    except IntegrityError:
        raise NotNow("Somebody made a policy of that name at the same moment; try again.") from None


def write(actor: User, policy: Policy, text: str, note: str = "") -> PolicyVersion:
    """Write the next version; return the newest when it says the same, to the letter."""
    rules = parse_policy(text)
    with transaction.atomic():
        locked = Policy.objects.select_for_update().get(pk=policy.pk)
        newest = locked.versions.first()
        if newest is not None and newest.text == text:
            return newest
        return _write(actor, locked, newest.number + 1 if newest else 1, text, rules, note)


def _write(actor: User, policy: Policy, number: int, text: str, rules: Rules, note: str) -> PolicyVersion:
    version = PolicyVersion.objects.create(
        policy=policy,
        number=number,
        text=text,
        digest=rules.digest(),
        note=note.strip()[:200],
        created_by=actor,
    )
    _record(actor, audit.Action.POLICY_WRITTEN, version, reason=version.note, text=text)
    return version


def activate(actor: User, version: PolicyVersion) -> Policy:
    """Let a version be the one that the schedule uses, from now on: nothing that was due before is made up for."""
    parse_policy(version.text)
    with transaction.atomic():
        policy = Policy.objects.select_for_update().get(pk=version.policy_id)
        if policy.active_id == version.pk:
            return policy
        policy.active, policy.activated_by, policy.since = version, actor, timezone.now()
        policy.save()
        _record(actor, audit.Action.POLICY_ACTIVATED, version, registries=policy.registries)
    return policy


def pause(actor: User, policy: Policy) -> None:
    """Let nothing happen by itself any more. Proposals that wait are left to people."""
    with transaction.atomic():
        locked = Policy.objects.select_for_update().select_related("active").get(pk=policy.pk)
        if locked.active is None:
            raise NotNow("No version of this policy is active.")
        was = locked.active
        locked.active = None
        locked.save()
        _record(actor, audit.Action.POLICY_PAUSED, was)


def change(actor: User, policy: Policy, *, title: str, registries: str) -> Policy:
    """Change the name of a policy or which registries it is for."""
    after: dict[str, Any] = {"title": title.strip()[:120], "registries": checked_globs(registries)}
    if not after["title"]:
        raise NotNow("Give the policy a name.")
    with transaction.atomic():
        locked = Policy.objects.select_for_update().get(pk=policy.pk)
        changed = {
            key: [getattr(locked, key), value] for key, value in after.items() if getattr(locked, key) != value
        }
        if not changed:
            return locked
        for key, value in after.items():
            setattr(locked, key, value)
        if "registries" in changed and locked.active_id is not None:
            # It is this person's word now that it applies there.
            locked.activated_by, locked.since = actor, timezone.now()
        locked.save()
        audit.record(actor, audit.Action.POLICY_CHANGED, locked, changed=changed)
    return locked


def _record(actor: User, action: audit.Action, version: PolicyVersion, reason: str = "", **data: Any) -> None:
    audit.record(
        actor,
        action,
        version,
        reason=reason,
        policy=version.policy.slug,
        version=version.number,
        digest=version.digest,
        **data,
    )
