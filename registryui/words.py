"""Words of the pages that stand in scripts. A page carries their translations; in English a script needs none."""

from django.utils.translation import get_language, gettext, gettext_noop

#: Every text that a script says, as it stands there: ``say("Copy")``.
SCRIPTS = (
    gettext_noop("Select everything on this page"),
    gettext_noop("Closer"),
    gettext_noop("Farther"),
    gettext_noop("The whole graph"),
    gettext_noop("Copy"),
    gettext_noop("Copied"),
    gettext_noop("Copy “{text}”"),
)


def script_words() -> dict[str, str]:
    """Return the translations that scripts need in the language of this request."""
    if (get_language() or "en").startswith("en"):
        return {}
    return {text: gettext(text) for text in SCRIPTS}
