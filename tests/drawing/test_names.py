"""Short names of images tell them apart."""

from hypothesis import given
from hypothesis import strategies as st

from prune.drawing.names import DIGITS, Names
from prune.drawing.text import render_text
from prune.graph.images import ImageGraph, Node


def graph_of(*ids: str) -> ImageGraph:
    return ImageGraph({id_: Node(key=id_, kind="image", ids=(id_,)) for id_ in ids}, ("r",))


@given(st.lists(st.text("0f", min_size=16, max_size=16), unique=True, min_size=1, max_size=12))
def test_names_are_beginnings_and_never_the_same(hexes):
    ids = [f"sha256:{'0' * 11}{hex_}{'0' * 37}" for hex_ in hexes]
    names = Names(graph_of(*ids))
    shown = [names.of(id_) for id_ in ids]
    assert len(set(shown)) == len(ids)
    for id_, name in zip(ids, shown, strict=True):
        assert id_.removeprefix("sha256:").startswith(name)
        assert len(name) >= DIGITS
        others = [other.removeprefix("sha256:") for other in ids if other != id_]
        assert not any(other.startswith(name) for other in others)
        # No longer than it must be.
        assert len(name) == DIGITS or any(other.startswith(name[:-1]) for other in others)


def test_twelve_digits_unless_two_begin_alike():
    alike = ("a" * 13 + "0" * 51, "a" * 13 + "1" * 51, "b" * 64)
    text = render_text(graph_of(*alike))
    assert f" {'a' * 13}0\n" in text
    assert f" {'a' * 13}1\n" in text
    assert text.endswith(f" {'b' * 12}")


def test_every_alias_is_named():
    ids = tuple(f"sha256:{letter * 64}" for letter in "abcde")
    text = render_text(ImageGraph({"k": Node(key="k", kind="image", ids=ids)}, ("r",)))
    assert f" {'a' * 12}={'b' * 12}={'c' * 12}=+2\n" in text
    assert f"has the same layers as {'d' * 12} and {'e' * 12}" in text
