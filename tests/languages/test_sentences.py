"""What the engine says in English, and what is kept in English, is said in the language of the reader."""

import re
from collections.abc import Iterator
from itertools import chain

import pytest
from django.utils.translation import ngettext_lazy, override

from registryui.models import Proposal
from registryui.services.errors import NotNow, told
from registryui.services.phrases import FORMS, drawings, parsers, system
from registryui.services.sentences import said
from registryui.templatetags import show
from tests.languages.spoken import GAP, ROOT, sentences_in, texts_in


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
        (
            "nothing in this registry may be deleted: team/app (list of tags) cannot be read: Permission denied",
            "in dieser Registry darf nichts gelöscht werden: team/app (Liste der Tags) kann nicht gelesen werden: "
            "Zugriff verweigert",
        ),
        (
            "the blob abcabcabcabc is missing: a/b:1, a/b:2, a/c:1 and 4 other images cannot be pulled",
            "der Blob abcabcabcabc fehlt; nicht mehr zu pullen: a/b:1, a/b:2, a/c:1 und 4 weitere Images",
        ),
        (
            "The registry could not be read: there is no Docker Engine: that socket does not exist.",
            "Die Registry war nicht zu lesen: dort ist keine Docker Engine: diesen Socket gibt es nicht.",
        ),
        (
            "It stays: fresh (because it was pushed less than 7d ago) and mine (in doubt, because its tag "
            "matches 'a.*' and it is one of the 3 newest that the rule finds in its repository, by when it was "
            "pushed) keep it; old (because its tag does not match 'b') would let it go.",
            "Es bleibt: fresh (weil: es wurde vor weniger als 7d gepusht) und mine (im Zweifel, weil: sein Tag passt "
            "auf 'a.*' und es ist eines der 3 neuesten, die die Regel in seinem Repository findet, gezählt danach, "
            "wann es gepusht wurde) behalten es; old (weil: sein Tag passt nicht auf 'b') ließe es gehen.",
        ),
        (
            "It would propose 9000 things, more than the 5000 that people can look at: narrow its scope, or let it "
            "begin with what is older.",
            None,
        ),
        (
            "The registry could not be scanned, so nothing was decided: Permission denied",
            "Die Registry ließ sich nicht scannen, darum wurde nichts entschieden: Zugriff verweigert",
        ),
        ("Proposal #7 of this policy is running and not carried out yet.", None),
        ("No pull was told for more than 24 hours before.", None),
        (
            "Nothing of this can go. a/b:1: it is in use; a/b@sha256:1: it is being uploaded",
            "Nichts davon kann gehen. a/b:1: es ist in Gebrauch; a/b@sha256:1: es wird gerade hochgeladen",
        ),
        (
            "a/b (current) is a symbolic link, and it is left alone",
            "a/b (current) ist ein symbolischer Link, und es wird in Ruhe gelassen",
        ),
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


def test_sentences_within_an_error_follow_its_reader():
    error = NotNow("Nothing of this can go. %(refusals)s", refusals="a/b:1: it is in use; a/b:2: zap")
    assert str(error) == "Nothing of this can go. a/b:1: it is in use; a/b:2: zap"
    with override("de"):
        assert told(error) == "Nichts davon kann gehen. a/b:1: es ist in Gebrauch; a/b:2: zap"
        why = NotNow("The registry could not be scanned, so nothing was decided: %(why)s", why="Permission denied")
        assert told(why).endswith("Zugriff verweigert")


def _everything() -> Iterator[str]:
    for folder in ("prune", "registryui"):
        for path in (ROOT / folder).glob("**/*.py"):
            if path.parent.name != "phrases":
                yield from texts_in(path)


def _verbatim(part: str, spoken: str) -> int:
    """Return how many of the words of a part are said as they stand there, two together at least."""
    words = part.strip(" .;:()").split()
    if " ".join(words) in spoken:
        return len(words)
    found = at = 0
    while at < len(words):
        length = next((n for n in range(len(words) - at, 1, -1) if " ".join(words[at : at + n]) in spoken), 0)
        found += length
        at += length or 1
    return found


