"""Reading V2 storage: what is there, and what each oddity means for deletion."""

import json
import os
import shutil

import pytest

from prune.model.plan import Request
from prune.model.snapshot import Snapshot
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.sources.open import open_source
from tests.stores import V2Store, age, sha256, write

NOW = 1_900_000_000


@pytest.fixture
def store(tmp_path) -> V2Store:
    """Two repositories that share a layer, a multi-arch image, garbage."""
    made = V2Store(tmp_path)
    base, top, other = made.layer(), made.layer(), made.layer()
    made.image("team/app", "1.0", "latest", layers=[base, top])
    made.image("team/app", layers=[base])  # untagged
    children = [made.image("other", layers=[base, other], platform=p) for p in ("linux/amd64", "linux/arm64")]
    made.index("other", "multi", children=children, platforms=("linux/amd64", "linux/arm64"))
    made.layer(77)
    age(tmp_path)
    return made


def scan(store: V2Store) -> Snapshot:
    return open_source(store.source).scan()


def test_it_counts_what_is_there(store):
    summary = summarise(scan(store))
    assert summary.complete
    assert not summary.problems
    assert (summary.repositories, summary.tags, summary.manifests, summary.untagged_manifests) == (2, 3, 5, 3)
    assert summary.blobs == len(list(store.base.glob("blobs/sha256/*/*/data")))
    assert summary.bytes == sum(path.stat().st_size for path in store.base.glob("blobs/sha256/*/*/data"))
    assert (summary.unreferenced_blobs, summary.unreferenced_bytes) == (1, 77)


def test_the_root_itself_may_be_the_layout(tmp_path):
    store = V2Store(tmp_path, base="")
    store.image("app", "1", layers=[store.layer()])
    assert summarise(scan(store)).tags == 1


def test_sha512_is_a_digest_too(store):
    import hashlib

    body = store.config()
    digest = store.blob(body, "sha512:" + hashlib.sha512(body).hexdigest())
    manifest = {"schemaVersion": 2, "config": {"mediaType": "x/y", "digest": digest, "size": len(body)}, "layers": []}
    text = json.dumps(manifest).encode()
    tagged = "sha512:" + hashlib.sha512(text).hexdigest()
    store.blob(text, tagged)
    store.link("long", tagged, "v1")
    snapshot = scan(store)
    assert snapshot.complete
    assert snapshot.repositories["long"].tags == {"v1": tagged}
    assert summarise(snapshot).unreferenced_blobs == 1


def test_a_manifest_deleted_over_the_api_leaves_an_empty_folder_and_no_problem(store):
    digest = scan(store).repositories["team/app"].tags["1.0"]
    store.revision_path("team/app", digest).unlink()
    shutil.rmtree(store.tag_path("team/app", "1.0").parent.parent)
    shutil.rmtree(store.tag_path("team/app", "latest").parent.parent)
    snapshot = scan(store)
    assert snapshot.complete
    assert digest not in snapshot.repositories["team/app"].revisions


def some_tag(store: V2Store):
    return store.tag_path("team/app", "1.0")


def some_revision(store: V2Store):
    return store.revision_path("team/app", os.fsdecode(some_tag(store).read_bytes()))


def some_manifest(store: V2Store):
    return store.blob_path(os.fsdecode(some_tag(store).read_bytes()))


def some_child(store: V2Store):
    index = json.loads(store.blob_path(store.tag_path("other", "multi").read_text()).read_bytes())
    return store.blob_path(index["manifests"][0]["digest"])


def replaced_by_link(path, target):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(target)


def a_tag_of(body: bytes):
    """The tag points at a manifest with these bytes."""

    def break_(store: V2Store):
        digest = store.blob(body)
        store.link("team/app", digest, "1.0")

    return break_


