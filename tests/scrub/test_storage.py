"""What is damaged on a disk is found, named, and nothing else is."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from prune.cli import main
from prune.scrub.scrub import scrub
from prune.sources.open import open_source
from tests.reclaim.naive import closure
from tests.stores import V1Store, V2Store, age, sha256, tree


@pytest.fixture
def v2(tmp_path) -> V2Store:
    """A whole store: every size that a manifest gives is true."""
    store = V2Store(tmp_path / "registry")
    base, top = store.layer(), store.layer()
    app = store.image("team/app", "1.0", "stable", layers=[base, top])
    store.image("team/app", "2.0", layers=[base, store.layer()])
    store.link("copy/of/app", app, "1.0")
    for digest in closure(store, app) - {app}:
        store.link_layer("copy/of/app", digest)
    children = [store.image("multi", layers=[base], platform=p) for p in ("linux/amd64", "linux/arm64")]
    entries = [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": d, "size": size_of(store, d)}
        for d in children
    ]
    entries[1]["platform"] = {"os": "linux", "architecture": "arm64"}
    store.manifest(
        "multi",
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries},
        "1",
    )
    store.layer(77)
    age(store.root)
    return store


def size_of(store: V2Store, digest: str) -> int:
    return store.blob_path(digest).stat().st_size


def scrubbed(store, **options):
    return scrub(open_source(store.source), now=int(time.time()), **options)


def found(store, **options) -> set[tuple[str, str]]:
    return {(fault.kind, fault.item) for fault in scrubbed(store, **options).faults}


def parts(store: V2Store, repo: str, tag: str) -> tuple[str, dict]:
    digest = store.tag_path(repo, tag).read_text()
    return digest, json.loads(store.blob_path(digest).read_bytes())


def test_a_whole_store_is_good_and_nothing_is_written(v2):
    before = tree(v2.root)
    result = scrubbed(v2)
    blobs = list((v2.base / "blobs").rglob("data"))
    assert (result.state, result.faults, result.depth) == ("good", (), "full")
    assert (result.repositories, result.tags, result.manifests) == (3, 5, 6)
    assert result.blobs == result.hashed == len(blobs)
    assert result.hashed_bytes == sum(path.stat().st_size for path in blobs)
    assert tree(v2.root) == before
    assert not (v2.root / ".registryui").exists()


def test_a_layer_that_is_missing_names_every_image_that_needs_it(v2):
    _, manifest = parts(v2, "team/app", "1.0")
    digest = manifest["layers"][0]["digest"]
    v2.blob_path(digest).unlink()
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item) == ("missing-blob", digest)
    needing = {"copy/of/app:1.0", "multi:1", "team/app:1.0", "team/app:2.0", "team/app:stable"}
    assert set(fault.images) == needing


@pytest.mark.parametrize("harm", ["flipped", "shorter", "longer", "empty"])
def test_a_blob_that_is_spoilt(v2, harm):
    _, manifest = parts(v2, "team/app", "1.0")
    digest = manifest["layers"][1]["digest"]
    body = v2.blob_path(digest).read_bytes()
    spoilt = {"flipped": bytes([body[0] ^ 1]) + body[1:], "shorter": body[:-1], "longer": body + b"x", "empty": b""}
    v2.blob_path(digest).write_bytes(spoilt[harm])
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item) == ("wrong-digest", digest)
    assert set(fault.images) == {"copy/of/app:1.0", "team/app:1.0", "team/app:stable"}
    assert "is not what its digest says" in fault.what
    # Without reading it, only its size can tell.
    shallow = found(v2, depth="sizes")
    assert shallow == (set() if harm == "flipped" else {("wrong-size", digest)})


def test_a_manifest_whose_sizes_are_not_true(v2):
    layer = v2.layer(500)
    config = v2.config([layer])
    media = "application/vnd.oci.image.config.v1+json"
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": media, "digest": v2.blob(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 499}],
    }
    for digest in (layer, document["config"]["digest"]):
        v2.link_layer("lies", digest)
    v2.manifest("lies", document, "1")
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item, fault.images) == ("wrong-size", layer, ("lies:1",))
    assert "has 500 bytes" in fault.what
    assert "says 499" in fault.what


def test_a_spoilt_manifest_is_said_once(v2):
    digest, _ = parts(v2, "team/app", "2.0")
    body = v2.blob_path(digest).read_bytes()
    v2.blob_path(digest).write_bytes(body.replace(b"linux", b"Linux").replace(b"2,", b"3,", 1))
    assert found(v2) == {("wrong-digest", digest)}


@pytest.mark.parametrize("link", ["", "sha256:nonsense", None])
def test_a_tag_that_leads_nowhere(v2, link):
    path = v2.tag_path("team/app", "2.0")
    path.unlink() if link is None else path.write_text(link)
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item, fault.images) == ("broken-tag", "team/app:2.0", ("team/app:2.0",))


def test_a_tag_on_a_manifest_that_its_repository_does_not_serve(v2):
    digest, _ = parts(v2, "team/app", "2.0")
    v2.tag("copy/of/app", "odd", digest)
    assert found(v2) == {("broken-tag", "copy/of/app:odd")}


def test_an_index_without_one_of_its_images(v2):
    index, document = parts(v2, "multi", "1")
    child = document["manifests"][1]["digest"]
    shutil.rmtree(v2.revision_path("multi", child).parent)
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item, fault.images) == ("broken-index", f"multi@{index}", ("multi:1",))
    assert "linux/arm64" in fault.what
    v2.blob_path(child).unlink()
    assert found(v2) == {("broken-index", f"multi@{index}"), ("missing-blob", child)}


@pytest.mark.parametrize("harm", ["gone", "empty", "other", "a link"])
def test_a_link_of_a_layer_that_cannot_be_followed(v2, harm, tmp_path):
    _, manifest = parts(v2, "team/app", "1.0")
    digest = manifest["layers"][1]["digest"]
    path = v2.layer_path("copy/of/app", digest)
    if harm == "gone":
        shutil.rmtree(path.parent)
    elif harm == "a link":
        path.rename(tmp_path / "aside")
        path.symlink_to(tmp_path / "aside")
    else:
        path.write_text("" if harm == "empty" else sha256(b"other"))
    (fault,) = scrubbed(v2).faults
    assert (fault.kind, fault.item) == ("broken-link", f"copy/of/app link {digest}")
    assert fault.images == ("copy/of/app:1.0",)


def test_a_link_of_a_manifest_that_is_empty(v2):
    index, _ = parts(v2, "multi", "1")
    path = v2.revision_path("multi", index)
    path.write_text("")
    kinds = found(v2)
    assert ("broken-link", str(path.relative_to(v2.root))) in kinds
    assert ("broken-tag", "multi:1") in kinds


def test_uploads_that_were_left_over_and_one_that_is_under_way(v2):
    v2.upload("team/app", "old")
    age(v2.repository_path("team/app") / "_uploads")
    v2.upload("team/app", "new", started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    (v2.upload("team/app", "odd") / "startedat").write_text("when?")
    result = scrubbed(v2)
    assert {(fault.kind, fault.item) for fault in result.faults} == {
        ("orphaned-upload", "team/app upload old"),
        ("orphaned-upload", "team/app upload odd"),
    }
    assert result.state == "good"  # left over, and nothing is broken by it
    assert ("orphaned-upload", "team/app upload new") in found(v2, grace=-10)


def test_a_disk_that_fails_is_unknown_and_not_bad(v2, monkeypatch):
    from prune.sources.stores.disk import DiskStore

    _, manifest = parts(v2, "team/app", "1.0")
    digest = manifest["layers"][1]["digest"]
    stream = DiskStore.stream

    def failing(store, path):
        if digest[7:] in path:
            raise OSError(5, "Input/output error")
        return stream(store, path)

    monkeypatch.setattr(DiskStore, "stream", failing)
    result = scrubbed(v2)
    assert result.state == "unknown"
    assert [(fault.kind, fault.item) for fault in result.faults] == [("unreadable", digest)]


def test_every_single_file_that_is_harmed_is_found(v2, tmp_path):
    """Whatever one file is emptied or removed: the scrub says so exactly when a pull would notice."""
    original = tmp_path / "original"
    v2.root.rename(original)
    kept = {path.relative_to(original) for path in original.rglob("*") if path.is_file()}
    unnoticed = set()
    for path in sorted(kept):
        for harm in ("emptied", "removed"):
            shutil.rmtree(v2.root, ignore_errors=True)
            shutil.copytree(original, v2.root)
            (v2.root / path).write_bytes(b"") if harm == "emptied" else (v2.root / path).unlink()
            if scrubbed(v2).state != "bad":
                unnoticed.add((str(path), harm))
    loose = {path for path, _ in unnoticed if "/blobs/" in path}
    history = {path for path, _ in unnoticed if "/tags/" in path}
    served = {path for path, _ in unnoticed} - loose - history
    # A blob that nothing needs may be absent, and a tag's past is history; a manifest that lost its link is not
    # served any more, which shows where a tag or an index still leads to it.
    assert {harm for path, harm in unnoticed if path in loose} <= {"removed"}
    assert len(loose) <= 1
    assert all("/index/" in path for path in history)
    assert served == set()


# ---- V1 ---------------------------------------------------------------------------------------------------


@pytest.fixture
def v1(tmp_path) -> V1Store:
    store = V1Store(tmp_path / "registry")
    for letter, parent in {"A": None, "B": "A", "C": "B"}.items():
        store.image(letter, parent)
        folder = store.root / "images" / store.id(letter)
        whole = (folder / "json").read_bytes() + b"\n" + (folder / "layer").read_bytes()
        sums = ["tarsum+sha256:" + "0" * 64, "sha256:" + hashlib.sha256(whole).hexdigest()]
        (folder / "_checksum").write_text(json.dumps(sums))
    store.image("D")  # an old one, without a checksum
    store.tag("library/seed", "latest", "C")
    age(store.root)
    return store


def test_v1_is_compared_with_the_checksums_of_its_pushes(v1):
    result = scrubbed(v1)
    assert (result.state, result.faults, result.manifests, result.hashed) == ("good", (), 4, 3)
    layer = v1.root / "images" / v1.id("A") / "layer"
    layer.write_bytes(b"a" * 1000)
    (fault,) = scrubbed(v1).faults
    assert (fault.kind, fault.item, fault.images) == ("wrong-digest", v1.id("A"), ("library/seed:latest",))


@pytest.mark.parametrize(("file", "kind"), [("layer", "missing-blob"), ("ancestry", "missing-blob")])
def test_v1_what_is_missing(v1, file, kind):
    (v1.root / "images" / v1.id("B") / file).unlink()
    kinds = found(v1)
    assert (kind, f"{v1.id('B')} {file}") in kinds
    assert scrubbed(v1).state == "bad"


def test_v1_tags_and_uploads(v1):
    (v1.root / "repositories/library/seed/tag_odd").write_text(v1.id("E"))
    mark = v1.root / "images" / v1.id("D") / "_inprogress"
    mark.write_text("")
    os.utime(mark, (0, 0))
    assert found(v1) == {("broken-tag", "library/seed:odd"), ("orphaned-upload", f"image {v1.id('D')}")}


# ---- the command ------------------------------------------------------------------------------------------


def test_the_command_and_its_exit_codes(v2, capsys, monkeypatch):
    assert main(["scrub", v2.source, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {
        "source", "kind", "state", "depth", "faults", "counts", "repositories", "tags", "manifests", "blobs",
        "hashed", "hashed_bytes", "seconds",
    }  # fmt: skip
    _, manifest = parts(v2, "team/app", "2.0")
    v2.blob_path(manifest["layers"][1]["digest"]).unlink()
    assert main(["scrub", v2.source, "--json", "--depth", "sizes"]) == 5
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"] == {"missing-blob": 1}
    assert shown["faults"][0].keys() == {"kind", "item", "what", "images"}
    assert main(["scrub", v2.source]) == 5
    said = capsys.readouterr()
    assert "missing-blob" in said.out
    assert "needed by team/app:2.0" in said.out
    assert "Push them again" in said.err
    assert main(["scrub", "storage:/nowhere"]) == 1
    assert main(["scrub", v2.source, "--grace", "soon"]) == 2


def test_what_could_not_be_read_is_exit_code_3(v2):
    folder = Path(v2.base / "repositories/copy")
    folder.rename(v2.root / "aside")
    folder.symlink_to(v2.root / "aside")
    assert main(["scrub", v2.source]) == 3
