"""Looking for damage in a bucket."""

import json

import obstore
import pytest

from prune.cli import main
from tests.reclaim.conftest import fill
from tests.stores import V2Store

BASE = "docker/registry/v2"


@pytest.fixture
def v2(bucket, tmp_path):
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    return bucket


def scrubbed(bucket, capsys, depth: str) -> dict:
    main(["scrub", bucket.source, "--depth", depth, "--json"])
    return json.loads(capsys.readouterr().out)


def test_links_cost_no_request_each(v2, capsys):
    links = sum(path.endswith("/link") for path in v2.objects())
    assert links > 20
    v2.server.counted()
    scrubbed(v2, capsys, "sizes")
    asked = v2.server.counted()
    assert asked["list"] <= 6
    assert asked["get"] < links


def test_damage_is_found(v2, capsys):
    before = scrubbed(v2, capsys, "full")["faults"]
    objects = v2.objects()
    blob = max(
        (path for path in objects if path.endswith("/data") and "/blobs/" in path), key=lambda p: len(objects[p])
    )
    link = next(path for path in objects if "/_layers/" in path)
    obstore.put(v2.store, blob, bytes(len(objects[blob])))
    obstore.put(v2.store, link, b"x" * len(objects[link]))
    kinds = [fault["kind"] for fault in scrubbed(v2, capsys, "full")["faults"] if fault not in before]
    assert {"wrong-digest", "broken-link"} <= set(kinds)
