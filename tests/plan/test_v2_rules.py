"""The eight rules of "What a plan contains, exactly", one by one, on registries small enough to read."""

import msgspec
import pytest

from prune.model.digest import fallback_tag
from prune.model.errors import Refused, UsageError
from prune.model.plan import Request, read_plan
from prune.model.snapshot import Blob, Problem, Upload
from prune.plan.drift import check
from prune.plan.make import make_plan
from tests.plan.snapshots import FRESH, NOW, OLD, Registry


def plan_for(registry, *refs, **options):
    return make_plan(registry.snapshot(), Request(refs, **options), now=NOW)


def tags(plan):
    return {f"{tag.repository}:{tag.tag}" for tag in plan.delete.tags}


def manifests(plan):
    return {(item.repository, item.digest) for item in plan.delete.manifests}


def blobs(plan):
    return {item.digest for item in plan.delete.blobs}


def why(plan, digest):
    return " / ".join(reason for kept in plan.keep if kept.digest == digest for reason in kept.reasons)


def test_rule_1_a_tag_goes_with_its_manifest_config_and_own_layers():
    registry = Registry()
    shared, own = registry.layer(), registry.layer()
    gone = registry.image("web", "v1", layers=[shared, own])
    registry.image("web", "v2", layers=[shared])
    plan = plan_for(registry, "web:v1")
    assert tags(plan) == {"web:v1"}
    assert manifests(plan) == {("web", gone)}
    config = registry.manifests[gone].config.digest
    assert blobs(plan) == {gone, config, own}
    assert plan.freed_bytes == 100 + 10 + 1000
    assert why(plan, shared) == "web:v2 needs it"


def test_rule_1_a_manifest_with_another_tag_stays():
    registry = Registry()
    image = registry.image("web", "v1", "latest")
    plan = plan_for(registry, "web:v1")
    assert tags(plan) == {"web:v1"}
    assert manifests(plan) == set()
    assert plan.freed_bytes == 0
    assert why(plan, image) == "latest points to it"


def test_rule_2_a_digest_goes_with_all_its_tags_here_and_not_elsewhere():
    registry = Registry()
    image = registry.image("web", "v1", "latest")
    registry.link("copy", image, "v1")
    plan = plan_for(registry, f"web@{image}")
    assert tags(plan) == {"web:v1", "web:latest"}
    assert manifests(plan) == {("web", image)}
    assert blobs(plan) == set()
    assert why(plan, image) == "copy:v1 needs it"


def test_rule_2_a_child_of_a_surviving_index_is_refused():
    registry = Registry()
    child = registry.image("web")
    registry.index("web", "multi", children=[child])
    plan = plan_for(registry, f"web@{child}")
    assert plan.is_empty()
    (refusal,) = plan.refused
    assert "index" in refusal.reason
    assert "multi" in refusal.reason
    assert why(plan, child)


def test_rule_2_a_child_goes_when_its_index_goes_in_the_same_plan():
    registry = Registry()
    child = registry.image("web")
    index = registry.index("web", "multi", children=[child])
    plan = plan_for(registry, f"web@{child}", "web:multi")
    assert manifests(plan) == {("web", child), ("web", index)}
    assert plan.refused == ()


def test_rule_3_a_repository_goes_whole():
    registry = Registry()
    tagged, untagged = registry.image("web", "v1"), registry.image("web")
    registry.image("web/nested", "v1")
    plan = plan_for(registry, "web")
    assert plan.delete.repositories == ("web",)
    assert manifests(plan) == {("web", tagged), ("web", untagged)}
    assert tags(plan) == {"web:v1"}


def test_rule_4_children_go_with_their_index_unless_held():
    registry = Registry()
    amd, arm = registry.image("web"), registry.image("web", "arm-only")
    index = registry.index("web", "multi", children=[amd, arm])
    plan = plan_for(registry, "web:multi")
    assert manifests(plan) == {("web", index), ("web", amd)}
    assert why(plan, arm) == "arm-only points to it"


