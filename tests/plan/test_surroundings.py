"""A plan made on the parts that it is about, against the same plan made on everything."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from prune.model.plan import Request
from prune.model.reference import Reference
from prune.model.snapshot import Problem, Snapshot
from prune.plan.make import make_plan
from prune.plan.surroundings import head_of, part_of, rest_of, surroundings_of, together
from tests.plan.snapshots import FRESH, NOW, OLD, v2_snapshots


@st.composite
def registries(draw) -> Snapshot:
    """What a registry can be, with links that no manifest explains and things that could not be read."""
    snapshot = draw(v2_snapshots())
    kind = draw(st.sampled_from(["storage-v2", "storage-v2", "oci-layout", "registry-v2"]))
    repositories = {}
    for name, repository in snapshot.repositories.items():
        links = dict(repository.layer_links)
        for blob in draw(st.lists(st.sampled_from(sorted(snapshot.blobs)), max_size=3)):
            links[blob] = draw(st.sampled_from([OLD, FRESH, None]))
        complete = draw(st.sampled_from([True, True, True, False]))
        repositories[name] = msgspec.structs.replace(repository, layer_links=links, complete=complete)
    broken = [name for name, repository in repositories.items() if not repository.complete]
    problems = [Problem(name, "cannot be read", "it stays", "repository", name) for name in broken]
    blocked = draw(st.sampled_from([False, False, False, False, True]))
    if blocked:
        problems.append(Problem("somewhere", "is odd", "nothing may go", "store"))
    return msgspec.structs.replace(
        snapshot,
        kind=kind,
        repositories=repositories,
        blobs=None if kind == "registry-v2" else snapshot.blobs,
        problems=tuple(problems),
    )


def references(snapshot: Snapshot) -> list[str]:
    found = ["none", "none:1"]
    for name, repository in snapshot.repositories.items():
        found += [name, f"{name}:none", *(f"{name}:{tag}" for tag in repository.tags)]
        found += [f"{name}@{digest}" for digest in repository.revisions]
    return found


@given(st.data())
def test_the_same_plan_to_the_byte(data):
    whole = data.draw(registries())
    refs = data.draw(st.lists(st.sampled_from(references(whole)), min_size=1, max_size=4, unique=True))
    request = Request(tuple(sorted(refs)), False, 3600)
    named = {Reference.parse(ref).repository for ref in refs}
    parts = [part_of(whole, name) for name in whole.repositories if name in named]
    on_parts = make_plan(together(head_of(whole), parts), request, now=NOW, around=surroundings_of(whole))
    assert on_parts.to_json() == make_plan(whole, request, now=NOW).to_json()


@given(registries())
def test_the_parts_and_the_rest_are_the_whole(whole):
    parts = [part_of(whole, name) for name in whole.repositories]
    assert together(rest_of(whole, parts), parts) == whole
    surroundings = surroundings_of(whole)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(surroundings), type=type(surroundings)) == surroundings