def test_every_form_is_one_that_is_still_said():
    """The engine puts some sentences together from parts, so not all words stand in its source as said."""
    spoken = "\n".join(_everything())
    gone = []
    for form in set(FORMS) - set(system.FORMS) - set(parsers.FORMS):
        parts = re.split(r"%\(\w+\)s", form)
        if 3 * sum(_verbatim(part, spoken) for part in parts) < 2 * sum(
            len(part.strip(" .;:()").split()) for part in parts
        ):
            gone.append(form)
    assert gone == [], "The engine says it in other words by now: change registryui/services/phrases."


#: What no page shows: the command's own words, graphs in characters, what is said of the policies of other tools, and
#: what every rule says of one tag. Of the last two tests/languages/test_faults.py checks it.
ELSEWHERE = ("cli.py", "commands/", "drawing/text.py", "policy/importers/", "policy/explain.py")
#: Texts that look like sentences and are none for a person, by their module.
LEFT = {
    "drawing/dot.py": {"base later", "tag later"},  # kinds of lines
    "drawing/overview.py": {"edge-base edge-w\0"},
    "drawing/svg.py": {text for text in sentences_in(ROOT / "prune/drawing/svg.py") if re.match(r"<|\nsvg{", text)},
    "model/build.py": {"RUN \0"},
    "model/statement.py": {"CycloneDX \0"},
    "plan/verification.py": {" and \0 other image", " and \0 other images"},  # part of a list of names
    "policy/facts.py": {"These are no facts for a policy: \0. See docs/policies.md for their form."},  # of --facts
    "policy/read.py": {"Invalid enum value '(.*)'", r"Object missing required field `(\w+)`"},  # said in other words
    "policy/uses.py": {"\0 on \0"},
    "reclaim/collection/output.py": {
        "blob eligible for deletion: ",
        "manifest eligible for deletion: ",
        ": layer link eligible for deletion: ",
        ": marking manifest ",
        r"(\d+) blobs marked, (\d+) blobs and (\d+) manifests eligible for deletion",
    },
    "reclaim/control/hold.py": {"A registry did not come back: %s"},  # for the log
    "reclaim/control/parse.py": {
        "docker:NAME[,mode=stop|readonly][,url=URL][,engine=ADDRESS], probe:URL or command:FILE"
    },
    "reclaim/layout_index.py": {"it \0"},
    "reclaim/registry/repository.py": {"sibling \0:\0", "sibling \0@\0"},  # items of the journal
    "reclaim/registry/untag.py": {"untag \0 \0", "it was not taken", "it was not pushed"},  # of the journal
    "reclaim/restore.py": {"it \0\0"},
    "sources/cache.py": {"--cache is for storage on a local disk only.", "Cannot write the cache \0: \0."},
    "sources/in_use/kubernetes.py": {"Bearer \0"},
    "sources/registry_v2/auth.py": {"Bearer \0"},
    "sources/registry_v2/transfer.py": {"SSL routines", "unexpected eof"},
    "sources/stores/objects/bucket.py": {r"status code: (\d{3})"},
    "sources/stores/objects/lease.py": {" on \0"},
}
MODULES = sorted(str(path.relative_to(ROOT / "prune")) for path in (ROOT / "prune").glob("**/*.py"))
WORDS = "\n".join(re.sub(r"%\(\w+\)s", GAP, form) for form in FORMS)
#: What drawings say, which is asked for and not recognised.
LABELS = {*drawings.LABELS, *chain.from_iterable(drawings.COUNTED)}


def _is_known(text: str) -> bool:
    """A sentence is known when a form recognises it whole, and a part of one when forms have its words."""
    if text in LABELS:
        return True
    with override("de"):
        if said(text.replace(GAP, "X1")) != text.replace(GAP, "X1"):
            return True
    parts = [part for part in text.split(GAP) if len(part.strip(" ,.;:()")) > 2]
    return bool(parts) and all(part in WORDS for part in parts)


def test_whatever_the_engine_says_has_its_form():
    unknown = {}
    for module in MODULES:
        if not module.startswith(ELSEWHERE):
            new = {text for text in sentences_in(ROOT / "prune" / module) if not _is_known(text)}
            if new != LEFT.get(module, set()):
                unknown[module] = new ^ LEFT.get(module, set())
    assert unknown == {}, "Add a form to registryui/services/phrases, or the text to LEFT when nobody reads it."


def test_no_form_is_there_twice():
    assert sorted(FORMS) == sorted(set(FORMS))
