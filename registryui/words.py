"""Words of the pages that stand in no template: in scripts, beside numbers, and for what is stored by a key."""

from collections.abc import Sequence
from typing import Any

from django.utils.formats import get_format
from django.utils.translation import get_language, gettext, gettext_lazy, gettext_noop, ngettext_lazy

from prune.drawing.bytes import human

#: Every text that a script says, as it stands there: ``say("Copy")``.
SCRIPTS = (
    gettext_noop("Select everything on this page"),
    gettext_noop("Closer"),
    gettext_noop("Farther"),
    gettext_noop("The whole graph"),
    gettext_noop("Full screen"),
    gettext_noop("Copy"),
    gettext_noop("Copied"),
    gettext_noop("Copy “{text}”"),
)


def script_words() -> dict[str, str]:
    """Return the translations that scripts need in the language of this request; in English they need none."""
    if (get_language() or "en").startswith("en"):
        return {}
    return {text: gettext(text) for text in SCRIPTS}


#: What is counted on the pages, each with its number.
NOUNS: dict[str, Any] = {
    "tag": ngettext_lazy("%(number)s tag", "%(number)s tags", "count"),
    "image": ngettext_lazy("%(number)s image", "%(number)s images", "count"),
    "manifest": ngettext_lazy("%(number)s manifest", "%(number)s manifests", "count"),
    "untagged manifest": ngettext_lazy("%(number)s untagged manifest", "%(number)s untagged manifests", "count"),
    "blob": ngettext_lazy("%(number)s blob", "%(number)s blobs", "count"),
    "repository": ngettext_lazy("%(number)s repository", "%(number)s repositories", "count"),
    "other tag": ngettext_lazy("%(number)s other tag", "%(number)s other tags", "count"),
    "other image": ngettext_lazy("%(number)s other image", "%(number)s other images", "count"),
    "problem": ngettext_lazy("%(number)s problem", "%(number)s problems", "count"),
    "name": ngettext_lazy("%(number)s name", "%(number)s names", "count"),
    "minute": ngettext_lazy("%(number)s minute", "%(number)s minutes", "count"),
    "hour": ngettext_lazy("%(number)s hour", "%(number)s hours", "count"),
    "day": ngettext_lazy("%(number)s day", "%(number)s days", "count"),
    "approval": ngettext_lazy("%(number)s approval", "%(number)s approvals", "count"),
    "signature": ngettext_lazy("%(number)s signature", "%(number)s signatures", "count"),
    "scan": ngettext_lazy("%(number)s scan", "%(number)s scans", "count"),
    "thing": ngettext_lazy("%(number)s thing", "%(number)s things", "count"),
    "entry": ngettext_lazy("%(number)s entry", "%(number)s entries", "count"),
    "item": ngettext_lazy("%(number)s item", "%(number)s items", "count"),
    "change": ngettext_lazy("%(number)s change", "%(number)s changes", "count"),
    "cleanup": ngettext_lazy("%(number)s cleanup", "%(number)s cleanups", "count"),
}


def counted_noun(noun: str, number: int, shown: str) -> str:
    """Return ``1 tag`` or ``3 tags`` in the language of this request; ``shown`` is how the number is written. A noun
    that is not among ``NOUNS`` stays English: ``entry,entries``."""
    if noun in NOUNS:
        return str(NOUNS[noun] % {"count": number, "number": shown})
    one, _, many = noun.partition(",")
    return f"{shown} {one if number == 1 else many or one + 's'}"


def sized(number: int) -> str:
    """Return a number of bytes for people, ``3,1 MB`` in German."""
    return human(number).replace(".", get_format("DECIMAL_SEPARATOR"))


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return ``a, b and c``, or ``a, b, c and 4 more`` when there are more than ``most``."""
    if len(names) > most:
        return gettext("%(names)s and %(number)d more") % {
            "names": ", ".join(names[:most]),
            "number": len(names) - most,
        }
    if len(names) > 1:
        return gettext("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
    return "".join(names)


#: What is stored or computed as a key, as the pages say it.
KEYS = {
    "good": gettext_lazy("good"),
    "bad": gettext_lazy("bad"),
    "unknown": gettext_lazy("unknown"),
    "deleted": gettext_lazy("deleted"),
    "undone": gettext_lazy("undone"),
    "skipped": gettext_lazy("skipped"),
    "done": gettext_lazy("done"),
    "partial": gettext_lazy("partial"),
    "failed": gettext_lazy("failed"),
    "proposed": gettext_lazy("proposed"),
    "nothing": gettext_lazy("nothing to do"),
    "tripped": gettext_lazy("stopped by a guard"),
    "dismissed": gettext_lazy("left alone"),
    "image": gettext_lazy("image"),
    "index": gettext_lazy("index"),
    "list": gettext_lazy("list of platforms"),
    "artifact": gettext_lazy("artifact"),
    "signature": gettext_lazy("signature"),
    "sbom": gettext_lazy("bill of materials"),
    "attestation": gettext_lazy("attestation"),
    "tag": gettext_lazy("tag"),
    "manifest": gettext_lazy("manifest"),
    "upload": gettext_lazy("upload"),
    "repository": gettext_lazy("repository"),
}


def worded(key: str) -> str:
    """Return a key in the language of this request; one that has no words stays as it is."""
    return " + ".join(str(KEYS.get(one, one)) for one in key.split("+"))