def test_rule_4_a_shared_child_stays_with_the_other_index():
    registry = Registry()
    child = registry.image("web")
    first = registry.index("web", "one", children=[child])
    registry.index("web", "two", children=[child])
    plan = plan_for(registry, "web:one")
    assert manifests(plan) == {("web", first)}
    assert "two" in why(plan, child)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_rule_4_companion_tags_go_with_their_subject(suffix):
    registry = Registry()
    image = registry.image("web", "v1")
    tag = fallback_tag(image) + suffix
    if suffix:
        referrer = registry.image("web", tag)
        gone = {("web", image), ("web", referrer)}
    else:
        referrer = registry.image("web", subject=image)
        gone = {("web", image), ("web", referrer), ("web", registry.index("web", tag, children=[referrer]))}
    plan = plan_for(registry, "web:v1")
    assert tags(plan) == {"web:v1", f"web:{tag}"}
    assert manifests(plan) == gone


def test_rule_4_companion_tags_stay_with_a_subject_that_stays():
    registry = Registry()
    image = registry.image("web", "v1", "latest")
    registry.image("web", fallback_tag(image) + ".sig")
    plan = plan_for(registry, "web:v1")
    assert tags(plan) == {"web:v1"}
    assert manifests(plan) == set()


def test_rule_4_a_referrer_goes_with_its_subject_and_their_referrers_in_turn():
    registry = Registry()
    image = registry.image("web", "v1")
    sbom = registry.image("web", subject=image)
    signature = registry.image("web", subject=sbom)
    plan = plan_for(registry, "web:v1")
    assert manifests(plan) == {("web", image), ("web", sbom), ("web", signature)}


def test_rule_4_a_referrer_under_an_ordinary_tag_stays_and_does_not_hold_its_subject():
    registry = Registry()
    image = registry.image("web", "v1")
    sbom = registry.image("web", "bill", subject=image)
    plan = plan_for(registry, "web:v1")
    assert manifests(plan) == {("web", image)}
    assert why(plan, sbom) == "bill points to it"


def test_rule_5_what_was_untagged_before_stays_without_sweep():
    registry = Registry()
    registry.image("web", "v1")
    loose = registry.image("web")
    garbage = registry.layer()
    plan = plan_for(registry, "web:v1")
    assert ("web", loose) not in manifests(plan)
    assert garbage not in blobs(plan)


def test_rule_6_a_layer_needed_in_another_repository_stays():
    registry = Registry()
    layer = registry.layer()
    registry.image("web", "v1", layers=[layer])
    registry.image("other", "v9", layers=[layer])
    plan = plan_for(registry, "web:v1")
    assert layer not in blobs(plan)
    assert why(plan, layer) == "other:v9 needs it"


def test_rule_7_sweep_takes_old_garbage_of_every_kind_and_no_fresh_one():
    registry = Registry()
    keep = registry.layer()
    registry.image("web", "v1", layers=[keep])
    old, fresh = registry.image("web"), registry.image("web", time=FRESH)
    old_blob, fresh_blob = registry.layer(), registry.layer(time=FRESH)
    registry.links["web"][keep] = OLD
    unneeded = registry.layer()
    registry.image("other", "v1", layers=[unneeded])
    registry.links["web"][unneeded] = OLD
    registry.uploads["web"] = (Upload("u1", 5, OLD), Upload("u2", 5, FRESH), Upload("u3", 5, None))
    plan = plan_for(registry, sweep=True)
    assert manifests(plan) == {("web", old)}
    assert {old, old_blob} <= blobs(plan)
    assert not {fresh, fresh_blob, keep, unneeded} & blobs(plan)
    assert ("web", unneeded) in {(link.repository, link.digest) for link in plan.delete.layer_links}
    assert [upload.id for upload in plan.delete.uploads] == ["u1"]
    assert plan.freed_bytes == sum(blob.size for blob in plan.delete.blobs) + 5


