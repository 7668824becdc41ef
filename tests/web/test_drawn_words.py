"""Pages show drawings in the language of their reader."""

import re
from xml.etree import ElementTree

import pytest
from django.core.cache import cache

from prune.drawing import layout
from registryui.services import diagrams
from tests.languages.test_labels import ENGLISH_WORDS
from tests.web.test_graphs import digest_of, family  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de"}


@pytest.fixture(autouse=True)
def forget():
    cache.clear()


def drawings(page: str) -> list[str]:
    """The texts of each drawing on a page, without its title and description."""
    found = []
    for svg in re.findall(r'<svg class="graph".*?</svg>', page, re.DOTALL):
        root = ElementTree.fromstring(svg)
        found.append("\n".join(text for group in root.iter("g") for text in group.itertext()))
        found[-1] += "\n".join(link.get("aria-label") for link in root.iter("a"))
    return found


def addresses() -> list[str]:
    return [
        "/r/family/repositories/team/app/?tab=graph",
        "/r/family/repositories/team/app/?tab=graph&colour=age",
        "/r/family/repositories/team/app/?tab=graph&pick=team/app:v1&pick=team/app:v2",
        f"/r/family/images/{digest_of('base/os', '1')}/graph/",
        "/r/family/graph/",
        "/r/family/propose/?ref=team/app:v1",
    ]


def test_drawings_speak_the_language_of_their_reader(family, client_of):  # noqa: F811
    client = client_of("proposer")
    for address in addresses():
        german = drawings(client.get(address, **GERMAN).content.decode())
        english = drawings(client.get(address).content.decode())
        assert german
        assert len(english) == len(german)
        for one, other in zip(german, english, strict=True):
            assert ENGLISH_WORDS.findall(re.sub(r"\S+[/:]\S+", "", one)) == []
            assert re.search(r"\d,\d [kMG]?B", one)
            assert ENGLISH_WORDS.search(other)
            assert re.search(r"\d\.\d [kMG]?B", other)


def test_readers_of_two_languages_do_not_get_each_others_drawing(family, client_of, monkeypatch):  # noqa: F811
    client = client_of("proposer")
    first = [drawings(client.get(one, **GERMAN).content.decode()) for one in addresses()]
    other = [drawings(client.get(one).content.decode()) for one in addresses()]
    made = []
    monkeypatch.setattr(diagrams, "render_inline", lambda *a, **k: made.append(a))
    assert [drawings(client.get(one, **GERMAN).content.decode()) for one in addresses()] == first
    assert [drawings(client.get(one).content.decode()) for one in addresses()] == other
    assert made == [], "Both are kept."


def test_files_of_drawings_speak_it_too(family, client_of):  # noqa: F811
    client = client_of("viewer")
    for address in ("/r/family/repositories/team/app/graph.dot", "/r/family/graph.dot"):
        assert re.search(r"\d,\d [kM]B", client.get(address, **GERMAN).content.decode())
        assert re.search(r"\d\.\d [kM]B", client.get(address).content.decode())


def test_why_there_is_no_drawing_is_said_in_german(family, client_of, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PATH", "/nowhere")
    layout.forget()
    page = client_of("viewer").get("/r/family/repositories/team/app/?tab=graph", **GERMAN).content.decode()
    assert "Graphviz ist nicht installiert" in page
    assert "Graphviz is not installed" not in page
