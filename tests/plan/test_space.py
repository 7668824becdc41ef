"""Where the bytes are, against a computation that takes every blob by itself and asks everybody about it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from prune.model.plan import Request
from prune.model.snapshot import Snapshot, Upload
from prune.plan.make import make_plan
from prune.plan.space import space
from tests.plan.oracle import needed
from tests.plan.snapshots import FRESH, NOW, OLD, Registry, image_id, v1_snapshot, v1_snapshots, v2_snapshots

DAY = 86400


def users(snapshot: Snapshot, blob: str) -> set[str]:
    """Every repository in which some manifest needs a blob."""
    return {
        name
        for name, repository in snapshot.repositories.items()
        if any(blob in needed(snapshot, digest) for digest in repository.revisions)
    }


@settings(deadline=None)
@given(v2_snapshots())
def test_v2_against_the_naive_computation(snapshot):
    found = space(snapshot, now=NOW, grace=DAY)
    sizes = {digest: blob.size for digest, blob in snapshot.blobs.items()}
    by_users: dict[frozenset[str], int] = {}
    for digest, size in sizes.items():
        who = frozenset(users(snapshot, digest))
        by_users[who] = by_users.get(who, 0) + size
    assert found.total == sum(sizes.values())
    assert found.unreferenced == by_users.get(frozenset(), 0)
    assert found.shared == sum(size for who, size in by_users.items() if len(who) > 1)
    assert [one.name for one in found.repositories] == sorted(snapshot.repositories)
    gone = {blob.digest for blob in make_plan(snapshot, Request(sweep=True, grace=DAY), now=NOW).delete.blobs}
    for one in found.repositories:
        assert one.exclusive == by_users.get(frozenset({one.name}), 0)
        assert one.shared == sum(size for who, size in by_users.items() if len(who) > 1 and one.name in who)
        assert one.reclaimable == sum(sizes[digest] for digest in gone if users(snapshot, digest) == {one.name})
    assert found.reclaimable == sum(sizes[digest] for digest in gone)
    assert {garbage.item for garbage in found.garbage} == gone
    assert [garbage.size for garbage in found.garbage] == sorted((sizes[d] for d in gone), reverse=True)
    for garbage in found.garbage:
        assert set(garbage.repositories) == users(snapshot, garbage.item)
    # Every byte stands in exactly one place.
    assert found.total == found.shared + found.unreferenced + sum(one.exclusive for one in found.repositories)


@settings(deadline=None)
@given(v1_snapshots())
def test_v1_against_the_naive_computation(snapshot):
    found = space(snapshot, now=NOW, grace=DAY)

    def reaches(name: str) -> set[str]:
        return {i for top in snapshot.repositories[name].tags.values() for i in snapshot.images[top].ancestry}

    holders = {id_: {name for name in snapshot.repositories if id_ in reaches(name)} for id_ in snapshot.images}
    assert found.total == 1000 * len(snapshot.images)
    for one in found.repositories:
        assert one.exclusive == 1000 * sum(who == {one.name} for who in holders.values())
        assert one.shared == 1000 * sum(len(who) > 1 and one.name in who for who in holders.values())
    assert found.reclaimable == found.unreferenced == 1000 * sum(not who for who in holders.values())


@settings(deadline=None)
@given(v2_snapshots(), st.integers(0, 40 * DAY))
def test_what_is_fresh_is_no_garbage(snapshot, grace):
    found = space(snapshot, now=NOW, grace=grace)
    if grace > NOW - OLD:
        assert (found.reclaimable, found.garbage) == (0, ())
    assert found.reclaimable <= found.total


def test_the_largest_first_with_its_reason():
    registry = Registry()
    base, own, loose, fresh = (
        registry.layer(1000),
        registry.layer(5000),
        registry.layer(9000),
        registry.layer(70, FRESH),
    )
    registry.image("a", "1", layers=[base])
    untagged = registry.image("a", layers=[base, own])
    registry.image("b", "1", layers=[base])
    registry.uploads = {"b": (Upload("u", 40, OLD), Upload("young", 99, FRESH))}
    found = space(registry.snapshot(), now=NOW, grace=DAY)
    assert [(one.item, one.size, one.repositories) for one in found.garbage[:3]] == [
        (loose, 9000, ()),
        (own, 5000, ("a",)),
        (untagged, 100, ("a",)),
    ]
    assert [one.why for one in found.garbage[:3]] == [
        "no manifest needs it",
        f"only {untagged[7:19]} needs it, and no tag leads there",
        "a manifest to which no tag leads",
    ]
    assert fresh not in {one.item for one in found.garbage}
    assert {one.name: one.reclaimable for one in found.repositories} == {"a": 5000 + 100 + 10, "b": 40}
    assert found.reclaimable == 9000 + 5110 + 40


def test_what_a_source_cannot_know_is_not_zero():
    snapshot = Registry()
    snapshot.image("a", "1", layers=[snapshot.layer()])
    full = snapshot.snapshot()
    import msgspec

    seen = msgspec.structs.replace(full, kind="registry-v2", blobs=None)
    found = space(seen, now=NOW, grace=DAY, sweeps=False)
    assert (found.total, found.unreferenced, found.reclaimable) == (1110, None, None)
    assert found.repositories[0].exclusive == 1110


def test_v1_garbage_is_named():
    snapshot = v1_snapshot({"a": None, "b": "a", "c": None}, {"library/x": {"1": "b"}})
    (garbage,) = space(snapshot, now=NOW, grace=DAY).garbage
    assert (garbage.item, garbage.size) == (image_id("c"), 1000)
