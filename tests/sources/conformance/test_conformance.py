"""What holds for every source, whatever is behind it."""

import time

import msgspec
import pytest

from prune.graph.images import image_graph
from prune.model.errors import PruneError, Refused, SourceError
from prune.model.plan import Plan, Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash, list_runs
from tests.sources.conformance.subjects import BASE, BASED_ON, LONELY, ONE, STABLE, TWO

WORD = "nobody else uses it"


def plan_for(subject, *refs, sweep=False, grace=3600) -> Plan:
    source = subject.open()
    return make_plan(source.scan(), Request(refs, sweep, grace), now=int(time.time()))


def carry_out(subject, plan, **more):
    source = subject.open()
    return apply(source, plan, stopped=WORD if source.capabilities.needs_control else None, **more)


def tags(snapshot) -> dict[tuple[str, str], str]:
    return {
        (name, tag): at
        for name, repository in snapshot.repositories.items()
        for tag, at in repository.tags.items()
        if name.startswith("shop/")
    }


def manifests(snapshot) -> set[tuple[str, str]]:
    """What repositories serve; where there are images, these are not it."""
    if snapshot.by_image:
        return set()
    return {(name, digest) for name, repository in snapshot.repositories.items() for digest in repository.revisions}


# ---- reading ----------------------------------------------------------------------------------------------


def test_the_same_content_is_the_same_graph(subject):
    snapshot = subject.open().scan()
    assert (snapshot.complete, snapshot.problems) == (True, ())
    assert tags(snapshot).keys() == BASED_ON.keys() == subject.contents().keys()
    assert tags(snapshot)[ONE] == tags(snapshot)[STABLE]
    graph = image_graph(snapshot)
    tagged = {tag: node for node in graph.nodes.values() for tag in node.tags}
    for tag, expected in BASED_ON.items():
        parent = graph.nodes.get(tagged[tag].parent or "")
        while parent is not None and not parent.tags:
            parent = graph.nodes.get(parent.parent or "")
        assert set(parent.tags if parent else ()) == expected, tag
        # What an image is based on is a part of it.
        assert tagged[tag].total == tagged[tag].own + (parent.total if parent else 0) or not snapshot.by_image
        assert tagged[tag].own > 0


def test_a_scan_is_deterministic_and_what_is_known_changes_nothing(subject):
    first = subject.open().scan()
    again = subject.open().scan()
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(first)
    assert subject.open().scan(known=first) == first
    bare = subject.open().scan(configs=False)
    assert (tags(bare), manifests(bare), bare.blobs) == (tags(first), manifests(first), first.blobs)


def test_reading_and_planning_write_nothing(subject):
    before, size = subject.contents(), subject.size()
    plan_for(subject, "shop/app", "shop/base:1", sweep=True)
    assert (subject.contents(), subject.size()) == (before, size)


def test_what_cannot_be_read_is_a_problem_and_nothing_of_it_goes(subject):
    good = plan_for(subject, "shop/app", "shop/lonely:1")
    with subject.spoiled():
        try:
            snapshot = subject.open().scan()
        except SourceError:
            assert subject.all_or_nothing
        else:
            assert not subject.all_or_nothing
            assert not snapshot.complete
            assert any(problem.blocks != "nothing" for problem in snapshot.problems)
            assert not snapshot.repositories["shop/app"].complete
            for refs, sweep in ((("shop/app", "shop/app:2.0", "shop/lonely:1"), False), ((), True)):
                plan = make_plan(snapshot, Request(refs, sweep, grace=0), now=int(time.time()))
                assert "shop/app" not in {tag.repository for tag in plan.delete.tags}
                assert "shop/app" not in {one.repository for one in plan.delete.manifests}
                assert (plan.delete.blobs, plan.delete.images) == ((), ())
                assert set(refs) - {"shop/lonely:1"} <= {refusal.ref for refusal in plan.refused}
        # A plan from before does not take it either.
        try:
            outcome = carry_out(subject, good)
        except PruneError:
            pass
        else:
            assert outcome.state != "done"
            assert [skipped for skipped in outcome.skipped if skipped.item.startswith("shop/app")]
    assert subject.contents().keys() >= {ONE, STABLE, TWO, BASE}
    assert subject.open().scan().complete


# ---- capabilities -----------------------------------------------------------------------------------------


def test_it_lists_what_it_says_it_lists(subject):
    source = subject.open()
    snapshot = source.scan()
    summary = summarise(snapshot)
    can = source.capabilities
    assert (summary.bytes is not None, summary.blobs is not None) == (can.lists_blobs, can.lists_blobs)
    if can.lists_blobs:
        assert summary.bytes == subject.size()
    assert (summary.untagged_manifests is not None) == can.lists_untagged
    assert any(r.tag_times for r in snapshot.repositories.values()) == can.knows_push_times