BREAKS_A_REPOSITORY = {
    "0-byte tag link": lambda s: some_tag(s).write_bytes(b""),
    "tag link with a line break": lambda s: some_tag(s).write_bytes(some_tag(s).read_bytes() + b"\n"),
    "tag link with nonsense": lambda s: some_tag(s).write_bytes(b"sha256:xyz"),
    "binary tag link": lambda s: some_tag(s).write_bytes(os.urandom(71)),
    "huge tag link": lambda s: some_tag(s).write_bytes(b"sha256:" + b"0" * 5000),
    "tag link is a symlink": lambda s: replaced_by_link(some_tag(s), "/etc/hostname"),
    "tag link is a folder": lambda s: (some_tag(s).unlink(), some_tag(s).mkdir()),
    "tag link is a pipe": lambda s: (some_tag(s).unlink(), os.mkfifo(some_tag(s))),
    "tag without link": lambda s: some_tag(s).unlink(),
    "tag without current": lambda s: shutil.rmtree(some_tag(s).parent),
    "current is a symlink": lambda s: replaced_by_link(some_tag(s).parent, "."),
    "tag folder is a symlink to itself": lambda s: replaced_by_link(some_tag(s).parent.parent, "1.0"),
    "tags is a file": lambda s: (shutil.rmtree(some_tag(s).parents[2]), some_tag(s).parents[2].write_bytes(b"")),
    "_manifests is a symlink": lambda s: replaced_by_link(some_tag(s).parents[3], "/tmp"),
    "_layers is a symlink": lambda s: replaced_by_link(s.repository_path("team/app") / "_layers", "/tmp"),
    "tag points at nothing": lambda s: some_tag(s).write_text("sha256:" + "0" * 64),
    "0-byte revision link": lambda s: some_revision(s).write_bytes(b""),
    "revision link of another": lambda s: some_revision(s).write_text("sha256:" + "0" * 64),
    "revision link is a symlink": lambda s: replaced_by_link(some_revision(s), "/etc/hostname"),
    "revision of an unknown algorithm": lambda s: write(
        some_revision(s).parents[2] / "md5/abc/link", b"md5:abc"
    ),
    "revision of nothing": lambda s: some_manifest(s).unlink(),
    "manifest with a wrong digest": lambda s: some_manifest(s).write_bytes(some_manifest(s).read_bytes() + b" "),
    "empty manifest": lambda s: some_manifest(s).write_bytes(b""),
    "manifest is a symlink": lambda s: replaced_by_link(some_manifest(s), "/etc/hostname"),
    "missing child of an index": lambda s: some_child(s).unlink(),
    "manifest over 4 MiB": a_tag_of(b'{"schemaVersion":2,"layers":[],"x":"' + b"x" * (4 << 20) + b'"}'),
    "manifest is no JSON": a_tag_of(b"not json"),
    "manifest is a JSON list": a_tag_of(b"[1, 2]"),
    "manifest nested too deep": a_tag_of(b"[" * 100_000),
    "manifest of nothing": a_tag_of(b"{}"),
    "manifest with absurd digests": a_tag_of(
        b'{"schemaVersion":2,"config":{"digest":"../../etc/passwd","size":1},"layers":[]}'
    ),
    "manifest with a negative size": a_tag_of(
        b'{"schemaVersion":2,"layers":[{"digest":"sha256:' + b"0" * 64 + b'","size":-1}]}'
    ),
    "image and index at once": a_tag_of(b'{"schemaVersion":2,"layers":[{"digest":"sha256:'
                                        + b"0" * 64 + b'","size":1}],"manifests":[]}'),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS_A_REPOSITORY)
def test_what_cannot_be_read_keeps_its_repository_and_every_blob(store, name):
    broken = "other" if name == "missing child of an index" else "team/app"
    whole = ({"team/app", "other"} - {broken}).pop()
    BREAKS_A_REPOSITORY[name](store)
    snapshot = scan(store)
    assert not snapshot.complete
    assert not snapshot.repositories[broken].complete
    assert snapshot.repositories[whole].complete
    for problem in snapshot.problems:
        assert problem.where
        assert problem.what
        assert problem.effect
    asked = (f"{broken}:1.0", f"{broken}:latest", f"{broken}:multi", broken)
    plan = make_plan(snapshot, Request((*asked, whole), sweep=True, grace=0), now=NOW)
    assert {item.repository for item in (*plan.delete.tags, *plan.delete.manifests)} == {whole}
    assert plan.delete.repositories == (whole,)
    assert plan.delete.blobs == ()
    assert plan.freed_bytes == 0
    assert {refusal.ref for refusal in plan.refused} == set(asked)


BREAKS_THE_STORE = {
    "repository is a symlink": lambda s: (s.base / "repositories/evil").symlink_to("/"),
    "namespace is a loop": lambda s: (s.base / "repositories/team/loop").symlink_to("."),
    "blob prefix is a symlink": lambda s: (s.base / "blobs/sha256/zz").symlink_to("/tmp"),
    "algorithm is a symlink": lambda s: (s.base / "blobs/sha1").symlink_to("/tmp"),
    "a pipe among the repositories": lambda s: os.mkfifo(s.base / "repositories/pipe"),
    "no repositories at all": lambda s: shutil.rmtree(s.base / "repositories"),
    "a name that is not UTF-8": lambda s: os.mkdir(os.fsencode(s.base / "repositories") + b"/\xff\xfe"),
}


@pytest.mark.parametrize("name", BREAKS_THE_STORE)
def test_where_whole_repositories_could_hide_nothing_goes(store, name):
    BREAKS_THE_STORE[name](store)
    snapshot = scan(store)
    assert not snapshot.complete
    plan = make_plan(snapshot, Request(("team/app", "other:multi"), sweep=True, grace=0), now=NOW)
    assert plan.is_empty()
    assert {refusal.ref for refusal in plan.refused} == {"team/app", "other:multi"}


