"""Why something was not done, in a sentence for the person who asked."""

from django.utils.functional import Promise
from django.utils.translation import override

from registryui.services.sentences import said, valued


class NotNow(Exception):
    """It cannot be done as things stand.

    ``str()`` is English whoever asks: it goes into the record, messages of runs and logs. ``told`` is the same in the
    language of the person who reads it. So what is given is a plain sentence, which `make messages` collects, and
    ``values`` are put into its ``%(names)s`` afterwards; a value that is a word itself is lazy.
    """

    def __init__(self, message: str | Promise, **values: object) -> None:
        with override("en"):
            super().__init__(str(message) % values if values else str(message))
        self.message = message
        self.values = values

    @property
    def told(self) -> str:
        """Return it in the language of the request."""
        values = {name: _told(name, value) for name, value in self.values.items()}
        text = said(self.message) if isinstance(self.message, str) else str(self.message)
        return text % values if values else text


class Moved(NotNow):
    """What the person saw is not what is there now."""


def told(error: Exception) -> str:
    """Return what an error says in the language of the request, as far as it can be said in it."""
    return error.told if isinstance(error, NotNow) else said(str(error))


def _told(name: str, value: object) -> object:
    if isinstance(value, Exception):
        return told(value)
    return valued(name, value) if isinstance(value, str) else value
