"""What drawings say, and why there is none."""

from django.utils.translation import gettext_noop as _


def ngettext_noop(one: str, many: str) -> tuple[str, str]:
    """Mark a message with its plural."""
    return one, many


FORMS = (
    _("%(number)s images and tags are too many for one drawing; see the table."),
    _("%(number)s repositories are too many for one drawing; see the table."),
    _("Graphviz is not installed, so there is no drawing; install the package graphviz."),
    _("The drawing was given up after %(number)s seconds; see the table."),
    _("Graphviz ended at once; see the table."),
    _("Graphviz could not draw this (%(problem)s)."),
    _("The drawing is too large to show; see the table."),
    _("Graphviz gave a drawing that cannot be read; see the table."),
    _("Graphviz gave an empty drawing; see the table."),
)

#: In drawings: they are asked for (`registryui.services.labels`), and never have to be recognised.
LABELS = (
    # what an image is
    _("index"),
    _("referrer"),
    _("age unknown"),
    _("goes"),
    _("A pull fetches %(size)s"),
    _("Created %(day)s"),
    _("Its manifests are %(names)s"),
    # tags
    _("tag %(tag)s"),
    _("tag %(tag)s (goes)"),
    _("tag %(tag)s (asked to go)"),
    _("and %(number)s more"),
    # what is folded
    _("A chain of %(facts)s"),
    _("Folded together: %(facts)s"),
)
COUNTED = (
    ngettext_noop("%(number)s of its %(whole)s manifests goes", "%(number)s of its %(whole)s manifests go"),
    ngettext_noop("%(number)s tag", "%(number)s tags"),
    ngettext_noop("%(number)s image", "%(number)s images"),
    ngettext_noop("%(number)s more", "%(number)s more"),
    ngettext_noop("%(number)s more indexes", "%(number)s more indexes"),
    ngettext_noop("%(number)s attached", "%(number)s attached"),
    ngettext_noop("%(number)s goes", "%(number)s go"),
    # who builds on whom
    ngettext_noop("%(number)s repository", "%(number)s repositories"),
    ngettext_noop("by %(number)s image", "by %(number)s images"),
)
