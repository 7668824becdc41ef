"""What drawings say, in the language of whoever looks at them."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, gettext, ngettext

from prune.drawing.words import ENGLISH, MOST_NAMES, Words
from registryui.services.sentences import said
from registryui.words import listed, sized


class Translated(Words):
    """The language of the request. The messages stand in `registryui.services.phrases.drawings`."""

    def say(self, message: str, **values: str | int) -> str:
        """Return a message with its values."""
        return gettext(message) % self._shown(values)

    def count(self, one: str, many: str, number: int, /, **values: str | int) -> str:
        """Return the message for one or for ``many``."""
        return ngettext(one, many, number) % self._shown({"number": number, **values})

    def _shown(self, values: Mapping[str, str | int]) -> dict[str, str]:
        return {name: self.number(value) if isinstance(value, int) else value for name, value in values.items()}

    def number(self, number: int) -> str:
        """Return a large number as people write it."""
        return number_format(number, force_grouping=True)

    def size(self, number: int) -> str:
        """Return a number of bytes for people."""
        return sized(number)

    def day(self, day: str) -> str:
        """Return a day as people write it."""
        try:
            return date_format(date.fromisoformat(day), "SHORT_DATE_FORMAT")
        except ValueError:  # whoever built an image may have written it in any way
            return day

    def listed(self, names: Sequence[str]) -> str:
        """Return names as one part of a sentence."""
        return listed(names, MOST_NAMES)

    def reason(self, sentence: str) -> str:
        """Return why something stays, as far as the sentence is recognised."""
        return said(sentence)


TRANSLATED = Translated()


def language() -> str:
    """Return the language of the request, as keys of what is kept for one language name it."""
    return get_language() or "en"


def words() -> Words:
    """Return the words for the language of the request: in English those of `prune draw`."""
    return ENGLISH if language().startswith("en") else TRANSLATED
