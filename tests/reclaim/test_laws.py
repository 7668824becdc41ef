"""On random stores: apply removes exactly what the plan says, and apply with restore is the identity."""

import shutil
import tempfile
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from prune.model.plan import Request, read_plan
from prune.model.snapshot import Repository
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.oci_layout.index import REF_NAME
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.reclaim.naive import layout_pulled, pulled, v1_pulled
from tests.stores import V1Store, V2Store, age, data_bytes, tree


@st.composite
def v2_stores(draw):
    """Instructions: what to push, one after another."""
    steps = []
    for number in range(draw(st.integers(1, 7))):
        repo = draw(st.sampled_from(["a", "a/b", "c"]))
        tags = draw(st.sampled_from([(), (f"t{number}",), (f"t{number}", "latest")]))
        kind = draw(st.sampled_from(["image", "image", "index", "signature", "copy"]))
        steps.append((kind, repo, tags, draw(st.sets(st.integers(0, 3), max_size=3)), draw(st.integers(0, 6))))
    return steps


def build(steps, root: Path) -> V2Store:
    store = V2Store(root)
    layers = [store.layer() for _ in range(4)]
    here: dict[str, list[str]] = {}
    for kind, repo, tags, which, other in steps:
        made = here.setdefault(repo, [])
        if kind == "index" and made:
            new = store.index(repo, *tags, children=[made[other % len(made)]])
        elif kind == "signature" and made:
            subject = made[other % len(made)]
            new = store.image(repo, *([f"{subject.replace(':', '-')}.sig"] if other % 2 else []), subject=subject)
        elif kind == "copy" and (everywhere := [m for name in sorted(here) for m in here[name]]):
            new = everywhere[other % len(everywhere)]
            store.link(repo, new, *tags)
            document = store.blob_path(new).read_bytes()
            if b'"manifests"' in document:
                continue
        else:
            new = store.image(repo, *tags, layers=[layers[n] for n in sorted(which)])
        made.append(new)
    store.layer(50)
    age(root)
    return store


@settings(max_examples=60, deadline=None)
@given(v2_stores(), st.data())
def test_v2(steps, data):
    root = Path(tempfile.mkdtemp())
    try:
        store = build(steps, root)
        source = open_source(store.source)
        snapshot = source.scan()
        names = sorted(snapshot.repositories)
        refs = [*names, *(f"{n}:{t}" for n in names for t in snapshot.repositories[n].tags)]
        refs += [f"{n}@{d}" for n in names for d in snapshot.repositories[n].revisions]
        chosen = data.draw(st.lists(st.sampled_from(refs), max_size=3, unique=True))
        empty = data.draw(st.sampled_from([UNSET, True]))
        request = Request(tuple(sorted(chosen)), data.draw(st.booleans()), grace=3600, empty_repositories=empty)
        plan = make_plan(snapshot, request, now=int(time.time()))
        assert read_plan(plan.to_json()) == plan
        before, size = tree(root), data_bytes(root)
        whole = pulled(store) if snapshot.complete else {}
        outcome = apply(source, plan, stopped="test")
        assert outcome.state == "done", outcome
        assert size - data_bytes(root) == plan.freed_bytes
        gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
        if request.sweep and empty is True and snapshot.complete:
            folders = store.base.glob("repositories/**/_manifests")
            assert all(any(folder.rglob("link")) for folder in folders), "a repository is left with nothing in it"
        if snapshot.complete:
            assert pulled(store) == {key: what for key, what in whole.items() if key not in gone}
        assert restore(open_source(store.source), outcome.run).state == "done"
        assert tree(root) == before
    finally:
        shutil.rmtree(root)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1, 7), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(["v1", "v2", "latest"]), st.integers(0, 7), min_size=1),
    st.data(),
)
def test_v1(parents, tags, data):
    root = Path(tempfile.mkdtemp())
    try:
        store = V1Store(root)
        letters = "abcdef01"[: len(parents)]
        for number, parent in enumerate(parents):
            store.image(letters[number], letters[parent % number] if number and parent >= 0 else None)
        for tag, image in tags.items():
            store.tag("library/x", tag, letters[image % len(letters)])
        store.tag("team/y", "keep", letters[0])
        store.index("library/x", *letters)
        age(root)
        source = open_source(store.source)
        refs = ["library/x", *(f"library/x:{tag}" for tag in tags)]
        chosen = data.draw(st.lists(st.sampled_from(refs), max_size=3, unique=True))
        plan = make_plan(
            source.scan(), Request(tuple(sorted(chosen)), data.draw(st.booleans())), now=int(time.time())
        )
        before, whole, size = tree(root), v1_pulled(root), data_bytes(root, "layer")
        outcome = apply(source, plan, stopped="test")
        assert outcome.state == "done"
        assert size - data_bytes(root, "layer") == plan.freed_bytes
        gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
        assert v1_pulled(root) == {key: what for key, what in whole.items() if key not in gone}
        assert restore(open_source(store.source), outcome.run).state == "done"
        assert tree(root) == before
    finally:
        shutil.rmtree(root)


