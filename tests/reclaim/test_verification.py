"""After a run everything that stays is looked at again: what the disk lost meanwhile is found and named, nothing is
emptied, and the way back is open."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from prune.model.errors import Refused
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.verification import compare
from prune.reclaim.apply import apply
from prune.reclaim.journal import Journal
from prune.reclaim.restore import restore
from prune.reclaim.trash import accept_losses, empty_trash
from prune.sources.open import open_source
from tests.reclaim.conftest import fill
from tests.reclaim.naive import closure, pulled
from tests.reclaim.test_crash import Broken
from tests.stores import V2Store, age, tree

REFS = ("team/app:2.0", "multi")


def plan_of(store, *refs, sweep=False):
    return make_plan(open_source(store.source).scan(), Request(refs, sweep), now=int(time.time()))


def harmed(store, number, harm, plan, **options):
    """Apply on a disk that does ``harm`` right after the n-th move."""
    source = open_source(store.source)
    source.store = Harming(source.store, number, harm)
    return apply(source, plan, stopped="test", **options)


class Harming:
    def __init__(self, store, number, harm):
        self._store = store
        self._left = number
        self._harm = harm

    def __getattr__(self, name):
        return getattr(self._store, name)

    def together(self, folders):
        return contextlib.nullcontext(self)

    def move(self, source, target, **only):
        self._store.move(source, target, **only)
        self._left -= 1
        if self._left == 0:
            self._harm()


def naive_needed(store: V2Store) -> dict[Path, str]:
    """Every file that stays of a V2 store and that a pull by tag or digest needs."""
    needed = {}
    for link in store.base.glob("repositories/**/_manifests/tags/*/current/link"):
        needed[link] = "tag"
    for link in store.base.glob("repositories/**/_manifests/revisions/*/*/link"):
        needed[link] = "revision"
        repo = link.parents[4]
        for digest in closure(store, link.read_text()):
            needed[store.blob_path(digest)] = "blob"
            layer = repo / "_layers" / digest.replace(":", "/") / "link"
            if layer.exists():
                needed[layer] = "layer link"
    return needed


def test_what_stays_is_counted_as_a_naive_walk_does(v2):
    outcome = apply(open_source(v2.source), plan_of(v2, *REFS), stopped="test", depth="full")
    verified = outcome.verified
    assert (outcome.state, verified.state, verified.missing) == ("done", "good", ())
    needed = naive_needed(v2)
    blobs = [path for path, what in needed.items() if what == "blob"]
    assert verified.tags == sum(what == "tag" for what in needed.values()) == len(pulled(v2))
    assert verified.manifests == sum(what == "revision" for what in needed.values())
    assert (verified.blobs, verified.hashed) == (len(blobs), len(blobs))
    assert verified.bytes == verified.hashed_bytes == sum(path.stat().st_size for path in blobs)


def test_every_file_that_is_lost_is_found_and_only_those_that_matter(tmp_path):
    original = fill(V2Store(tmp_path / "original"))
    needed = {str(path.relative_to(original.root)) for path in naive_needed(original)}
    root = tmp_path / "store"
    store = V2Store(root)
    paths = [key for key, what in tree(original.root).items() if what[0] == "file"]
    assert len(paths) > 60
    for path in paths:
        shutil.rmtree(root)
        shutil.copytree(original.root, root)
        source = open_source(store.source)
        before = source.scan(configs=False)
        if "/_layers/" in path:  # a scan looks at the folders only
            shutil.rmtree((root / path).parent)
        else:
            (root / path).unlink()
        found = compare(before, (), source.scan(known=before, configs=False))
        assert bool(found.losses) == (path in needed), (path, found.losses)
        if path.endswith("/data") and path in needed:
            with (root / path).open("wb") as file:
                file.write(b"x")
            found = compare(before, (), source.scan(known=before, configs=False))
            assert "1 bytes in place of" in found.losses[0].what


@pytest.mark.parametrize("trash", [True, False])
@pytest.mark.parametrize("harm", ["removed", "truncated", "corrupted"])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_blob_that_is_harmed_during_the_run(v2, harm, number, trash):
    before = tree(v2.root)
    kept = json.loads(v2.blob_path(v2.tag_path("team/app", "1.0").read_text()).read_bytes())
    digest = kept["layers"][0]["digest"]
    path = v2.blob_path(digest)
    body, status = path.read_bytes(), path.stat()

    def hurt():
        if harm == "removed":
            path.unlink()
        else:
            path.write_bytes(body[:-1] if harm == "truncated" else bytes([body[0] ^ 1]) + body[1:])

    plan = plan_of(v2, *REFS)
    outcome = harmed(v2, number, hurt, plan, trash=trash, depth="full" if harm == "corrupted" else "sizes")
    assert (outcome.state, outcome.verified.state) == ("failed", "bad")
    assert "Nothing was emptied" in outcome.message
    (loss,) = outcome.verified.missing
    assert loss.item == digest
    assert "copy/of/app:1.0, multi/nested" not in loss.what
    assert "copy/of/app:1.0, " in loss.what
    assert "cannot be pulled" in loss.what
    # Nothing is emptied, neither at once nor later, nor by name.
    assert (v2.root / outcome.trash / "files").is_dir()
    emptied = empty_trash(open_source(v2.source), older_than=None, now=int(time.time()))
    assert (emptied.runs, emptied.kept) == ((), (outcome.run,))
    with pytest.raises(Refused, match="not found whole"):
        empty_trash(open_source(v2.source), older_than=None, now=0, runs=[outcome.run])
    # Applying again says the same as long as it is true, and that it is done when the blob is back.
    again = apply(open_source(v2.source), plan, stopped="test", depth=outcome.verified.depth)
    assert (again.state, again.verified.state) == ("failed", "bad")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    healed = apply(open_source(v2.source), plan, stopped="test")
    assert (healed.state, healed.verified.state) == ("done", "good")
    assert restore(open_source(v2.source), outcome.run).state == "done"
    assert tree(v2.root) == before


@pytest.mark.parametrize("what", ["tag", "revision", "layer link"])
def test_a_link_that_is_lost_during_the_run(v2, what):
    app = v2.tag_path("team/app", "1.0").read_text()
    layer = json.loads(v2.blob_path(app).read_bytes())["layers"][1]["digest"]
    path = {
        "tag": v2.tag_path("copy/of/app", "1.0").parents[1],
        "revision": v2.revision_path("copy/of/app", app).parent,
        "layer link": v2.layer_path("copy/of/app", layer).parent,
    }[what]
    plan = plan_of(v2, *REFS)
    outcome = harmed(v2, 3, lambda: path.rename(v2.root / "aside"), plan)
    assert outcome.state == "failed"
    named = {"tag": "copy/of/app:1.0", "revision": f"copy/of/app@{app}", "layer link": f"copy/of/app link {layer}"}
    assert named[what] in {loss.item for loss in outcome.verified.missing}
    assert apply(open_source(v2.source), plan, stopped="test").state == "failed"
    (v2.root / "aside").rename(path)
    assert apply(open_source(v2.source), plan, stopped="test").state == "done"


def test_corruption_is_found_by_reading_and_not_by_sizes(v2):
    digest = json.loads(v2.blob_path(v2.tag_path("team/app", "1.0").read_text()).read_bytes())["layers"][0]["digest"]
    body = v2.blob_path(digest).read_bytes()
    v2.blob_path(digest).write_bytes(body[::-1])
    plan = plan_of(v2, *REFS)
    outcome = apply(open_source(v2.source), plan, stopped="test")
    assert (outcome.state, outcome.verified.hashed) == ("done", 0)
    restore(open_source(v2.source), outcome.run)
    outcome = apply(open_source(v2.source), plan, stopped="test", depth="sampled")  # fewer blobs than a sample has
    assert outcome.state == "failed"
    assert "is not what its digest says" in outcome.verified.missing[0].what


def test_a_sample_is_a_part_and_another_for_every_run(v2, monkeypatch):
    monkeypatch.setattr("prune.sources.content.AT_LEAST", 2)
    seen = []
    stream = type(open_source(v2.source).store).stream
    monkeypatch.setattr(
        "prune.sources.stores.disk.DiskStore.stream", lambda store, path: seen.append(path) or stream(store, path)
    )
    for refs in (("team/app:2.0",), ("multi:1",), ("multi/nested",), ("multi",)):
        outcome = apply(open_source(v2.source), plan_of(v2, *refs), stopped="test", depth="sampled")
        assert outcome.verified.hashed == 2
        restore(open_source(v2.source), outcome.run)
    assert len(set(seen)) > 2


def test_what_was_missing_before_is_nobodys_loss(v2):
    app = v2.tag_path("team/app", "1.0").read_text()
    layer = json.loads(v2.blob_path(app).read_bytes())["layers"][1]["digest"]
    v2.blob_path(layer).unlink()
    outcome = apply(open_source(v2.source), plan_of(v2, "multi/nested"), stopped="test")
    assert (outcome.state, outcome.verified.state, outcome.verified.broken_before) == ("done", "good", 1)


def test_a_loss_in_the_part_before_a_crash_is_found_by_the_part_after_it(v2):
    digest = json.loads(v2.blob_path(v2.tag_path("team/app", "1.0").read_text()).read_bytes())["layers"][0]["digest"]
    plan = plan_of(v2, *REFS)
    source = open_source(v2.source)
    source.store = Harming(Broken(source.store, 16, 28), 2, v2.blob_path(digest).unlink)
    assert apply(source, plan, stopped="test").verified is None
    resumed = apply(open_source(v2.source), plan, stopped="test")
    assert resumed.state == "failed"
    assert [loss.item for loss in resumed.verified.missing] == [digest]


def test_a_run_that_ended_without_its_verification_gets_it_when_applied_again(v2):
    plan = plan_of(v2, *REFS)
    source = open_source(v2.source)
    outcome = apply(source, plan, stopped="test")
    file = v2.root / outcome.trash / "journal.jsonl"
    lines = [line for line in file.read_bytes().splitlines() if b'"event":"verified"' not in line]
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert read(source, outcome.run) == []
    v2.blob_path(v2.tag_path("copy/of/app", "1.0").read_text()).unlink()
    again = apply(source, plan, stopped="test")
    assert (again.state, again.verified.state) == ("failed", "bad")
    assert read(source, outcome.run) == ["bad"]


def read(source, run):
    return [line.verified.state for line in Journal(source.store, run).lines() if line.event == "verified"]


def test_a_disk_that_cannot_be_looked_at_is_not_a_good_end(v2, monkeypatch):
    plan = plan_of(v2, *REFS)
    source = open_source(v2.source)

    def fail(*args, **options):
        raise OSError(5, "Input/output error")

    source.store = Harming(source.store, 3, lambda: monkeypatch.setattr(type(source), "scan", fail))
    outcome = apply(source, plan, stopped="test", trash=False)
    assert (outcome.state, outcome.verified.state) == ("failed", "unknown")
    assert "Input/output error" in outcome.message
    assert (v2.root / outcome.trash / "files").is_dir()
    monkeypatch.undo()
    assert apply(open_source(v2.source), plan, stopped="test").state == "done"


def test_a_folder_that_cannot_be_read_afterwards_is_not_a_good_end(v2):
    plan = plan_of(v2, *REFS)
    folder = v2.base / "repositories/copy"

    def hide():
        folder.rename(v2.root / "aside")
        folder.symlink_to(v2.root / "aside")

    outcome = harmed(v2, 3, hide, plan)
    assert outcome.state == "failed"


def test_no_trash_is_given_back_after_a_good_verification(v2):
    outcome = apply(open_source(v2.source), plan_of(v2, *REFS), stopped="test", trash=False)
    assert (outcome.state, outcome.trash, outcome.verified.state) == ("done", None, "good")
    assert not (v2.root / ".registryui/runs" / outcome.run / "files").exists()


def test_a_tag_pushed_while_it_is_verified_is_no_loss(v2):
    plan = plan_of(v2, "team/app:2.0")
    other = v2.tag_path("multi", "1").read_text()
    outcome = harmed(v2, 1, lambda: v2.tag("multi/nested", "n", other), plan)
    assert outcome.state == "done"


@pytest.mark.parametrize("harm", ["layer", "ancestry", "image", "short"])
def test_v1(v1, harm):
    plan = plan_of(v1, "library/seed:version1")
    image = v1.root / "images" / v1.id("B")
    aside = v1.root / "aside"

    def hurt():
        if harm == "short":
            (image / "layer").rename(aside)
            (image / "layer").write_bytes(b"x")
        else:
            (image if harm == "image" else image / harm).rename(aside)

    outcome = harmed(v1, 1, hurt, plan, trash=False)
    assert (outcome.state, outcome.verified.state) == ("failed", "bad")
    assert v1.id("B") in {loss.item for loss in outcome.verified.missing}
    assert "library/seed:latest" in str(outcome.verified.missing)
    aside.rename(image if harm == "image" else image / ("layer" if harm == "short" else harm))
    assert restore(open_source(v1.source), outcome.run).state == "done"


@pytest.fixture
def layout(tmp_path):
    from tests.reclaim.test_oci_layout import shop

    made = shop(tmp_path / "layout")
    age(made.root)
    return made


def test_a_layout(layout):
    source = open_source(f"oci:{layout.root}")
    snapshot = source.scan()
    (name, tag), *_ = sorted((n, t) for n, r in snapshot.repositories.items() for t in r.tags if t.endswith("2.0"))
    plan = make_plan(snapshot, Request((f"{name}:{tag}",), sweep=True, grace=3600), now=int(time.time()))
    assert plan.delete.manifests
    assert len(plan.delete.blobs) > 1
    outcome = apply(source, plan, stopped="test", depth="full")
    assert (outcome.state, outcome.verified.missing) == ("done", ())
    after = open_source(f"oci:{layout.root}").scan()
    assert outcome.verified.tags == sum(len(r.tags) for r in after.repositories.values())
    assert outcome.verified.hashed == outcome.verified.blobs == len(after.blobs)
    restore(open_source(f"oci:{layout.root}"), outcome.run)

    # One blob that stays is spoilt while the others move.
    victim = layout.root / "blobs/sha256" / next(iter(after.manifests[min(after.manifests)].blobs()))[7:]
    body = victim.read_bytes()
    source = open_source(f"oci:{layout.root}")
    source.store = Harming(source.store, 1, lambda: victim.write_bytes(body[::-1]))
    outcome = apply(source, plan, stopped="test", depth="full")
    assert (outcome.state, outcome.verified.state) == ("failed", "bad")
    assert [loss.item for loss in outcome.verified.missing] == [f"sha256:{victim.name}"]
    victim.write_bytes(body)
    assert apply(open_source(f"oci:{layout.root}"), plan, stopped="test", depth="full").state == "done"


def test_a_run_that_nobody_verified_is_not_emptied(v2):
    """Killed between its end and the look at what stays: whether the trash is needed nobody knows."""
    plan = plan_of(v2, *REFS)
    outcome = apply(open_source(v2.source), plan, stopped="test")
    journal = v2.root / outcome.trash / "journal.jsonl"
    lines = [line for line in journal.read_bytes().split(b"\n") if b'"event":"verified"' not in line]
    journal.write_bytes(b"\n".join(lines))
    emptied = empty_trash(open_source(v2.source), older_than=None, now=int(time.time()))
    assert (emptied.runs, emptied.kept) == ((), (outcome.run,))
    with pytest.raises(Refused, match="nobody has looked yet"):
        empty_trash(open_source(v2.source), older_than=None, now=0, runs=[outcome.run])
    assert apply(open_source(v2.source), plan, stopped="test").verified.state == "good"
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).runs == (outcome.run,)


def test_a_loss_is_accepted_as_it_was_seen_and_only_so(v2):
    """Somebody deleted a tag during the verification: nobody's damage, and nothing can put it right."""
    plan = plan_of(v2, *REFS)
    source = open_source(v2.source)
    source.store = Harming(source.store, 1, lambda: shutil.rmtree(v2.tag_path("team/app", "stable").parents[1]))
    outcome = apply(source, plan, stopped="test")
    assert outcome.verified.state == "bad"
    seen = outcome.verified.missing
    for missing, reason, match in ((seen, " ", "Say why"), (seen[1:], "known", "since you looked")):
        with pytest.raises(Refused, match=match):
            accept_losses(open_source(v2.source), outcome.run, missing, reason, now=1)
    with pytest.raises(Refused, match="not found whole"):
        empty_trash(open_source(v2.source), older_than=None, now=0, runs=[outcome.run])
    accept_losses(open_source(v2.source), outcome.run, seen, "I deleted it myself", now=1)
    # What is verified again asks again.
    again = apply(open_source(v2.source), plan, stopped="test")
    assert again.verified.state == "bad"
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).kept == (outcome.run,)
    accept_losses(open_source(v2.source), outcome.run, again.verified.missing, "I deleted it myself", now=1)
    before = pulled(v2)
    assert empty_trash(open_source(v2.source), older_than=None, now=int(time.time())).runs == (outcome.run,)
    assert pulled(v2) == before
    with pytest.raises(Refused, match="no trash that waits"):
        accept_losses(open_source(v2.source), outcome.run, seen, "again", now=1)


def test_nothing_is_accepted_of_a_run_that_was_found_whole(v2):
    outcome = apply(open_source(v2.source), plan_of(v2, *REFS), stopped="test")
    with pytest.raises(Refused, match="nothing that could be accepted"):
        accept_losses(open_source(v2.source), outcome.run, (), "why not", now=1)
    with pytest.raises(Refused, match="no trash that waits"):
        accept_losses(open_source(v2.source), "0123456789ab-1", (), "why not", now=1)
