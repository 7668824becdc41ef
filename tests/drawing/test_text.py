"""The drawings of the seed, character for character, from real V1 stores."""

import time

import pytest

from prune.cli import main
from prune.drawing.text import render_text
from prune.graph.images import image_graph
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.sources.open import open_source
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, seed_branch, seed_chain

CHAIN = r"""
 A <- B <- C <- D
           |    |
           |    <version2>
           |    <latest>
           <version1>
"""
CHAIN_AFTER = r"""
 A <- B <- C <- D
                |
                <version2>
                <latest>
"""
BRANCH = r"""
 A <- B <--------- D
      \            |
       \           <version2>
        \          <latest>
         \ <- C
              |
              <version1>
"""
BRANCH_AFTER = r"""
 A <- B <- D
           |
           <version2>
           <latest>
"""


def draw(store: V1Store) -> str:
    text = render_text(image_graph(open_source(store.source).scan()), lambda node: node.key[0].upper())
    heading, _, picture = text.partition("\n")
    assert heading == "library/seed"
    return "\n" + picture + "\n"


@pytest.mark.parametrize(
    ("fill", "before", "after"), [(seed_chain, CHAIN, CHAIN_AFTER), (seed_branch, BRANCH, BRANCH_AFTER)]
)
def test_the_four_pictures_of_the_seed(tmp_path, fill, before, after):
    store = V1Store(tmp_path)
    fill(store)
    assert draw(store) == before
    source = open_source(store.source)
    plan = make_plan(source.scan(), Request(("library/seed:version1",)), now=int(time.time()))
    apply(source, plan, stopped="test")
    assert draw(store) == after


def test_the_command_prints_the_first_digits_of_ids(tmp_path, capsys):
    store = V1Store(tmp_path)
    seed_branch(store)
    assert main(["tree", store.source]) == 0
    out = capsys.readouterr().out
    assert "aaaaaaaaaaaa <- bbbbbbbbbbbb <" in out
    assert out.index("bbbbbbbbbbbb") < out.index("cccccccccccc")
    for tag in ("<version1>", "<version2>", "<latest>"):
        assert tag in out


def test_several_branches_and_repositories(tmp_path):
    store = V1Store(tmp_path)
    seed_branch(store)
    for letter, parent in (("E", "B"), ("F", "E"), ("0", "B")):
        store.image(letter, parent)
    store.tag("library/seed", "base", "B")
    store.tag("team/x", "f", "F")
    store.image("9")
    text = render_text(image_graph(open_source(store.source).scan()), lambda node: node.key[0].upper())
    assert (
        text
        == r"""library/seed and team/x
 A <- B <------------ D
      ||              |
      ||              <library/seed:version2>
      ||              <library/seed:latest>
      |\ <- F
""".replace("F", "C")
        + r"""      ||    |
      ||    <library/seed:version1>
      |\ <- E <- F
      ||         |
      ||         <team/x:f>
      |\ <- 0
      <library/seed:base>

(no tag)
 9"""
    )


def test_v2_images_by_their_layers_with_indexes_and_signatures(tmp_path):
    store = fill(V2Store(tmp_path))
    text = render_text(image_graph(open_source(store.source).scan()))
    assert "<multi:1 linux/amd64>" in text
    assert "<1 linux/arm64>" in text
    assert " contains " in text
    assert " belongs to " in text
    (line,) = [line for line in text.split("\n") if " <--" in line]
    assert line.count("<-") == 2


def test_a_chain_of_thousands_is_no_trouble(tmp_path):
    from prune.graph.images import ImageGraph, Node

    nodes = {}
    for number in range(5000):
        key = f"{number:064}"
        parent = f"{number - 1:064}" if number else None
        nodes[key] = Node(key=key, kind="image", ids=(key,), parent=parent, tags=(("r", f"t{number}"),))
    text = render_text(ImageGraph(nodes, ("r",)), lambda node: node.key[-4:])
    assert text.split("\n")[1].startswith(" 0000 <- 0001 <- 0002")


def test_deep_branches_begin_a_drawing_of_their_own():
    from prune.graph.images import ImageGraph, Node

    nodes, parent = {}, None
    for number in range(300):
        main_key, side = f"{number:04}a", f"{number:04}b"
        nodes[main_key] = Node(key=main_key, kind="image", ids=(main_key,), parent=parent, tags=(("r", "zz"),))
        nodes[side] = Node(key=side, kind="image", ids=(side,), parent=parent)
        parent = side
    text = render_text(ImageGraph(nodes, ("r",)), lambda node: node.key)
    assert all(key in text for key in nodes)


def test_nothing_in_a_name_steers_the_terminal():
    from prune.graph.images import ImageGraph, Node

    node = Node(key="k", kind="image", ids=("k",), tags=(("r", "a\x1b[2Jb\u202e"),))
    text = render_text(ImageGraph({"k": node}, ("r",)))
    assert "\x1b" not in text
    assert "\u202e" not in text
