"""Every string of the pages is marked, collected, and translated."""

import ast
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest

from registryui.catalogs import LOCALE, compile_catalogs
from registryui.words import NOUNS, SCRIPTS

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").glob("**/*.html"))
CODE = sorted((ROOT / "registryui").glob("**/*.py"))
CATALOGS = sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))

#: Names, and units that are the same everywhere.
NAMES = {"registryui", "· registryui", "registryui -", "CSV", "JSON", "config.yml", "s"}


def messages(path: Path) -> dict[tuple[str, str | None, str], polib.POEntry]:
    return {
        (entry.msgid, entry.msgctxt, entry.msgid_plural): entry
        for entry in polib.pofile(str(path))
        if not entry.obsolete
    }


def texts(entry: polib.POEntry) -> list[tuple[str, str]]:
    """The message and its translation; of a plural each form."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    forms = [text for _, text in sorted(entry.msgstr_plural.items())]
    return [(entry.msgid, forms[0]), *((entry.msgid_plural, form) for form in forms[1:])]


@pytest.fixture(params=CATALOGS, ids=[path.parts[-3] for path in CATALOGS])
def catalog(request):
    return request.param


def test_there_is_a_translation():
    assert [path.parts[-3] for path in CATALOGS] == ["de"]


def test_everything_is_translated(catalog):
    missing = [entry.msgid for entry in messages(catalog).values() if not entry.translated() or entry.fuzzy]
    assert not missing, f"Run `make messages`, then translate in {catalog.relative_to(ROOT)}: {missing}"


def test_the_catalog_has_exactly_what_is_said(catalog, tmp_path):
    """Collects once more, beside the project, and compares."""
    for folder in ("templates", "registryui"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("locale", "migrations", "__pycache__")
        )
    (tmp_path / "locale").mkdir()
    # Where a catalog lies decides which one is written to; there is one only.
    program = (
        "import django.conf, django.core.management as m; django.conf.settings.configure(LOCALE_PATHS=['locale']);"
        "from registryui.management.commands.makemessages import Command;"
        "m.call_command(Command(), locale=['xx'], verbosity=0)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    said = set(messages(tmp_path / "locale" / "xx" / "LC_MESSAGES" / "django.po"))
    known = set(messages(catalog))
    new, gone = sorted(said - known), sorted(known - said)
    assert not new, f"Run `make messages`, then translate in {catalog.relative_to(ROOT)}: {new}"
    assert not gone, f"Run `make messages`: nothing says these any more: {gone}"


def test_translations_have_the_values_and_the_marks_of_their_messages(catalog):
    def marks(text: str) -> list[str]:
        found = re.findall(r"%\(\w+\)[sd]|\{\w*\}|</?\w+[^>]*>|`[^`]*`|\*\*", text)
        return sorted(found)

    wrong = {}
    for entry in messages(catalog).values():
        for message, text in texts(entry):
            if marks(message) != marks(text):
                wrong[message] = text
    assert not wrong


def test_translations_fit_where_their_messages_stand(catalog):
    """In attributes a straight quote would end them; what ends as a sentence, goes on so."""
    for entry in messages(catalog).values():
        for message, text in texts(entry):
            assert ('"' in text) <= ('"' in message), text
            assert text == text.strip() or message != message.strip(), text
            assert message.endswith(".") == text.endswith("."), text


def test_compiling_takes_what_has_changed_only(tmp_path):
    folder = tmp_path / "xx" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text('msgid ""\nmsgstr "Language: xx\\n"\n\nmsgid "Tag"\nmsgstr "Etikett"\n')
    assert compile_catalogs(tmp_path) == [folder / "django.mo"]
    assert b"Etikett" in (folder / "django.mo").read_bytes()
    assert compile_catalogs(tmp_path) == []
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


class Unmarked(HTMLParser):
    """Collects what people read in HTML from which everything of Django's was taken out."""

    READ = ("aria-label", "title", "placeholder", "alt", "data-label")
    QUIET = ("code", "kbd", "pre", "script", "style", "svg")

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in self.READ]
        if tag in self.QUIET:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.found.append(data)


def unmarked(text: str) -> list[str]:
    text = re.sub(r"{% comment .*?endcomment %}|{% blocktranslate\b.*?{% endblocktranslate %}", "", text, flags=re.S)
    parser = Unmarked()
    parser.feed(re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", "", text, flags=re.S))
    return [one for one in map(str.strip, parser.found) if re.search(r"[A-Za-z]", one) and one not in NAMES]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_says_anything_that_cannot_be_translated(path):
    text = path.read_text()
    assert not unmarked(text), "Put it into {% translate %} or {% blocktranslate trimmed %}."
    given = re.findall(r'\b(?:label|title|every)="([^"{}]*[A-Za-z][^"{}]*)"', " ".join(re.findall("{%.*?%}", text)))
    assert not given, 'Give it as label=_("…").'


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_is_counted_in_templates_has_its_plural(path):
    counted = set(re.findall(r"counted:[\"']([^\"']*)[\"']", path.read_text()))
    assert counted <= set(NOUNS), "Add the noun to NOUNS in registryui/words.py."


def test_the_search_for_unmarked_text_finds_some():
    assert unmarked('<p title="Here">{% translate "Yes" %} {{ name }} said <code>x</code></p>') == ["Here", "said"]
    assert unmarked("<p>{% blocktranslate %}All of <b>it</b>{% endblocktranslate %} · registryui</p>") == []


def _literal(node: ast.expr) -> bool:
    """Tell whether it is a text with letters, or put together with one."""
    if isinstance(node, ast.JoinedStr):
        return any(_literal(part) for part in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and any(map(str.isalpha, node.value))


def spoken(tree: ast.AST) -> list[str]:
    """What Python says to people without marking it."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        first = node.args[:1]
        if name in ("NotNow", "Moved") and first and isinstance(first[0], ast.JoinedStr):
            found.append(ast.unparse(first[0]))
        if owner == "messages" and name in ("success", "error", "info", "warning"):
            found += [ast.unparse(one) for one in node.args[1:2] if _literal(one)]
        if name == "ValidationError" or name == "add_error":
            found += [ast.unparse(one) for one in node.args[-1:] if _literal(one)]
        if name.endswith("Field"):
            found += [ast.unparse(one.value) for one in node.keywords if one.arg == "label" and _literal(one.value)]
    return found


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT / "registryui")))
def test_python_marks_what_it_says_to_people(path):
    """Values are put into a marked message (``NotNow("…%(name)s…", name=…)``), never into an f-string."""
    assert not spoken(ast.parse(path.read_text()))


def test_scripts_say_what_pages_carry():
    said, raw = set(), []
    for path in (ROOT / "static" / "js").glob("*.js"):
        text = path.read_text()
        said |= {one[1] for one in re.findall(r"""\bsay\((["'])(.*?)\1""", text)}
        raw += re.findall(
            r"""(?:textContent|\.title|placeholder)\s*=\s*["'`]([^"'`]*[A-Za-z]{2}[^"'`]*)["'`]""", text
        )
        raw += re.findall(r"""setAttribute\("(?:aria-label|title)",\s*["'`]([^"'`]*[A-Za-z][^"'`]*)""", text)
    assert not raw, 'Let scripts say("it"), and add it to SCRIPTS in registryui/words.py.'
    assert said == set(SCRIPTS)
