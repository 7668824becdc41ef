"""Laws that every plan obeys, on random registries, against an oracle that tries every possibility."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from prune.model.plan import Request, read_plan
from prune.model.snapshot import Snapshot
from prune.plan.drift import check
from prune.plan.make import make_plan
from tests.plan.oracle import expected_v1, expected_v2, needed
from tests.plan.snapshots import NOW, requests, v1_snapshots, v2_snapshots


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_v2_plan_is_what_the_oracle_says(data):
    snapshot = data.draw(v2_snapshots())
    refs = data.draw(requests(snapshot))
    plan = make_plan(snapshot, Request(refs), now=NOW)
    tags, manifests, blobs, refused = expected_v2(snapshot, refs)
    assert {(t.repository, t.tag) for t in plan.delete.tags} == tags
    assert {(m.repository, m.digest) for m in plan.delete.manifests} == manifests
    assert {b.digest for b in plan.delete.blobs} == blobs
    assert {r.ref for r in plan.refused} == {f"{name}@{d}" for name, d in refused}
    assert plan.freed_bytes == sum(snapshot.blobs[d].size for d in blobs)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_v1_plan_is_what_the_oracle_says(data):
    snapshot = data.draw(v1_snapshots())
    refs = tuple(ref for ref in data.draw(requests(snapshot)) if "@" not in ref)
    plan = make_plan(snapshot, Request(refs), now=NOW)
    tags, images = expected_v1(snapshot, refs)
    assert {(t.repository, t.tag) for t in plan.delete.tags} == tags
    assert {i.id for i in plan.delete.images} == images
    assert plan.freed_bytes == sum(snapshot.images[i].size for i in images)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_plan_takes_what_a_surviving_tag_reaches(data):
    snapshot = data.draw(st.one_of(v2_snapshots(), v1_snapshots()))
    refs = data.draw(requests(snapshot))
    sweep = data.draw(st.booleans())
    plan = make_plan(snapshot, Request(refs, sweep, data.draw(st.sampled_from([0, 86400]))), now=NOW)
    gone_tags = {(t.repository, t.tag) for t in plan.delete.tags}
    gone = {i.id for i in plan.delete.images} | {b.digest for b in plan.delete.blobs}
    gone_links = {(m.repository, m.digest) for m in plan.delete.manifests}
    for name, repository in snapshot.repositories.items():
        for tag, target in repository.tags.items():
            if (name, tag) in gone_tags:
                continue
            assert (name, target) not in gone_links
            if snapshot.kind == "storage-v1":
                assert not gone & set(snapshot.images[target].ancestry)
            else:
                assert not gone & needed(snapshot, target)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_same_input_gives_the_same_bytes_whatever_the_order(data):
    snapshot = data.draw(st.one_of(v2_snapshots(), v1_snapshots()))
    refs = data.draw(requests(snapshot))
    plan = make_plan(snapshot, Request(refs, sweep=True), now=NOW)
    again = make_plan(_shuffled(snapshot, data.draw(st.integers(0, 1000))), Request(refs, sweep=True), now=NOW)
    assert plan.to_json() == again.to_json()
    assert read_plan(plan.to_json()) == plan


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_nothing_has_drifted_right_after_planning(data):
    snapshot = data.draw(st.one_of(v2_snapshots(), v1_snapshots()))
    empty = data.draw(st.sampled_from([UNSET, True]))
    request = Request(data.draw(requests(snapshot)), data.draw(st.booleans()), empty_repositories=empty)
    plan = make_plan(snapshot, request, now=NOW)
    drift = check(plan, snapshot, now=NOW)
    assert drift.skipped == ()
    assert drift.items == plan.delete


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_a_drifted_plan_still_takes_is_safe(data):
    """The plan was made for one registry and meets another with the same content and other tags."""
    before = data.draw(v2_snapshots())
    plan = make_plan(before, Request(data.draw(requests(before)), data.draw(st.booleans())), now=NOW)
    after = data.draw(_retagged(before))
    drift = check(plan, after, now=NOW)
    gone_tags = {(t.repository, t.tag) for t in drift.items.tags}
    gone = {b.digest for b in drift.items.blobs}
    gone_links = {(m.repository, m.digest) for m in drift.items.manifests}
    assert gone_tags <= {(t.repository, t.tag) for t in plan.delete.tags}
    for name, repository in after.repositories.items():
        for tag, target in repository.tags.items():
            if (name, tag) not in gone_tags:
                assert (name, target) not in gone_links
                assert not gone & needed(after, target)
        for digest in repository.revisions:
            if (name, digest) not in gone_links:
                assert not gone & needed(after, digest)
                assert not gone_links & {(name, c.digest) for c in after.manifests[digest].children}


@st.composite
def _retagged(draw, snapshot: Snapshot) -> Snapshot:
    changed = {}
    for name, repository in snapshot.repositories.items():
        tags = dict(repository.tags)
        if repository.revisions:
            for number in range(draw(st.integers(0, 2))):
                tag = draw(st.sampled_from([*tags, f"new{number}"]))
                tags[tag] = draw(st.sampled_from(sorted(repository.revisions)))
        changed[name] = msgspec.structs.replace(repository, tags=tags)
    return msgspec.structs.replace(snapshot, repositories=changed)


def _shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    dice = random.Random(seed)

    def mixed(mapping):
        items = list((mapping or {}).items())
        dice.shuffle(items)
        return dict(items)

    repositories = {
        name: msgspec.structs.replace(
            repository,
            tags=mixed(repository.tags),
            revisions=mixed(repository.revisions),
            layer_links=mixed(repository.layer_links),
        )
        for name, repository in mixed(snapshot.repositories).items()
    }
    return msgspec.structs.replace(
        snapshot,
        repositories=repositories,
        manifests=mixed(snapshot.manifests),
        images=mixed(snapshot.images),
        blobs=None if snapshot.blobs is None else mixed(snapshot.blobs),
    )
