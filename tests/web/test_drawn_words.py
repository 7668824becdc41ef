"""Pages show drawings in the language of their reader."""

import re
import zlib
from xml.etree import ElementTree

import msgspec
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from prune.drawing import layout
from registryui.models import Image, TagSighting
from registryui.services import diagrams, proposals
from tests.drawing.test_diagram import positions
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


def test_what_stays_of_what_is_picked_is_told_in_german(family, client_of):  # noqa: F811
    page = client_of("proposer").get(addresses()[2], **GERMAN).content.decode()
    told = re.search(r'<ul class="plain why">.*?</ul>', page, re.DOTALL)[0]
    assert "brauchen es" in told
    assert "need it" not in told


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


@pytest.fixture
def proposed(family, people):  # noqa: F811
    return proposals.create(
        people["proposer"], family, ["team/app:v1", "team/app:v2"], title="", reason="", sweep=False
    )


def pages(proposal) -> list[str]:
    return [f"/proposals/{proposal.pk}/", f"/proposals/{proposal.pk}/plans/{proposal.plan_id}/"]


def test_what_was_decided_on_is_read_in_german_when_the_images_are_gone(proposed, client_of):
    Image.objects.all().delete()
    TagSighting.objects.all().delete()
    client = client_of("viewer")
    for address in pages(proposed):
        german = drawings(client.get(address, **GERMAN).content.decode())
        english = client.get(address).content.decode()
        assert proposed.plan.before in english, "English is what was kept."
        assert proposed.plan.after in english
        assert len(german) == 2
        for one, other in zip(german, drawings(english), strict=True):
            assert ENGLISH_WORDS.findall(re.sub(r"\S+[/:]\S+", "", one)) == []
            assert re.search(r"\d,\d [kMG]?B", one)
            assert re.findall(r"\b[0-9a-f]{12}\b|<\S+>", one) == re.findall(r"\b[0-9a-f]{12}\b|<\S+>", other)
    page = client.get(pages(proposed)[0], **GERMAN).content.decode()
    files = re.findall(r'href="([^"]+before\.dot)" download', page)
    assert "geht" in client.get(files[0], **GERMAN).content.decode()
    assert "goes" in client.get(files[0]).content.decode()


def test_german_pictures_of_a_proposal_are_on_the_same_positions(proposed, client_of):
    page = client_of("viewer").get(pages(proposed)[0], **GERMAN).content.decode()
    before, after = (positions(svg) for svg in re.findall(r'<svg class="graph".*?</svg>', page, re.DOTALL))
    before = {name.partition("-")[2]: where for name, where in before.items()}
    after = {name.partition("-")[2]: where for name, where in after.items()}
    assert after
    assert after.items() < before.items()


def test_a_drawing_that_was_kept_without_its_scene_says_that_it_is_english(request, client_of, monkeypatch):
    # As it was kept before there were any.
    monkeypatch.setattr(diagrams, "packed", lambda pair: zlib.compress(msgspec.msgpack.encode(pair.drawing)))
    proposed = request.getfixturevalue("proposed")
    client = client_of("viewer")
    for address in pages(proposed):
        page = client.get(address, **GERMAN).content.decode()
        assert page.count('<figure class="drawing" data-zoom="pair" lang="en"') == 2
        assert '"pair" lang="en"' not in client.get(address).content.decode()
        files = re.findall(r'href="([^"]+before\.dot)" download', page)
        assert "goes" in client.get(files[0], **GERMAN).content.decode()


def test_pages_of_proposals_ask_for_no_more_in_german(proposed, client_of):
    client = client_of("viewer")
    for address in pages(proposed):
        numbers = []
        for headers in ({}, GERMAN, GERMAN):
            with CaptureQueriesContext(connection) as asked:
                client.get(address, **headers)
            numbers.append(len(asked))
        assert len(set(numbers)) == 1


def test_without_graphviz_what_was_kept_is_shown(proposed, client_of, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    layout.forget()
    cache.clear()
    page = client_of("viewer").get(pages(proposed)[0], **GERMAN).content.decode()
    assert page.count('<figure class="drawing" data-zoom="pair" lang="en"') == 2
