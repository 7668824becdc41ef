"""The real registry with its S3 driver writes and serves; we read and clean behind it."""

import json

import pytest

from prune.cli import main
from tests.buckets import BucketRegistry
from tests.servers import push_examples

pytestmark = pytest.mark.real


@pytest.fixture
def server(bucket, tmp_path):
    started = BucketRegistry(bucket.server, bucket.name, tmp_path, "some/where")
    started.start()
    try:
        push_examples(started, tmp_path)
        yield started
    finally:
        started.stop()


def test_from_scan_to_restore(server, bucket, tmp_path, capsys):
    before = server.pull_all()
    assert len(before) == 7
    everything = bucket.objects()
    source = f"{bucket.source}/some/where"
    file = str(tmp_path / "plan.json")

    assert main(["scan", source, "--json"]) == 0
    scan = json.loads(capsys.readouterr().out)
    assert (scan["source"], scan["kind"], scan["complete"]) == (source, "storage-v2", True)
    assert (scan["repositories"], scan["tags"]) == (4, 7)
    assert scan["bytes"] == sum(len(body) for key, body in everything.items() if key.endswith("/data"))

    refs = ["--delete", "team/app:2.0", "--delete", "multi:1", "--delete", "lonely"]
    assert main(["plan", source, *refs, "--grace", "0s", "--out", file, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert bucket.objects() == everything
    assert main(["apply", source, file, "--yes"]) == 4
    server.stop()
    capsys.readouterr()
    assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped", "--json"]) == 0
    applied = json.loads(capsys.readouterr().out)
    assert applied["freed_bytes"] == plan["freed_bytes"] > 0

    server.start()
    gone = {("team/app", "2.0"), ("multi", "1"), ("lonely", "1")}
    assert server.pull_all() == {key: what for key, what in before.items() if key not in gone}
    for repo, tag in gone:
        assert server.get(f"/v2/{repo}/manifests/{tag}")[0] == 404
    assert sorted(server.catalog()) == ["copy/app", "multi", "team/app"]
    left = bucket.objects()
    freed = {key for key in everything if key.endswith("/data")} - left.keys()
    assert sum(len(everything[key]) for key in freed) == plan["freed_bytes"]

    server.stop()
    assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped"]) == 0
    assert bucket.objects() == left
    assert main(["restore", source, applied["run"]]) == 0
    assert bucket.objects() == everything
    server.start()
    assert server.pull_all() == before

    server.stop()
    assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped"]) == 0
    held = sum(map(len, bucket.objects(trash=True).values()))
    assert main(["empty-trash", source, "--yes", "--json"]) == 0
    assert held - sum(map(len, bucket.objects(trash=True).values())) > plan["freed_bytes"]
    assert bucket.objects() == left
    server.start()
    assert server.pull_all() == {key: what for key, what in before.items() if key not in gone}
