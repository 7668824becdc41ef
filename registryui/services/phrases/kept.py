"""What services keep in English of runs of policies, of drafts of proposals, and of what registries told."""

from django.utils.translation import gettext_noop as _

FORMS = (
    # why a run of a policy, or a proposal that was to be worked out, came to nothing
    _("The registry could not be scanned, so nothing was decided: %(why)s"),
    _("%(registry)s was not scanned yet; scan it first."),
    _(
        "It would propose %(number)d things, more than the %(most)d that people can look at: narrow its scope, "
        "or let it begin with what is older."
    ),
    _("Proposal #%(number)d was decided at this very moment; run the policy again."),
    _("Proposal #%(number)d of this policy is approved and not carried out yet."),
    _("Proposal #%(number)d of this policy is running and not carried out yet."),
    _("A proposal may name %(most)d things at most; propose whole repositories instead."),
    _("Nothing of this can go. %(refusals)s"),
    _("reading what the last scan found"),
    # why pulls are known only since then
    _("The address of the registry was changed."),
    _("No pull was told for more than %(hours)d hours before."),
    _("The registry was restarted, or another process of it began to serve."),
    _("The registry does not say which process of it tells, so restarts are not seen."),
    _("Something that it told was not understood: %(why)s."),
    _("it is not of the media type of events"),
    _("it is too large"),
)
