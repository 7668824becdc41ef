"""What is damaged behind an API is found by asking for everything that the manifests name."""

import json
import shutil
import time

import pytest

from prune.cli import main
from prune.scrub.scrub import scrub
from prune.sources.open import open_source
from tests.servers import Registry
from tests.stores import V2Store

pytestmark = pytest.mark.real


def found(server: Registry, **options):
    return scrub(open_source(f"http://{server.host}"), now=int(time.time()), **options)


def manifest_of(server: Registry, repo: str, tag: str) -> dict:
    return json.loads(server.get(f"/v2/{repo}/manifests/{tag}")[1])


def test_a_whole_registry_is_good_and_read_as_far_as_asked(server):
    shallow = found(server)
    assert (shallow.state, shallow.faults, shallow.depth, shallow.hashed) == ("good", (), "sizes", 0)
    assert (shallow.repositories, shallow.tags) == (4, len(server.pull_all()))
    deep = found(server, depth="full")
    assert (deep.state, deep.faults) == ("good", ())
    assert deep.hashed == len({d for pulled in server.pull_all().values() for d in pulled if is_blob(server, d)})
    assert main(["scrub", f"http://{server.host}"]) == 0


def is_blob(server: Registry, digest: str) -> bool:
    """Tell whether a digest is a config or a layer, and no manifest."""
    if not digest.startswith("sha256:"):
        return False
    store = V2Store(server.root)
    return not any((store.base / "repositories").rglob(f"revisions/sha256/{digest[7:]}"))


def test_what_is_damaged_is_named(server):
    store = V2Store(server.root)
    layer = manifest_of(server, "team/app", "2.0")["layers"][1]["digest"]
    alone = manifest_of(server, "lonely", "1")["layers"][0]["digest"]
    child = manifest_of(server, "multi", "1")["manifests"][1]["digest"]
    server.stop()
    store.blob_path(layer).unlink()
    body = store.blob_path(alone).read_bytes()
    store.blob_path(alone).write_bytes(bytes([body[0] ^ 1]) + body[1:])
    shutil.rmtree(store.revision_path("multi", child).parent)
    store.tag("copy", "odd", "sha256:" + "0" * 64)
    server.start()
    shallow = {(fault.kind, fault.item): fault for fault in found(server).faults}
    assert set(shallow) == {
        ("missing-blob", f"team/app@{layer}"),
        ("broken-index", f"multi@{child}"),
        ("broken-tag", "copy:odd"),
    }
    assert shallow["missing-blob", f"team/app@{layer}"].images == ("team/app:2.0",)
    deep = found(server, depth="full")
    assert deep.state == "bad"
    assert {(fault.kind, fault.item) for fault in deep.faults} - set(shallow) == {("wrong-digest", f"lonely@{alone}")}
    assert main(["scrub", f"http://{server.host}", "--depth", "full"]) == 5


def test_a_layer_of_another_size(server):
    store = V2Store(server.root)
    alone = manifest_of(server, "lonely", "1")["layers"][0]["digest"]
    server.stop()
    store.blob_path(alone).write_bytes(b"short")
    server.start()
    assert [(fault.kind, fault.item) for fault in found(server).faults] == [("wrong-size", f"lonely@{alone}")]
    assert [fault.kind for fault in found(server, depth="full").faults] == ["wrong-digest"]
