"""How bytes, times and digests look."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from prune.drawing.dot import human
from prune.model.digest import short as shortened
from registryui.models import Run
from registryui.services.kinds import Words, words_of

register = template.Library()


@register.filter
def size(number: int | Literal[""] | None) -> SafeString | str:
    """Show bytes for people, the exact number on hover. A template gives nothing as an empty text."""
    if number is None or number == "":
        return "unknown"
    return format_html('<data value="{}" title="{} bytes">{}</data>', number, f"{number:,}", human(number))


@register.filter
def short(digest: str) -> str:
    """Show the first 12 digits of a digest or id."""
    return shortened(digest)


@register.filter
def kind_words(kind: str) -> Words:
    """Return what the pages say of a kind of registry."""
    return words_of(kind)


@register.filter
def told(text: str, values: Mapping[str, Any] | None = None) -> SafeString:
    """Show a sentence: `code` and **what matters** in it are set off, and ``{names}`` replaced by ``values``."""
    marked = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text)))
    return format_html(marked, **(values or {"nothing": ""}))


@register.simple_tag
def undoing(run: Run) -> SafeString:
    """Say how and until when a cleanup can be undone."""
    until = date_format(timezone.localtime(run.trash_until), "j F Y, H:i") if run.trash_until else ""
    return told(words_of(run.registry.kind).undo, {"until": until})


@register.simple_tag
def emptying(run: Run) -> SafeString:
    """Say what happens when the trash of a cleanup is emptied."""
    return told(words_of(run.registry.kind).emptying, {"size": size(run.freed_bytes)})


_SPANS = ((31_536_000, "year"), (2_592_000, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"))


@register.filter
def ago(moment: datetime | Literal[""] | None) -> SafeString | str:
    """Show a time as people say it, exact on hover."""
    if moment is None or moment == "":
        return "unknown"
    seconds = (timezone.now() - moment).total_seconds()
    text = "just now" if seconds >= 0 else "in a moment"
    for span, name in _SPANS:
        number = int(abs(seconds) // span)
        if number:
            many = "" if number == 1 else "s"
            text = f"{number} {name}{many} ago" if seconds > 0 else f"in {number} {name}{many}"
            break
    exact = timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


@register.filter
def counted(number: int, nouns: str) -> str:
    """Show ``1 tag`` or ``3 tags``: ``{{ n|counted:"tag,tags" }}``."""
    one, _, many = nouns.partition(",")
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@register.filter
def comma(number: int) -> str:
    """Show ``12,345``."""
    return f"{number:,}"


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
