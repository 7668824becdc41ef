"""The seed's text: what a V1 plan holds for its two graphs, and the sentences that say why."""

import msgspec
import pytest

from prune.model.plan import Request
from prune.model.snapshot import Problem, V1Image
from prune.plan.drift import check
from prune.plan.make import make_plan
from tests.plan.snapshots import FRESH, NOW, image_id, v1_snapshot

CHAIN = {"a": None, "b": "a", "c": "b", "d": "c"}
BRANCH = {"a": None, "b": "a", "c": "b", "d": "b"}
TAGS = {"library/seed": {"version1": "c", "version2": "d", "latest": "d"}}


def plan_for(snapshot, *refs, **options):
    return make_plan(snapshot, Request(refs, **options), now=NOW)


def ids(plan):
    return "".join(image.id[0] for image in plan.delete.images)


def test_deleting_version1_of_the_chain_frees_nothing():
    plan = plan_for(v1_snapshot(CHAIN, TAGS), "library/seed:version1")
    assert [tag.tag for tag in plan.delete.tags] == ["version1"]
    assert plan.delete.images == ()
    assert plan.freed_bytes == 0


def test_it_says_that_c_stays_because_d_is_based_on_it():
    plan = plan_for(v1_snapshot(CHAIN, TAGS), "library/seed:version1")
    why = {kept.id: kept.reasons for kept in plan.keep}
    d = image_id("d")[:12]
    assert why[image_id("c")] == (f"{d} is based on it and version2 and latest point to {d}",)


def test_deleting_version1_of_the_branch_lets_c_go():
    plan = plan_for(v1_snapshot(BRANCH, TAGS), "library/seed:version1")
    assert ids(plan) == "c"
    assert plan.freed_bytes == 1000
    assert {kept.id[0] for kept in plan.keep} == {"a", "b"}


def test_deleting_every_tag_frees_the_whole_chain():
    refs = [f"library/seed:{tag}" for tag in TAGS["library/seed"]]
    assert ids(plan_for(v1_snapshot(CHAIN, TAGS), *refs)) == "abcd"


def test_deleting_the_repository_takes_it_out_of_the_catalog():
    plan = plan_for(v1_snapshot(CHAIN, TAGS), "library/seed")
    assert plan.delete.repositories == ("library/seed",)
    assert ids(plan) == "abcd"


def test_a_tag_of_another_repository_holds_the_image():
    tags = {**TAGS, "team/app": {"pinned": "c"}}
    plan = plan_for(v1_snapshot(BRANCH, tags), "library/seed:version1")
    assert plan.delete.images == ()
    why = {kept.id: kept.reasons for kept in plan.keep}
    assert why[image_id("c")] == ("team/app:pinned points to it",)


def test_an_image_that_no_tag_reached_holds_what_it_is_based_on():
    snapshot = v1_snapshot({**BRANCH, "e": "c"}, TAGS)
    plan = plan_for(snapshot, "library/seed:version1")
    assert plan.delete.images == ()
    why = {kept.id: kept.reasons for kept in plan.keep}
    assert why[image_id("c")] == (f"{image_id('e')[:12]} is based on it, though no tag points to that image",)


def test_sweep_takes_what_no_tag_reaches():
    snapshot = v1_snapshot({**BRANCH, "e": "c"}, TAGS)
    assert ids(plan_for(snapshot, sweep=True)) == "e"
    assert ids(plan_for(snapshot, "library/seed:version1", sweep=True)) == "ce"


@pytest.mark.parametrize("change", [{"time": FRESH}, {"time": None}, {"in_progress": True}])
def test_sweep_keeps_what_is_fresh_of_unknown_age_or_being_uploaded(change):
    image = V1Image(image_id("e"), (image_id("e"), image_id("c"), image_id("b"), image_id("a")), 5, NOW - 10**6)
    snapshot = v1_snapshot(BRANCH, TAGS, images={image.id: msgspec.structs.replace(image, **change)})
    assert ids(plan_for(snapshot, sweep=True)) == ""


def test_an_unreadable_ancestry_keeps_every_image():
    odd = V1Image(image_id("e"), None, 5, NOW - 10**6)
    problem = Problem("images/e/ancestry", "is missing", "no image may go", "repository")
    snapshot = v1_snapshot(BRANCH, TAGS, images={odd.id: odd}, problems=(problem,))
    plan = plan_for(snapshot, "library/seed:version1", sweep=True)
    assert [tag.tag for tag in plan.delete.tags] == ["version1"]
    assert plan.delete.images == ()


def test_a_digest_is_refused_in_a_v1_registry():
    plan = plan_for(v1_snapshot(CHAIN, TAGS), "library/seed@sha256:" + "0" * 64)
    assert plan.is_empty()
    assert len(plan.refused) == 1


@pytest.mark.parametrize(
    ("moved", "skipped"),
    [
        ({"version1": "d", "version2": "d", "latest": "d"}, {"library/seed:version1"}),
        ({"version1": "c", "version2": "d", "latest": "c"}, {image_id("c")}),
        ({"version2": "d", "latest": "d"}, {"library/seed:version1"}),
    ],
)
def test_what_moved_since_the_plan_is_skipped(moved, skipped):
    plan = plan_for(v1_snapshot(BRANCH, TAGS), "library/seed:version1")
    drift = check(plan, v1_snapshot(BRANCH, {"library/seed": moved}), now=NOW)
    assert {item.item for item in drift.skipped} == skipped


def test_an_image_built_since_the_plan_holds_its_base():
    plan = plan_for(v1_snapshot(BRANCH, TAGS), "library/seed:version1")
    drift = check(plan, v1_snapshot({**BRANCH, "e": "c"}, TAGS), now=NOW)
    assert drift.items.images == ()
    assert [tag.tag for tag in drift.items.tags] == ["version1"]