def test_rule_7_a_fresh_untagged_manifest_keeps_what_it_needs():
    registry = Registry()
    layer = registry.layer()
    child = registry.image("web", layers=[layer])
    registry.index("web", children=[child], time=FRESH)
    assert plan_for(registry, sweep=True).is_empty()


def test_rule_7_a_fresh_signature_is_not_garbage():
    registry = Registry()
    image = registry.image("web")
    signature = registry.image("web", fallback_tag(image) + ".sig", time=FRESH)
    plan = plan_for(registry, sweep=True)
    assert signature not in blobs(plan)
    assert tags(plan) == set()


def test_rule_7_a_blob_that_an_unfinished_push_counts_on_stays():
    registry = Registry()
    layer = registry.layer()
    registry.image("web", "v1", layers=[layer])
    registry.links["elsewhere"] = {layer: FRESH}  # mounted there; its manifest is still to come
    plan = plan_for(registry, "web:v1")
    assert layer not in blobs(plan)
    assert "push" in why(plan, layer)
    assert layer in blobs(plan_for(registry, "web:v1", grace=0))


def test_rule_8_an_unreadable_repository_keeps_itself_and_every_blob():
    registry = Registry()
    gone = registry.image("web", "v1")
    registry.image("odd", "v1")
    registry.incomplete.add("odd")
    registry.problems.append(Problem("odd/tags/v2", "is empty", "nothing of odd may go", "repository", "odd"))
    plan = plan_for(registry, "web:v1", "odd:v1", "odd", sweep=True)
    assert manifests(plan) == {("web", gone)}
    assert plan.delete.blobs == ()
    assert plan.delete.repositories == ()
    assert {refusal.ref for refusal in plan.refused} == {"odd:v1", "odd"}
    assert plan.freed_bytes == 0


def test_rule_8_a_store_level_problem_refuses_everything():
    registry = Registry()
    registry.image("web", "v1")
    registry.problems.append(Problem("repositories", "cannot be read", "nothing may go", "store"))
    plan = plan_for(registry, "web:v1", sweep=True)
    assert plan.is_empty()
    assert len(plan.refused) == 1


@pytest.mark.parametrize("ref", ["web:nope", "nope:v1", "nope", "web@sha256:" + "0" * 64])
def test_what_is_not_there_is_refused_in_words(ref):
    registry = Registry()
    registry.image("web", "v1")
    plan = plan_for(registry, ref)
    assert plan.is_empty()
    assert [refusal.ref for refusal in plan.refused] == [ref]


@pytest.mark.parametrize(
    "ref", ["", ":", "web:", "web@", "web@sha256:12", "web:v1@sha256:" + "0" * 64, "../etc:x", "a b:c"]
)
def test_a_malformed_reference_is_wrong_use(ref):
    with pytest.raises(UsageError):
        plan_for(Registry(), ref)


def test_an_edited_plan_file_is_refused():
    registry = Registry()
    registry.image("web", "v1")
    body = plan_for(registry, "web:v1").to_json()
    assert read_plan(body)
    for edited in (body.replace(b"v1", b"v2", 1), body[:-2], b"", b"[]", b'{"plan_digest":"x"}', b"\xff"):
        with pytest.raises(Refused):
            read_plan(edited)


def test_a_tag_that_moved_is_skipped_and_holds_what_it_points_at_now():
    registry = Registry()
    registry.image("web", "v1")
    second = registry.image("web", "v2")
    plan = plan_for(registry, "web:v1", "web:v2")
    registry.tags["web"]["v1"] = second
    drift = check(plan, registry.snapshot(), now=NOW)
    assert {tag.tag for tag in drift.items.tags} == {"v2"}
    assert second not in {manifest.digest for manifest in drift.items.manifests}
    assert second not in {blob.digest for blob in drift.items.blobs}
    assert any("moved" in item.reason for item in drift.skipped)


