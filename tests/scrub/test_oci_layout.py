"""What is damaged in an OCI layout is found, named, and nothing else is."""

import json
import time

import pytest

from prune.cli import main
from prune.scrub.scrub import scrub
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.stores import tree


@pytest.fixture
def layout(tmp_path) -> Layout:
    made = Layout(tmp_path / "shop")
    base, top = made.layer("base"), made.layer("top")
    made.one = made.image(base, top, tag="1.0")
    made.two = made.image(base, tag="2.0")
    made.children = [made.image(base, architecture=architecture) for architecture in ("amd64", "arm64")]
    made.multi = made.index(*made.children, tag="multi")
    made.artifact(made.two, "signature")
    made.base, made.top = base[0]["digest"], top[0]["digest"]
    made.unneeded = made.blob(b"nothing needs this")["digest"]
    return made


def scrubbed(layout: Layout, **options):
    before = tree(layout.root)
    found = scrub(open_source(layout.source), now=int(time.time()), **options)
    assert tree(layout.root) == before
    return found


def faults(layout: Layout, **options) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(fault.kind, fault.item): fault.images for fault in scrubbed(layout, **options).faults}


def spoil(layout: Layout, digest: str) -> None:
    path = layout.path(digest)
    path.write_bytes(b"X" + path.read_bytes()[1:])


def test_a_whole_one_is_good_and_was_read_whole(layout):
    found = scrubbed(layout)
    assert (found.state, found.faults, found.depth, found.kind) == ("good", (), "full", "oci-layout")
    files = list((layout.root / "blobs/sha256").iterdir())
    assert (found.blobs, found.hashed) == (len(files), len(files))
    assert found.hashed_bytes == sum(file.stat().st_size for file in files)
    assert (found.tags, found.repositories) == (3, 1)
    # An archive of `docker save` as well is not cleaned, and nothing is wrong with it.
    (layout.root / "manifest.json").write_text("[]")
    assert scrubbed(layout).state == "good"


def test_a_missing_layer_names_every_image_that_needs_it(layout):
    layout.path(layout.top).unlink()
    assert faults(layout) == {("missing-blob", layout.top): ("shop:1.0",)}
    layout.path(layout.base).unlink()
    found = faults(layout, depth="sizes")
    assert set(found) == {("missing-blob", layout.top), ("missing-blob", layout.base)}
    assert {"shop:1.0", "shop:2.0", "shop:multi"} <= set(found["missing-blob", layout.base])


def test_a_missing_manifest_is_one_fault_of_its_tag(layout):
    layout.path(layout.one["digest"]).unlink()
    found = faults(layout)
    assert found["missing-blob", layout.one["digest"]] == ("shop:1.0",)
    assert {kind for kind, _ in found} == {"missing-blob"}


def test_a_missing_child_breaks_its_index(layout):
    child = layout.children[1]["digest"]
    layout.path(child).unlink()
    found = faults(layout)
    index = f"shop@{layout.multi['digest']}"
    assert set(found) == {("missing-blob", child), ("broken-index", index)}
    assert found["broken-index", index] == ("shop:multi",)


@pytest.mark.parametrize("depth", ["full", "sampled"])
def test_content_that_is_not_what_its_digest_says(layout, depth):
    spoil(layout, layout.top)
    spoil(layout, layout.unneeded)
    assert faults(layout, depth=depth) == {
        ("wrong-digest", layout.top): ("shop:1.0",),
        ("wrong-digest", layout.unneeded): (),
    }
    assert scrubbed(layout, depth="sizes").state == "good"


def test_a_layer_cut_short(layout):
    path = layout.path(layout.top)
    path.write_bytes(path.read_bytes()[:-1])
    found = faults(layout)
    assert {item for _, item in found} == {layout.top}
    assert scrubbed(layout, depth="sizes").state == "bad"


@pytest.mark.parametrize("text", ["", "[]", '{"schemaVersion": 2}', '{"manifests": [{"digest": "sha256:12"}]}'])
def test_an_index_that_is_none(layout, text):
    (layout.root / "index.json").write_text(text)
    found = scrubbed(layout)
    assert found.state == "bad"
    assert [(fault.kind, fault.item) for fault in found.faults] == [("broken-index", "index.json")]


def test_no_index_at_all(layout):
    (layout.root / "index.json").unlink()
    assert [(fault.kind, fault.what) for fault in scrubbed(layout).faults] == [("broken-index", "is missing")]


def test_the_command(layout, capsys):
    assert main(("scrub", layout.source, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "good"
    spoil(layout, layout.top)
    assert main(("scrub", layout.source, "--json")) == 5
    assert json.loads(capsys.readouterr().out)["counts"]["wrong-digest"] == 1