HARMLESS = {
    "stray file at the root": lambda s: write(s.base / "stray", b"x"),
    "stray file among blobs": lambda s: write(s.base / "blobs/stray", b"x"),
    "stray file below sha256": lambda s: write(s.base / "blobs/sha256/stray", b"x"),
    "stray folder below a prefix": lambda s: (s.base / "blobs/sha256/aa/nonsense").mkdir(parents=True),
    "blob without data": lambda s: (s.base / "blobs/sha256/aa" / ("aa" + "0" * 62)).mkdir(parents=True),
    "unknown algorithm": lambda s: write(s.base / "blobs/md5/aa/aabb/data", b"x"),
    "stray file in a namespace": lambda s: write(s.base / "repositories/team/stray", b"x"),
    "stray file in a repository": lambda s: write(s.repository_path("team/app") / "stray", b"x"),
    "stray file among tags": lambda s: write(some_tag(s).parents[2] / "stray", b"x"),
    "stray folder with underscore": lambda s: (s.repository_path("team/app") / "_odd").mkdir(),
    "no _layers": lambda s: shutil.rmtree(s.repository_path("team/app") / "_layers"),
    "stray layer link": lambda s: write(s.repository_path("team/app") / "_layers/sha256/nope/link", b"x"),
    "0-byte layer link": lambda s: write(s.layer_path("team/app", "sha256:" + "1" * 64), b""),
    "upload without startedat": lambda s: write(s.repository_path("team/app") / "_uploads/u1/data", b"x"),
    "upload with an odd startedat": lambda s: s.upload("team/app", "u2", started="yesterday"),
    "a stray file as upload": lambda s: write(s.repository_path("team/app") / "_uploads/stray", b"x"),
    "repository in capitals": lambda s: s.image("Team/App", "1"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_oddities_that_hold_nothing_are_reported_and_left_alone(store, name):
    before = summarise(scan(store))
    HARMLESS[name](store)
    snapshot = scan(store)
    after = summarise(snapshot)
    assert snapshot.complete
    if name not in ("stray file at the root", "0-byte layer link"):
        assert len(snapshot.problems) == 1, snapshot.problems
    assert after.unreferenced_blobs == before.unreferenced_blobs


def test_a_repository_that_lost_layers_still_holds_its_blobs(store):
    shutil.rmtree(store.repository_path("team/app") / "_layers")
    plan = make_plan(scan(store), Request(sweep=True, grace=0), now=NOW)
    going = {blob.digest for blob in plan.delete.blobs}
    manifest = json.loads(some_manifest(store).read_bytes())
    assert not going & {layer["digest"] for layer in manifest["layers"]}


def test_a_layer_that_is_missing_is_said_and_a_foreign_one_is_not(store):
    foreign = {"mediaType": "x", "digest": "sha256:" + "f" * 64, "size": 5, "urls": ["https://example.com/l"]}
    missing = {"mediaType": "x", "digest": "sha256:" + "e" * 64, "size": 5}
    config = store.config()
    document = {"schemaVersion": 2, "config": {"digest": store.blob(config), "size": len(config)}}
    store.manifest("windows", {**document, "layers": [foreign]}, "ok")
    store.manifest("broken", {**document, "layers": [missing]}, "bad")
    snapshot = scan(store)
    assert snapshot.complete
    assert [problem.repository for problem in snapshot.problems] == ["broken"]


def test_schema_1_is_read_and_holds_its_layers(store):
    layer = store.layer()
    document = {
        "schemaVersion": 1,
        "name": "old",
        "tag": "v1",
        "fsLayers": [{"blobSum": layer}, {"blobSum": layer}],
        "history": [],
        "signatures": [],
    }
    store.manifest("old", document, "v1")
    age(store.root)
    plan = make_plan(scan(store), Request(sweep=True, grace=0), now=NOW)
    assert layer not in {blob.digest for blob in plan.delete.blobs}


def test_a_blob_is_read_back_only_when_it_is_its_own(store):
    source = open_source(store.source)
    body = b"hello"
    digest = store.blob(body)
    assert source.read_blob(digest, 100) == body
    store.blob_path(digest).write_bytes(b"jello")
    with pytest.raises(Exception, match="not what its digest says"):
        source.read_blob(digest, 100)
    with pytest.raises(Exception, match="larger than"):
        source.read_blob(store.layer(500), 100)
    assert sha256(body) == digest


def test_what_is_known_by_digest_is_not_read_again(store):
    known = scan(store)
    for path in store.base.glob("blobs/sha256/*/*/data"):
        os.chmod(path, 0o600)
    source = open_source(store.source)
    reads = []
    original = source.store.read
    source.store.read = lambda path, limit: reads.append(path) or original(path, limit)
    assert source.scan(known=known) == known
    assert not [path for path in reads if "/blobs/" in path]