NAMES = (None, "1", "2", "team/app:1", "team/app:2", "other:1")


@st.composite
def layouts(draw):
    """Instructions: what to put into a layout, one after another, each with a name of its own or none."""
    kinds = st.sampled_from(["image", "image", "index", "referrer", "again"])
    names = draw(st.permutations(NAMES * 2))
    return [
        (draw(kinds), names[number], draw(st.sets(st.integers(0, 3), max_size=3)), draw(st.integers(0, 6)))
        for number in range(draw(st.integers(1, 7)))
    ]


def build_layout(steps, root: Path) -> Layout:
    layout = Layout(root)
    layers = [layout.layer(str(number), 50) for number in range(4)]
    made: list[dict] = []
    given: set[str] = set()
    for number, (kind, name, which, other) in enumerate(steps):
        if kind == "index" and made:
            new = layout.index(made[other % len(made)], tag=None)
        elif kind == "referrer" and made:
            new = layout.artifact(made[other % len(made)], f"artifact {number}", entry=False)
        elif kind == "again" and made:
            new = made[other % len(made)]
        else:
            new = layout.image(*(layers[n] for n in sorted(which)), number=str(number))
        made.append(new)
        named = {"annotations": {REF_NAME: name}} if name and name not in given else {}
        given.add(name)
        layout.entry({key: new[key] for key in ("mediaType", "digest", "size")} | named)
    layout.blob(b"loose")
    age(root)
    return layout


@settings(max_examples=80, deadline=None)
@given(layouts(), st.data())
def test_oci_layouts(steps, data):
    folder = Path(tempfile.mkdtemp())
    try:
        layout = build_layout(steps, folder / "home")
        source = open_source(layout.source)
        snapshot = source.scan()
        assert snapshot.complete
        names = sorted(snapshot.repositories)
        refs = [*names, *(f"{n}:{t}" for n in names for t in snapshot.repositories[n].tags)]
        chosen = data.draw(st.lists(st.sampled_from(refs), max_size=3, unique=True))
        request = Request(tuple(sorted(chosen)), data.draw(st.booleans()), grace=3600)
        plan = make_plan(snapshot, request, now=int(time.time()))
        index = (layout.root / "index.json").read_bytes()
        before, whole = blobs_of(layout), layout_pulled(layout.root)
        outcome = apply(source, plan, stopped="test")
        assert outcome.state == "done", outcome
        gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
        assert layout_pulled(layout.root) == {key: what for key, what in whole.items() if key not in gone}
        left = blobs_of(layout)
        assert sum(map(len, before.values())) - sum(map(len, left.values())) == plan.freed_bytes
        after = source.scan()
        assert after.complete
        for name, repository in snapshot.repositories.items():
            here = after.repositories.get(name, Repository(name))
            taken = {one.digest for one in plan.delete.manifests if one.repository == name}
            assert here.tags.items() == {(tag, at) for tag, at in repository.tags.items() if (name, tag) not in gone}
            assert here.revisions.keys() >= repository.revisions.keys() - taken
        assert restore(open_source(layout.source), outcome.run).state == "done"
        assert (blobs_of(layout), (layout.root / "index.json").read_bytes()) == (before, index)
    finally:
        shutil.rmtree(folder)


def blobs_of(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.root.glob("blobs/sha256/*")}