def test_it_deletes_manifests_or_says_that_it_does_not(subject):
    source = subject.open()
    digest = tags(source.scan())[LONELY]
    plan = plan_for(subject, f"shop/lonely@{digest}") if digest.startswith("sha256:") else None
    if source.capabilities.deletes_manifests:
        assert plan is not None
        assert {(one.repository, one.digest) for one in plan.delete.manifests} == {("shop/lonely", digest)}
    elif plan is not None:
        # An id of the engine's: its names go, and the image with the last of them.
        assert {(tag.repository, tag.tag) for tag in plan.delete.tags} == {LONELY}
        assert plan.delete.manifests == ()
    else:
        plan = plan_for(subject, f"shop/lonely@sha256:{'0' * 64}")
        assert plan.is_empty()
        assert len(plan.refused) == 1


def test_it_sweeps_or_says_that_it_does_not(subject):
    before, size = subject.contents(), subject.size()
    subject.litter()
    grown = subject.size()
    assert grown > size
    plan = plan_for(subject, sweep=True, grace=0)
    if not subject.open().capabilities.sweeps:
        assert plan.is_empty()
        assert [refusal.ref for refusal in plan.refused] == ["--sweep"]
        return
    assert plan.refused == ()
    assert plan.delete.tags == ()
    outcome = carry_out(subject, plan)
    assert outcome.state == "done"
    assert subject.contents() == before
    assert grown - subject.size() == plan.freed_bytes >= grown - size
    assert plan_for(subject, sweep=True, grace=0).is_empty()


def test_it_asks_for_control_where_it_says_so(subject):
    source, plan, before = subject.open(), plan_for(subject, "shop/lonely"), subject.contents()
    if source.capabilities.needs_control:
        with pytest.raises(Refused, match="under control"):
            apply(source, plan, stopped=None)
        assert subject.contents() == before
    else:
        assert apply(source, plan, stopped=None).state == "done"


def test_blobs_are_read_whole_or_not_at_all(subject):
    source = subject.open()
    digest = tags(source.scan())[LONELY]
    with pytest.raises(PruneError):
        source.read_blob(digest, 1)
    with pytest.raises(PruneError):
        source.read_blob("sha256:" + "0" * 64, 1 << 20)


# ---- plan, apply, look again, undo ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refs",
    [
        ("shop/app:1.0",),
        ("shop/app:1.0", "shop/app:stable"),
        ("shop/app:1.0", "shop/app:stable", "shop/app:2.0", "shop/base:1"),
        ("shop/app", "shop/lonely:1"),
    ],
)
def test_the_next_scan_shows_exactly_what_the_plan_left_and_a_restore_what_was(subject, refs):
    before, whole, size = subject.open().scan(), subject.contents(), subject.size()
    plan = plan_for(subject, *refs)
    assert plan.refused == ()
    asked = {tag for tag in BASED_ON if ":".join(tag) in refs or tag[0] in refs}
    assert {(tag.repository, tag.tag) for tag in plan.delete.tags} == asked
    outcome = carry_out(subject, plan)
    assert (outcome.state, outcome.skipped) == ("done", ())
    assert carry_out(subject, plan).run == outcome.run
    assert subject.contents() == {tag: what for tag, what in whole.items() if tag not in asked}

    after = subject.open().scan()
    assert after.complete
    assert tags(after) == {tag: at for tag, at in tags(before).items() if tag not in asked}
    gone = {(one.repository, one.digest) for one in plan.delete.manifests}
    assert manifests(after) == manifests(before) - gone
    if subject.open().capabilities.lists_blobs:
        images = {image.id for image in plan.delete.images}
        assert after.images.keys() == before.images.keys() - images
        assert size - subject.size() == plan.freed_bytes == outcome.freed_bytes
        assert summarise(before).bytes - summarise(after).bytes == plan.freed_bytes
        assert (after.blobs is None) == (before.blobs is None)
    else:
        assert subject.size() >= size  # no request gives bytes back; untagging may leave a few for the collection
    assert not set(plan.delete.repositories) & {name for name, r in after.repositories.items() if r.tags}

    assert subject.open().capabilities.has_trash
    restored = restore(subject.open(), outcome.run)
    assert (restored.state, restored.skipped) == ("done", ())
    assert subject.contents() == whole
    assert subject.size() == size or not subject.open().capabilities.lists_blobs
    again = subject.open().scan()
    assert again.complete
    assert (tags(again), manifests(again)) == (tags(before), manifests(before))
    assert restore(subject.open(), outcome.run).message == "This run was restored before."


def test_after_the_trash_is_emptied_there_is_no_way_back(subject):
    outcome = carry_out(subject, plan_for(subject, "shop/lonely:1"))
    assert [run.state for run in list_runs(subject.open())] == ["done"]
    assert empty_trash(subject.open(), older_than=None, now=int(time.time())).runs == (outcome.run,)
    with pytest.raises(Refused, match="emptied"):
        restore(subject.open(), outcome.run)
    assert subject.contents().keys() == BASED_ON.keys() - {LONELY}


def test_a_plan_for_another_source_is_refused(subject):
    plan = plan_for(subject, "shop/lonely:1")
    with pytest.raises(Refused, match="made for"):
        carry_out(subject, msgspec.structs.replace(plan, source=plan.source + "/other"))
