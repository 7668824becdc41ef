"""Standing approvals: leave for a named version to clean a registry without asking again. It takes two people."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from prune.policy.faults import PolicyError
from registryui.models import PolicyVersion, Registry, StandingApproval, StandingSignature
from registryui.permissions import APPROVE, who_may
from registryui.services import audit, policies
from registryui.services.errors import NotNow

OWN = gettext_noop("Nobody signs what they asked for or wrote themselves; ask a colleague.")


def ask(actor: User, version: PolicyVersion, registry: Registry, reason: str) -> StandingApproval:
    """Ask that a version may clean a registry by itself. It counts once others have signed it."""
    if not reason.strip():
        raise NotNow("Say why nobody needs to look at what this version proposes: it goes on the record.")
    if not version.policy.applies_to(registry.slug):
        raise NotNow("This policy is not for %(registry)s.", registry=registry)
    digest = policies.effective(version, registry).digest()
    try:
        with transaction.atomic():
            standing = StandingApproval.objects.create(
                version=version, registry=registry, digest=digest, reason=reason.strip(), asked_by=actor
            )
            _record(actor, audit.Action.STANDING_ASKED, standing, standing.reason, digest=digest)
    except IntegrityError:
        raise NotNow("It was asked for already; somebody else has to sign it, or to revoke it.") from None
    return standing


def sign(actor: User, standing: StandingApproval) -> None:
    """Put a second person's name under it."""
    try:
        with transaction.atomic():
            locked = _locked(standing)
            if locked.revoked_at is not None:
                raise NotNow("It was revoked; ask for a new one.")
            if actor.pk in (locked.asked_by_id, locked.version.created_by_id):
                raise NotNow(OWN)
            if why := stale(locked):
                raise why
            StandingSignature.objects.create(standing=locked, user=actor, user_name=actor.get_username())
            _record(actor, audit.Action.STANDING_SIGNED, locked)
    except IntegrityError as error:
        if "nobody signs" in str(error):
            raise NotNow(OWN) from None
        raise NotNow("You have signed it already.") from None


def revoke(actor: User, standing: StandingApproval, reason: str = "") -> None:
    """Take it back, at once and for good. One person is enough for that."""
    with transaction.atomic():
        locked = _locked(standing)
        if locked.revoked_at is not None:
            raise NotNow("It was revoked already.")
        locked.revoked_by, locked.revoked_at = actor, timezone.now()
        locked.save(update_fields=["revoked_by", "revoked_at"])
        _record(actor, audit.Action.STANDING_REVOKED, locked, reason.strip())


def holding(version: PolicyVersion, registry: Registry) -> StandingApproval | None:
    """Return the approval under which a version may clean a registry now; ``None`` when there is none that counts."""
    found = StandingApproval.objects.filter(version=version, registry=registry, revoked_at=None)
    standing = found.select_related("version", "registry", "asked_by").first()
    return standing if standing is not None and counts(standing) else None


def counts(standing: StandingApproval) -> bool:
    """Tell whether it holds: signed by enough people, not revoked, and about what is decided by now."""
    return standing.revoked_at is None and not missing(standing) and not stale(standing)


def missing(standing: StandingApproval) -> int:
    """Return how many signatures are still needed: as many as a proposal there needs approvals. That of somebody
    whose account was closed since, or who may approve no more, does not count."""
    signed = standing.signatures.filter(user__in=who_may(APPROVE)).count()
    return max(0, standing.registry.required_approvals - signed)


def stale(standing: StandingApproval) -> NotNow | None:
    """Return why it is about something else than what would be decided now; ``None`` when it is not."""
    version, registry = standing.version, standing.registry
    if version.policy.active_id != version.pk:
        return NotNow("Version %(number)d is not the active one.", number=version.number)
    if not version.policy.applies_to(registry.slug):
        return NotNow("The policy is not for %(registry)s any more.", registry=registry)
    try:
        if policies.effective(version, registry).digest() != standing.digest:
            return NotNow(
                "What %(registry)s protects has changed since it was asked for; ask for a new one.", registry=registry
            )
    except NotNow as error:
        return error
    except PolicyError as error:
        return NotNow(str(error))
    return None


def _locked(standing: StandingApproval) -> StandingApproval:
    rows = StandingApproval.objects.select_for_update(of=("self",))
    return rows.select_related("version__policy", "registry").get(pk=standing.pk)


def _record(actor: User, action: audit.Action, standing: StandingApproval, reason: str = "", **data: str) -> None:
    version = standing.version
    audit.record(
        actor,
        action,
        standing,
        registry=standing.registry.slug,
        reason=reason,
        policy=version.policy.slug,
        version=version.number,
        **data,
    )
