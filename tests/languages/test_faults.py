"""What is wrong with the text of a policy is said in German, all of it but keys, operators and what was written."""

import re

import pytest
from django.utils.translation import override

from prune.policy.faults import PolicyError
from prune.policy.read import parse_policy
from registryui.services.phrases import parsers, texts
from registryui.services.sentences import said
from registryui.templatetags import show
from tests.languages.spoken import ROOT
from tests.policy.test_bad_input import FAULTS

#: What tests/policy has no need to tell apart.
MORE = [
    "3",
    "true",
    "description: 3",
    "description: [x]",
    "schedule: x",
    "guards: null",
    "schedule: {tz: UTC}",
    "? [a]\n: b",
    "keep: [null]",
    "\x07",
    b"keep: \xff\xfe",
    "#" * (1024 * 1024 + 1),
    "delete:\n" + "- {tag: a}\n" * 1001,
    "scope: {include: x}",
    "keep: [{newest: 3}]",
    "keep: [{newest: {n: 1, count: x}}]",
    "keep: [{semver: {newest: 0}}]",
    "keep: [{semver: {per: x}}]",
    "keep: [{semver: {prerelease: x}}]",
    "keep: [{semver: {range: ''}}]",
    "keep: [{semver: {range: '01.2'}}]",
    "keep: [{semver: {range: '!=1'}}]",
    "keep: [{semver: {range: '!=*'}}]",
    f"keep: [{{semver: {{range: '{'1 ' * 501}'}}}}]",
    "schedule: {cron: '* * *'}",
    "schedule: {cron: '* x * * *'}",
    "schedule: {cron: '* * * 13 *'}",
    "schedule: {cron: '* * * * 9'}",
    "schedule: {cron: '0 0 */20 * 1#2'}",
    *(f"delete: [{{tag: '{one}'}}]" for one in ("a)", "\\", "[b-a]", "[[:x:]]", "*a", "a**", "a{2000}", "(?P<a")),
    # other ways not to be YAML
    "a: b: c", "[? a ? b", "- [a", "{a", "- a\nb", " - a\n- b", "- - a\n - b", "a: 'x' y", "delete: 'x", "- a: - b",
    '"a\n---\nb"', "a: &", "a: |x", "a: |0\n x", "|\n\ta", 'a: "\\q"', 'a: "\\xzz"', 'a: "\\ud800"', "a: !<x",
    "!x!y a", "%FOO", "%TAG", "%YAML x",
]  # fmt: skip
#: In German none of these is a word.
ENGLISH = re.compile(
    r"\b(the|and|or|of|with|is|are|be|not|no|must|which|this|here|write|at|found|missing|bad)\b", re.I
)
#: What is read as it was written, and the lists of words that may be.
VERBATIM = re.compile(r"""'.*?'|".*?"|\(.*?\): |bekannt sind hier .*|(delete|keep|protect)-\w+|[-\w]+: \S+|null""")
#: What no text brings about as things are: checks that other checks come before.
NEVER = {
    "%(quoted)s cannot be %(value)s; write one that is documented.",
    "%(quoted)s is no pre-release",
}


def faults_of(text):
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    return caught.value


@pytest.fixture(scope="module")
def everything():
    return [faults_of(text) for text in [*(fault[0] for fault in FAULTS), *MORE]]


def test_every_fault_is_german_to_its_last_word(everything):
    english = []
    with override("de"):
        for error in everything:
            for text in [str(error), *(fault.message for fault in error.faults)]:
                german = show.said(text)
                if 'lang="en"' in german or ENGLISH.search(VERBATIM.sub("", said(text))):
                    english.append(said(text)[:300])
    assert english == []


def test_every_form_of_a_fault_is_among_them(everything):
    spoken = "\n".join(text for error in everything for text in [str(error), *(one.message for one in error.faults)])
    missing = []
    for form in (*texts.FORMS, *parsers.FORMS):
        parts = [re.escape(part) for part in re.split(r"%\(\w+\)s", form)]
        if not re.search(".+".join(parts), spoken):
            missing.append(form)
    assert set(missing) - set(parsers.FORMS) - {texts.FRAMES[-1]} == NEVER
    assert len(missing) < len(parsers.FORMS) / 2


@pytest.mark.parametrize(
    ("text", "german"),
    [
        (
            "delete: [{older: 3}]\nkeep: [{}]",
            "Die Richtlinie ist nicht zu gebrauchen: Zeile 1, delete[0].older: Einen Schlüssel 'older' gibt es hier "
            "nicht; meinten Sie 'older_than'?",
        ),
        (
            "delete:\n- tag: (?!a)\n- tag: ' '",
            "Die Richtlinie ist nicht zu gebrauchen: Zeile 2, delete[0].tag: '(?!a)' ist kein Muster von RE2 (ein "
            "Operator von Perl: (?!): es kann nicht vorausschauen; nehmen Sie not_tag oder eine keep-Regel. "
            "(und 1 weitere)",
        ),
        (
            "delete:\n- [a\n",
            "Die Richtlinie ist nicht zu gebrauchen: Zeile 3: Das ist kein YAML (es fehlt ',' oder ']'); prüfen Sie "
            "Einrückung, Anführungszeichen und Klammern.",
        ),
    ],
)
def test_a_fault_in_its_frame(text, german):
    error = faults_of(text)
    assert said(str(error)) == str(error)
    with override("de"):
        assert said(str(error)) == german
        kept = f"What Seed protects cannot be read, so no policy is used there: {error}"
        assert said(kept) == f"Was Seed schützt, ist nicht zu lesen, darum gilt dort keine Richtlinie: {german}"


def test_what_only_the_command_says_has_no_page():
    """The day a page shows them they need their forms: see ELSEWHERE in test_sentences.py."""
    for path in (ROOT / "registryui").glob("**/*.py"):
        assert not re.search(r"prune\.policy(\.| import )(explain|importers)", path.read_text()), path