def test_a_new_signature_keeps_its_subject():
    registry = Registry()
    image = registry.image("web", "v1")
    plan = plan_for(registry, "web:v1")
    registry.image("web", fallback_tag(image) + ".sig")
    drift = check(plan, registry.snapshot(), now=NOW)
    assert drift.items.manifests == ()
    assert image not in {blob.digest for blob in drift.items.blobs}


def test_garbage_whose_age_cannot_be_told_any_more_stays():
    registry = Registry()
    left = registry.image("web")
    plan = plan_for(registry, sweep=True)
    assert manifests(plan) == {("web", left)}
    registry.revisions["web"][left] = None
    registry.blobs[left] = Blob(registry.blobs[left].size, None)
    drift = check(plan, registry.snapshot(), now=NOW)
    assert drift.items.manifests == ()
    assert left not in {blob.digest for blob in drift.items.blobs}


def test_a_link_to_a_layer_whose_age_cannot_be_told_any_more_stays():
    registry = Registry()
    shared, own, elsewhere = registry.layer(), registry.layer(), registry.layer()
    registry.image("web", "v1", layers=[shared])
    registry.image("web", layers=[own])
    registry.image("other", "v1", layers=[elsewhere, own])
    registry.links["web"] = {shared: None, own: None, elsewhere: OLD}
    plan = plan_for(registry, sweep=True)
    assert {link.digest for link in plan.delete.layer_links} == {own, elsewhere}
    registry.links["web"][elsewhere] = None
    # One that goes with its manifest has no time, and needs none.
    assert {link.digest for link in check(plan, registry.snapshot(), now=NOW).items.layer_links} == {own}


def test_a_blob_of_another_size_is_left_alone():
    registry = Registry()
    layer = registry.layer()
    registry.image("web", "v1", layers=[layer])
    plan = plan_for(registry, "web:v1")
    registry.blobs[layer] = Blob(1, OLD)
    drift = check(plan, registry.snapshot(), now=NOW)
    assert layer not in {blob.digest for blob in drift.items.blobs}


def test_a_repository_that_got_a_new_tag_is_not_removed_whole():
    registry = Registry()
    registry.image("web", "v1")
    plan = plan_for(registry, "web")
    new = registry.image("web", "v2")
    drift = check(plan, registry.snapshot(), now=NOW)
    assert drift.items.repositories == ()
    assert new not in {blob.digest for blob in drift.items.blobs}


def test_an_incomplete_scan_before_the_run_keeps_every_blob():
    registry = Registry()
    registry.image("web", "v1")
    plan = plan_for(registry, "web:v1")
    registry.problems.append(Problem("x", "is odd", "nothing", "repository", "x"))
    drift = check(plan, registry.snapshot(), now=NOW)
    assert drift.items.blobs == ()
    assert len(drift.items.tags) == 1


def test_a_plan_says_the_same_after_a_round_trip():
    registry = Registry()
    registry.image("web", "v1")
    plan = plan_for(registry, "web:v1")
    assert msgspec.json.decode(plan.to_json())["plan_digest"] == plan.digest()


def test_a_referrer_that_an_index_holds_is_no_news_about_its_subject():
    registry = Registry()
    subject = registry.image("a", layers=[registry.layer()])
    referrer = registry.image("a", subject=subject)
    registry.index("a", "held", children=[referrer])
    snapshot = registry.snapshot()
    plan = make_plan(snapshot, Request(sweep=True), now=NOW)
    assert [item.digest for item in plan.delete.manifests] == [subject]
    assert check(plan, snapshot, now=NOW).items == plan.delete
    # One that came since, and that only its subject holds, is.
    registry.image("a", subject=subject)
    drift = check(plan, registry.snapshot(), now=NOW)
    assert "another manifest refers to it now" in {skipped.reason for skipped in drift.skipped}
