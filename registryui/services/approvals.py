"""Who has agreed to a plan, and whether that is enough: asked whenever something is about to happen because of it."""

from registryui.models import Approval, Proposal
from registryui.permissions import APPROVE, who_may
from registryui.services import standing


def count(proposal: Proposal) -> int:
    """Return how many people have approved the plan as it is now. Whose account was closed since, or who may approve
    no more, does not count."""
    given = Approval.objects.filter(plan=proposal.plan, decision=Approval.Decision.APPROVE)
    return given.filter(user__in=who_may(APPROVE)).count()


def missing(proposal: Proposal) -> int:
    """Return how many people still have to approve it: none under a standing approval that counts by now."""
    short = proposal.registry.required_approvals - count(proposal)
    return 0 if short <= 0 or _standing_counts(proposal) else short


def _standing_counts(proposal: Proposal) -> bool:
    newest = proposal.policy_runs.select_related("standing__version__policy", "standing__registry").first()
    if newest is None or newest.standing is None or newest.version_id != proposal.policy_id:
        return False
    return standing.counts(newest.standing)
