"""What the engine says in English, and what is kept in English, is said in the language of the reader."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import ngettext_lazy, override

from registryui.models import Proposal
from registryui.services.errors import NotNow, told
from registryui.services.sentences import FORMS, said
from registryui.templatetags import show

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("version2 and latest point to it", "version2 und latest zeigen darauf"),
        ("a, b, c and 4 more point to it", "a, b, c und 4 weitere zeigen darauf"),
        (
            "d1d1d1d1d1d1 is based on it and version2 and latest point to d1d1d1d1d1d1",
            "d1d1d1d1d1d1 beruht darauf, und version2 und latest zeigen auf d1d1d1d1d1d1",
        ),
        ("c1c1 stays: it is being uploaded", "c1c1 bleibt: es wird gerade hochgeladen"),
        ("it was pushed 3 days before the scan", "es wurde 3 Tage vor dem Scan gepusht"),
        ("12 of 20 tags would go, more than 30%.", "12 von 20 Tags würden gehen, mehr als 30%."),
        ("Nothing has to go.", "Nichts muss gehen."),
        ("reading repositories (7 tags)", "Repositorys werden gelesen (7 Tags)"),
        ("This registry was not scanned yet; scan it first.", None),
    ],
)
def test_sentences_are_recognised_with_their_values(english, german):
    assert said(english) == english
    with override("de"):
        assert said(english) != english
        if german is not None:
            assert said(english) == german
            assert show.said(english) == german


def test_what_nobody_knows_stays_and_says_that_it_is_english():
    odd = "zap <b>the</b> %(values)s %d"
    assert show.said(odd) == odd
    with override("de"):
        assert said(odd) == odd
        assert show.said(odd) == '<span lang="en">zap &lt;b&gt;the&lt;/b&gt; %(values)s %d</span>'
        assert said("a <b> stays: <i>") == "a <b> bleibt: <i>"
        assert said("") == ""
        assert said("x stays: " + "it is signed " * 1000).startswith("x stays")


def test_words_within_an_error_follow_its_reader():
    with override("de"):
        error = NotNow("This proposal is %(state)s; that cannot be done any more.", state=Proposal.State.DONE.label)
        assert str(error) == "This proposal is Done; that cannot be done any more."
        assert told(error) == "Dieser Vorschlag ist Erledigt; das geht nicht mehr."
        needs = ngettext_lazy(
            "It needs %(number)d more approval by now, and can be approved again.",
            "It needs %(number)d more approvals by now, and can be approved again.",
            2,
        )
        assert str(NotNow(needs, number=2)).startswith("It needs 2 more approvals")
        assert told(NotNow(needs, number=2)).startswith("Es braucht inzwischen 2 weitere Freigaben")


def _spoken(node: ast.expr) -> list[str]:
    """Every text that an expression can become, with a gap for each value."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return _spoken(node.body) + _spoken(node.orelse)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "counted":
        nouns = [str(one.value) for one in node.args[1:] if isinstance(one, ast.Constant)]
        return [f"\0 {nouns[0]}", f"\0 {nouns[-1]}" if len(nouns) > 1 else f"\0 {nouns[0]}s"]
    if isinstance(node, ast.FormattedValue):
        return _spoken(node.value) if isinstance(node.value, ast.IfExp | ast.Call) else ["\0"]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            texts = [text + more for text in texts for more in _spoken(part)][:50]
        return texts
    return ["\0"]


def _everything() -> Iterator[str]:
    for folder in ("prune", "registryui"):
        for path in (ROOT / folder).glob("**/*.py"):
            if path.name != "sentences.py":
                for node in ast.walk(ast.parse(path.read_text())):
                    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
                    if text or isinstance(node, ast.JoinedStr):
                        yield from _spoken(node)


#: Where the engine puts sentences together from parts.
SEAMS = re.compile(
    r"%\(\w+\)s|(?=, though|, and this is|; what they| would have| directly)|(?<=pushed) | the scan| For instance"
)


def test_every_form_is_one_that_is_still_said():
    spoken = "\n".join(_everything())
    gone = [form for form in FORMS if max(SEAMS.split(form), key=len).strip() not in spoken]
    assert gone == [], "The engine says it in other words by now: change registryui/services/sentences.py."
