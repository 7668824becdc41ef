"""A repository that holds something nobody understands: that stays where it is, so it never moves as a whole."""

import time

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.journal import run_of
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.reclaim.naive import pulled
from tests.stores import age, tree, write

ODD = {
    "a file in its folder": "README",
    "a file in a folder of it": "notes/deep/README",
    "a folder of somebody's": "_backup/README",
    "a file among the tags": "_manifests/tags/README",
    "a file among the manifests": "_manifests/revisions/README",
    "a file among the layers": "_layers/README",
    "a file among the uploads": "_uploads/README",
    "an upload of unknown age": "_uploads/0123/data",
}


def of(store, ref):
    return make_plan(open_source(store.source).scan(), Request((ref,), grace=3600), now=int(time.time()))


@pytest.mark.parametrize("name", ODD)
def test_what_is_said_to_be_left_alone_is_left_alone(v2, root, name):
    odd = write(v2.repository_path("team/app") / ODD[name], b"somebody needs this")
    age(root)
    before, whole = tree(root), pulled(v2)
    plan = of(v2, "team/app")
    assert plan.delete.repositories == ()
    assert [refusal.ref for refusal in plan.refused] == ["team/app"]
    assert "the repository itself stays" in plan.refused[0].reason
    outcome = apply(open_source(v2.source), plan, stopped="for the test")
    assert outcome.state == "done"
    assert odd.read_bytes() == b"somebody needs this"
    assert pulled(v2) == {key: what for key, what in whole.items() if key[0] != "team/app"}
    after = open_source(v2.source).scan()
    assert after.complete
    assert (after.repositories["team/app"].tags, after.repositories["team/app"].revisions) == ({}, {})
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert {path: what for path, what in tree(root).items() if what[0] == "file"} == {
        path: what for path, what in before.items() if what[0] == "file"
    }


@pytest.mark.parametrize("name", ODD)
def test_what_came_after_the_plan_is_left_alone_too(v2, root, name):
    plan = of(v2, "team/app")
    assert plan.delete.repositories == ("team/app",)
    odd = write(v2.repository_path("team/app") / ODD[name], b"somebody needs this")
    age(root)
    whole = pulled(v2)
    outcome = apply(open_source(v2.source), plan, stopped="for the test")
    assert outcome.state == "partial"
    assert "team/app" in {skipped.item for skipped in outcome.skipped}
    assert odd.read_bytes() == b"somebody needs this"
    assert pulled(v2) == {key: what for key, what in whole.items() if key[0] != "team/app"}


def test_a_v1_repository_too(v1, root):
    plan = of(v1, "team/other")
    assert plan.delete.repositories == ("team/other",)
    odd = write(root / "repositories/team/other/notes/README", b"somebody needs this")
    assert apply(open_source(v1.source), plan, stopped="for the test").state == "partial"
    assert odd.read_bytes() == b"somebody needs this"


@pytest.mark.parametrize("refs", [("team/app:1.0", "team/app:2.0"), ("copy/of/app",), ("team/app@{digest}",)])
def test_something_in_the_way_of_the_trash_stops_a_run_before_any_blob(v2, root, refs):
    """What cannot get into the trash is not gone: tags and manifests that stay still need their blobs."""
    digest = next(iter(open_source(v2.source).scan().repositories["team/app"].tags.values()))
    whole = pulled(v2)
    source = open_source(v2.source)
    request = Request(tuple(ref.format(digest=digest) for ref in refs), sweep=True, grace=3600)
    plan = make_plan(source.scan(), request, now=int(time.time()))
    assert plan.delete.blobs
    journal, _ = run_of(source.store, plan.digest())
    way = write(root / journal.trash(f"{source.base}/repositories"), b"a file")
    outcome = apply(open_source(v2.source), plan, stopped="for the test")
    assert (outcome.state, outcome.done) == ("failed", 0)
    assert "Not a directory" in outcome.message
    assert pulled(v2) == whole
    way.unlink()
    assert apply(open_source(v2.source), plan, stopped="for the test").state == "done"
