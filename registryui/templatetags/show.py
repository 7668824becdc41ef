"""How bytes, times and digests look."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from prune.model.digest import short as shortened
from registryui.models import Run
from registryui.services.kinds import Words, words_of
from registryui.services.sentences import said as translated
from registryui.words import counted_noun, sized
from registryui.words import worded as words_for

register = template.Library()


@register.filter
def size(number: int | Literal[""] | None) -> SafeString | str:
    """Show bytes for people, the exact number on hover. A template gives nothing as an empty text."""
    if number is None or number == "":
        return _("unknown")
    exact = ngettext("%(number)s byte", "%(number)s bytes", number) % {"number": comma(number)}
    text = sized(number)
    return format_html('<data value="{}" title="{}">{}</data>', number, exact, text)


@register.filter
def short(digest: str) -> str:
    """Show the first 12 digits of a digest or id."""
    return shortened(digest)


_HEX = re.compile(r"[0-9a-f]{40,}")


@register.filter
def brief(text: str, most: int = 140) -> SafeString | str:
    """Show a reference with the digests in it cut to 12 digits, and no longer than ``most``; the whole on hover."""
    cut = Truncator(_HEX.sub(lambda found: found[0][:12] + "…", text)).chars(most)
    return text if cut == text else format_html('<span title="{}">{}</span>', text, cut)


@register.filter
def persons(names: str | Iterable[str]) -> SafeString:
    """Show a person or several, each as a link to everything that they had a part in."""
    names = [names] if isinstance(names, str) else names
    return format_html_join(", ", '<a href="?{}">{}</a>', ((urlencode({"person": name}), name) for name in names))


@register.filter
def kind_words(kind: str) -> Words:
    """Return what the pages say of a kind of registry."""
    return words_of(kind)


@register.filter
def told(text: str | Promise, values: Mapping[str, Any] | None = None) -> SafeString:
    """Show a sentence: `code` and **what matters** in it are set off, and ``{names}`` replaced by ``values``."""
    marked = re.sub(
        r"\*\*(.+?)\*\*", r"<strong>\1</strong>", re.sub(r"`(.+?)`", r"<code>\1</code>", escape(str(text)))
    )
    return format_html(marked, **(values or {"nothing": ""}))


@register.simple_tag
def undoing(run: Run) -> SafeString:
    """Say how and until when a cleanup can be undone."""
    until = date_format(timezone.localtime(run.trash_until), "DATETIME_FORMAT") if run.trash_until else ""
    return told(words_of(run.registry.kind).undo, {"until": until})


@register.simple_tag
def emptying(run: Run) -> SafeString:
    """Say what happens when the trash of a cleanup is emptied."""
    return told(words_of(run.registry.kind).emptying, {"size": size(run.freed_bytes)})


def _before(seconds: int) -> str:
    """Return how long ago something was."""
    if years := seconds // 31_536_000:
        return ngettext("%(number)d year ago", "%(number)d years ago", years) % {"number": years}
    if months := seconds // 2_592_000:
        return ngettext("%(number)d month ago", "%(number)d months ago", months) % {"number": months}
    if days := seconds // 86_400:
        return ngettext("%(number)d day ago", "%(number)d days ago", days) % {"number": days}
    if hours := seconds // 3_600:
        return ngettext("%(number)d hour ago", "%(number)d hours ago", hours) % {"number": hours}
    if minutes := seconds // 60:
        return ngettext("%(number)d minute ago", "%(number)d minutes ago", minutes) % {"number": minutes}
    return _("just now")


def _until(seconds: int) -> str:
    """Return how long it is until something will be."""
    if years := seconds // 31_536_000:
        return ngettext("in %(number)d year", "in %(number)d years", years) % {"number": years}
    if months := seconds // 2_592_000:
        return ngettext("in %(number)d month", "in %(number)d months", months) % {"number": months}
    if days := seconds // 86_400:
        return ngettext("in %(number)d day", "in %(number)d days", days) % {"number": days}
    if hours := seconds // 3_600:
        return ngettext("in %(number)d hour", "in %(number)d hours", hours) % {"number": hours}
    if minutes := seconds // 60:
        return ngettext("in %(number)d minute", "in %(number)d minutes", minutes) % {"number": minutes}
    return _("in a moment")


@register.filter
def ago(moment: datetime | Literal[""] | None) -> SafeString | str:
    """Show a time as people say it, exact on hover."""
    if moment is None or moment == "":
        return _("unknown")
    seconds = (timezone.now() - moment).total_seconds()
    text = _before(int(seconds)) if seconds >= 0 else _until(int(-seconds))
    exact = timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


@register.filter
def counted(number: int, nouns: str) -> str:
    """Show ``1 tag`` or ``3 tags``: ``{{ n|counted:"tag" }}``; the nouns stand in `registryui.words`."""
    return counted_noun(nouns, number, comma(number))


@register.filter
def comma(number: int) -> str:
    """Show ``12,345``."""
    return number_format(number, force_grouping=True)


@register.filter
def worded(key: str) -> str:
    """Show what is stored as a key, such as the outcome of something."""
    return words_for(key)


@register.filter
def said(text: str) -> SafeString | str:
    """Show a sentence that is stored, or comes from the engine, in the language of the page; one that has no
    translation says that it is English."""
    if not text:
        return ""
    shown = translated(text)
    english = shown == text and not (get_language() or "en").startswith("en")
    return format_html('<span lang="en">{}</span>', text) if english else shown


@register.filter("translated")
def as_far_as_known(text: str) -> str:
    """Show what may be a person's words as well as a sentence of ours."""
    return translated(text)


@register.filter
def tail(ref: str) -> str:
    """Show the tag or digest of a reference."""
    return ref.rpartition("@")[2] if "@" in ref else ref.rpartition(":")[2]


@register.filter
def negative(number: int) -> int:
    """Show how much less."""
    return -number


@register.filter
def words(text: str) -> list[str]:
    """Split a list that a template names in one string."""
    return text.split()


@register.filter
def of(mapping: Mapping[str, Any], key: str) -> Any:
    """Return what a mapping holds for a key; nothing when it holds nothing."""
    return mapping.get(key)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """Return the query of this page with some parameters changed; ``None`` takes one away."""
    request: HttpRequest = context["request"]
    parameters = request.GET.copy()
    for key, value in changes.items():
        if value is None or value == "":
            parameters.pop(key, None)
        else:
            parameters[key] = str(value)
    text = urlencode([(key, value) for key, values in parameters.lists() for value in values])
    return f"?{text}" if text else "?"
