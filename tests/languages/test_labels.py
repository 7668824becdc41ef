"""What stands in drawings is in the language of whoever looks at them."""

import re
from itertools import chain

import pytest
from django.utils.translation import override

from prune.drawing.diagram import render_inline
from prune.drawing.words import ENGLISH
from registryui.services import labels
from registryui.services.phrases import drawings
from tests.drawing import cases
from tests.drawing.test_diagram import positions

#: Words of drawings that nobody writes in German.
ENGLISH_WORDS = re.compile(
    r"\b(and|more|goes|go|asked|attached|indexes|index|referrer|tags?|images|manifests|its|age|unknown|pull|fetches"
    r"|created|Created|are|chain|folded|by|repository|repositories|it)\b"
)


class Listening(labels.Translated):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def say(self, message, **values):
        self.said.add(message)
        return super().say(message, **values)

    def count(self, one, many, number, /, **values):
        self.said |= {one, many}
        return super().count(one, many, number, **values)


def test_everything_that_drawings_say_has_its_message():
    words = Listening()
    cases.images(words)
    cases.repositories(words)
    assert words.said == {*drawings.LABELS, *chain.from_iterable(drawings.COUNTED)}


@pytest.mark.parametrize("drawn", [cases.images, cases.repositories])
def test_no_word_of_a_german_drawing_is_english(drawn):
    with override("de"):
        texts = cases.texts(drawn(labels.words()))
    nobody = "nobody ever said this before"  # not known as a sentence: it stays as it is
    assert [text for text in texts if ENGLISH_WORDS.search(text.replace(nobody, ""))] == []
    assert not any(re.search(r"\d\.\d [kMGT]?B|\d-\d", text) for text in texts)


def test_german_drawings_say_the_same():
    with override("de"):
        texts = "\n".join(cases.texts(cases.images(labels.words())) + cases.texts(cases.repositories(labels.words())))
    for text in (
        "Alter unbekannt\ngeht",
        "und 3 weitere",
        "1.250 Images",
        "4 weitere\n12,4 MB\n1 geht",
        "3 weitere Indizes\n1 Tag\n9,3 MB\n2 gehen",
        "5 angehängt",
        "\nReferrer\n4,2 MB",
        "Ein Pull holt 4,2 MB. Erstellt am 31. Jan 2026",
        "1 seiner 3 Manifeste geht. es ist signiert. nobody ever said this before",
        "2 seiner 4 Manifeste gehen",
        "Seine Manifeste sind 000200000000, 000300000000 und 000400000000",
        "Tag r:v0 (geht)",
        "Tag r:v1 (soll gehen)",
        "Eine Kette: 1.250 Images, 2 Tags, 3,9 GB",
        "Zusammengefaltet: 1 weiterer Index, 1 Tag, 3,1 MB",
        "3 Repositorys",
        "3,1 MB\nvon 1 Image",
        "von 2.000 Images",
    ):
        assert text in texts


def test_a_day_that_is_written_in_another_way_stays_as_it_is():
    with override("de"):
        assert labels.words().day("2026-01-31") == "31. Jan 2026"
        assert labels.words().day("2026-31-01") == "2026-31-01"


def test_english_is_what_the_command_draws():
    with override("en"):
        assert labels.words() is ENGLISH


@pytest.mark.parametrize("language", ["en", "de"])
def test_before_and_after_stand_on_the_same_positions_in_every_language(language):
    with override(language):
        drawing = cases.images(labels.words())
    svgs = {
        when: render_inline(drawing, when, prefix="g-", title="t", description="d", links={})
        for when in ("before", "after")
    }
    before, after = positions(svgs["before"]), positions(svgs["after"])
    assert after
    assert len(after) < len(before)
    assert after == {name: where for name, where in before.items() if name in after}
