"""Sentences that are kept in English, or that the engine makes, in the language of whoever reads them.

The engine has its reasons in words, and plans, runs and the record keep them so. A page recognises the form of a
sentence (`registryui.services.phrases`) and says the same by its translation; what it does not recognise it shows as
it is, marked as English.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from django.utils.translation import get_language, gettext, ngettext

from registryui.services.phrases import FORMS
from registryui.services.phrases.texts import FRAMES

#: Values that are sentences themselves; a place and what is wrong there; and lists of names.
SAID, PLACED, LISTS = ("why", "reason", "effect", "error", "wanted", "given"), ("problem", "refusals"), ("names",)
#: Between several places with what is wrong there.
_PLACES = re.compile(r"; (?=\S+: )")
#: Values that are a name, or a few words in its place that begin so.
NAMED = {"container": "labelled "}
#: Values of one kind only, so that short sentences with them are not found in others.
NARROW = {"line": r"\d+", "digits": r"\d+", "quoted": r"'.*?'|\".*?\"|\d+"}
#: Values that are lists of sentences, and what stands between those: the next one begins in a way of its own.
_RULE = re.compile(r"(?:, | and )(?=\S+ \((?:because|in doubt, because|but) )")
SEVERAL = {"rules": _RULE, "others": _RULE, "causes": re.compile(r"(?:, | and )(?=its? )")}
#: Longer ones are lists of files or what another program said.
LONGEST = 2000
#: A number is one in digits alone.
_GAP = re.compile(r"%\((\w+)\)[sd]")


def said(text: str) -> str:
    """Return a sentence in the language of the request, as far as it is recognised; otherwise as it is."""
    if not text or len(text) > LONGEST or (get_language() or "en").startswith("en"):
        return text
    whole = gettext(text)
    if whole != text:
        return whole
    form, values = _recognised(text)
    if not form:
        return text
    return gettext(form) % {
        name: int(value) if f"%({name})d" in form else valued(name, value) for name, value in values.items()
    }


def valued(name: str, value: str) -> str:
    """Return what stands in a sentence at ``%(name)s`` in the language of the request, as `said` does."""
    if name in SAID:
        return _within(value)
    if name in PLACED:
        return "; ".join(map(_placed, _PLACES.split(value)))
    if name in SEVERAL:
        return _several(value, SEVERAL[name])
    if value.startswith(NAMED.get(name, " ")):
        return said(value)
    if name not in LISTS:
        return value
    if more := re.fullmatch(r"(.+) and (\d+) more", value):
        return gettext("%(names)s and %(number)d more") % {"names": more[1], "number": int(more[2])}
    if more := re.fullmatch(r"(.+) and (\d+) other images?", value):
        number = int(more[2])
        form = ngettext("%(names)s and %(number)d other image", "%(names)s and %(number)d other images", number)
        return form % {"names": more[1], "number": number}
    if more := re.fullmatch(r"(.+) and (\S+)", value):
        return gettext("%(names)s and %(last)s") % {"names": more[1], "last": more[2]}
    return value


def _within(value: str) -> str:
    """Return a sentence that stands in another one, which may have taken its full stop."""
    told = said(value)
    if told == value and (whole := said(f"{value}.")) != f"{value}.":
        return whole.removesuffix(".")
    return told


def _several(value: str, joint: re.Pattern[str]) -> str:
    """Return ``one, another and a third`` with each of them translated."""
    told, at = "", 0
    for found in joint.finditer(value):
        told += said(value[at : found.start()]) + (", " if found[0] == ", " else gettext(" and "))
        at = found.end()
    return told + said(value[at:])


def _placed(value: str) -> str:
    """Return ``place what is wrong there`` with its second part translated; places may have spaces in them."""
    for space in re.finditer(" ", value):
        what = value[space.end() :]
        if (told := said(what)) != what:
            return f"{said(value[: space.start()])} {told}"
    return value


class _Form(NamedTuple):
    """A form that has values: how it is written, its longest words, and what recognises it."""

    form: str
    words: str
    pattern: re.Pattern[str]


@lru_cache(maxsize=4096)
def _recognised(text: str) -> tuple[str, dict[str, str]]:
    """Return the form of a sentence and its values. Of several that fit it is the one that says most itself."""
    for form, words, pattern in _patterns():
        if words in text and (found := pattern.fullmatch(text)):
            return form, found.groupdict()
    return "", {}


@lru_cache(maxsize=1)
def _patterns() -> list[_Form]:
    """Return the forms that have values; the others are messages as they stand."""
    made = []
    for form in FORMS:
        if "%(" in form:
            parts = _GAP.split(form)
            pattern = "".join(
                f"(?P<{part}>{_shape(part, form)})" if number % 2 else re.escape(part)
                for number, part in enumerate(parts)
            )
            made.append(_Form(form, max(parts[::2], key=len), re.compile(pattern, re.S)))
    return sorted(made, key=lambda one: (one.form in FRAMES, len(_GAP.sub("", one.form))), reverse=True)


def _shape(name: str, form: str) -> str:
    return r"\d+" if f"%({name})d" in form else NARROW.get(name, ".+?")
