"""The words of a drawing are those that it was given, and English without any."""

import re

import msgspec
import pytest

from prune.drawing.dot import to_dot
from prune.drawing.fate import Fates
from prune.drawing.scene import Scene, scene_of
from prune.drawing.words import ENGLISH, Words
from prune.graph.images import ImageGraph, Node
from prune.model.plan import Deletions, ManifestItem
from tests.drawing import cases


class Veiled(Words):
    """No language at all: what is said, with every letter of it veiled; values come in as they are."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def say(self, message, **values):
        self.said.add(message)
        return veil(message) % values

    def count(self, one, many, number, /, **values):
        self.said |= {one, many}
        return veil(one if number == 1 else many) % {"number": number, **values}

    def number(self, number):
        return f"{number}"

    def size(self, number):
        return f"{number} ж"

    def day(self, day):
        return day.replace("-", "/")

    def listed(self, names):
        return "+".join(names)

    def reason(self, sentence):
        return veil(sentence)


def veil(message: str) -> str:
    return "".join(part if part.startswith("%(") else re.sub("[A-Za-z]", "ж", part) for part in GAPS.split(message))


GAPS = re.compile(r"(%\(\w+\)s)")
#: What is no word: digests, platforms, names of repositories and tags.
NAMES = re.compile(r"\b(?:[0-9a-f]{12,}|linux/amd64|r\d?/?|v\d+)\b")


@pytest.mark.parametrize("drawn", [cases.images, cases.repositories])
def test_no_word_of_a_drawing_is_its_own(drawn):
    texts = cases.texts(drawn(Veiled()))
    assert len(texts) > 10
    assert [text for text in texts if re.search("[A-Za-z]", NAMES.sub("", text))] == []
    assert not any(re.search(r"\d\.\d|\d,\d|\d-\d", text) for text in texts), "a size, a number or a day of its own"


def test_english_is_what_is_said_without_words():
    texts = "\n".join(cases.texts(cases.images(ENGLISH)))
    for text in (
        "age unknown\ngoes",
        "and 3 more",
        "1,250 images",
        "4 more\n",
        "1 goes",
        "3 more indexes",
        "2 go",
        "5 attached",
        "referrer",
        "age unknown",
        "A pull fetches 4.2 MB. Created 2026-01-31",
        "1 of its 3 manifests goes. it is signed. nobody ever said this before",
        "2 of its 4 manifests go",
        "tag r:v0 (goes)",
        "tag r:v1 (asked to go)",
        "tag r:v20\n",
        "A chain of 1,250 images, 2 tags, 3.9 GB",
    ):
        assert text in texts
    texts = "\n".join(cases.texts(cases.repositories(ENGLISH)))
    for text in ("1 repository", "3 repositories", "3.1 MB\nby 1 image", "4.2 GB by 2000 images"):
        assert text in texts


def test_a_scene_can_be_kept_and_drawn_in_other_words():
    scene, fates = cases.seen()
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(scene), type=Scene)
    assert to_dot(kept, fates) == cases.images(ENGLISH)
    veiled = to_dot(kept, fates, Veiled())
    assert veiled == cases.images(Veiled())
    assert veiled.shapes.keys() == to_dot(kept, fates).shapes.keys()


@pytest.mark.parametrize("gone", [0, 1, 999, 1000, 2000])
def test_a_scene_keeps_of_many_places_those_that_tell_what_becomes_of_an_image(gone):
    ids = (cases.digest(1), cases.digest(2))
    places = tuple((f"r{number % 1000}", ids[number // 1000]) for number in range(2000))
    image = Node(ids[0], "image", ids, places)
    deleted = tuple(ManifestItem(*place) for place in places[:gone])
    fates = Fates(cases.planned(Deletions(manifests=deleted), (), ()))
    graph = ImageGraph({image.key: image}, ())
    scene = scene_of(graph, {}, fates)
    assert len(scene.graph.nodes[image.key].places) <= gone + 2
    assert to_dot(scene, fates) == to_dot(Scene(graph), fates)
