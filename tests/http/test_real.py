"""A real registry over its API: scan, plan, delete, untag, undo, and pulls of everything that stays."""

import time

import pytest

from prune.cli import main
from prune.model.digest import digest_of
from prune.model.errors import SourceError, Stale, Unreadable
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.http.conftest import garbage_collect
from tests.layouts import Layout
from tests.servers import Guarded, registry, skopeo
from tests.stores import data_bytes

pytestmark = pytest.mark.real


def source(server):
    return open_source(f"http://{server.host}")


def plan_for(server, *refs):
    return make_plan(source(server).scan(), Request(refs), now=int(time.time()))


def test_it_sees_what_the_storage_has(server):
    over_http = source(server).scan()
    on_disk = open_source(f"storage:{server.root}").scan()
    assert over_http.complete
    assert {n: r.tags for n, r in over_http.repositories.items()} == {
        n: r.tags for n, r in on_disk.repositories.items()
    }
    assert {n: set(r.revisions) for n, r in over_http.repositories.items()} == {
        n: set(r.revisions) for n, r in on_disk.repositories.items()
    }
    assert over_http.manifests == on_disk.manifests
    assert over_http.configs == on_disk.configs
    summary = summarise(over_http)
    assert (summary.blobs, summary.bytes, summary.untagged_manifests) == (None, None, None)


def test_a_blob_is_read_with_the_repository_that_serves_it(server):
    here = source(server)
    snapshot = here.scan()
    digest = snapshot.manifests[snapshot.repositories["team/app"].tags["1.0"]].config.digest
    body = here.read_blob_of("team/app", digest, 1 << 20)
    assert digest_of(body) == digest
    assert snapshot.configs[digest].platform.os.encode() in body
    with pytest.raises(Unreadable, match="status 404"):
        here.read_blob_of("team/app", "sha256:" + "0" * 64, 1 << 20)
    with pytest.raises(Unreadable):
        here.read_blob_of("team/app", digest, 10)
    with pytest.raises(Unreadable, match="not a digest"):
        here.read_blob_of("team/app", "../../evil", 10)


def test_a_rescan_costs_one_head_for_each_tag(server):
    here = source(server)
    first = here.scan()
    asked = []

    async def count(client):
        from prune.sources.base import silent
        from prune.sources.registry_v2.reading import Reader

        original = client.send

        async def send(method, path, **options):
            asked.append((method, path))
            return await original(method, path, **options)

        client.send = send
        reader = Reader(client, first, silent, configs=True)
        return await reader.repositories(first.repositories)

    again = here.run(count)
    assert again == first.repositories
    tags = sum(len(r.tags) for r in first.repositories.values())
    heads = [path for method, path in asked if method == "HEAD" and "sha256:" not in path]
    assert len(heads) == tags
    assert not [path for method, path in asked if method == "GET" and "/manifests/" in path]


@pytest.mark.parametrize(
    ("refs", "gone"),
    [
        (("team/app:2.0",), {("team/app", "2.0")}),
        (("team/app:1.0",), {("team/app", "1.0")}),
        (("team/app:1.0", "team/app:stable"), {("team/app", "1.0"), ("team/app", "stable")}),
        (("multi:1",), {("multi", "1")}),
        (("multi:arm-only",), {("multi", "arm-only")}),
        (("lonely", "multi"), {("lonely", "1"), ("multi", "1"), ("multi", "arm-only")}),
    ],
)
def test_what_stays_pulls_and_what_goes_is_404_and_comes_back(server, refs, gone):
    before = server.pull_all()
    plan = plan_for(server, *refs)
    assert {(tag.repository, tag.tag) for tag in plan.delete.tags} == gone
    outcome = apply(source(server), plan, stopped=None)
    assert outcome.state == "done", outcome
    assert outcome.done == len(plan.delete.tags) + len(plan.delete.manifests)
    assert server.pull_all() == {key: what for key, what in before.items() if key not in gone}
    for repo, tag in gone:
        assert server.get(f"/v2/{repo}/manifests/{tag}")[0] == 404
    # Nothing of the throw-away manifests is left to be seen.
    on_disk = open_source(f"storage:{server.root}").scan()
    assert {(n, t) for n, r in on_disk.repositories.items() for t in r.tags} == before.keys() - gone
    known = {d for r in source(server).scan().repositories.values() for d in r.revisions}
    assert {d for r in on_disk.repositories.values() for d in r.revisions} == known
    assert apply(source(server), plan, stopped=None).run == outcome.run
    restored = restore(source(server), outcome.run)
    assert restored.state == "done", restored
    assert server.pull_all() == before


def test_a_signature_follows_its_image(server):
    before = server.pull_all()
    plan = plan_for(server, "copy:1.0")
    assert len(plan.delete.tags) == 2
    assert apply(source(server), plan, stopped=None).state == "done"
    assert server.tags("copy") == []
    assert server.pull_all() == {key: what for key, what in before.items() if key[0] != "copy"}


def test_the_bytes_are_those_that_garbage_collection_gives_back(server):
    plan = plan_for(server, "team/app:2.0", "multi:1", "lonely")
    apply(source(server), plan, stopped=None)
    size = data_bytes(server.root)
    server.stop()
    garbage_collect(server)
    server.start()
    assert size - data_bytes(server.root) == plan.freed_bytes


def test_undo_ends_with_the_next_garbage_collection(server):
    plan = plan_for(server, "lonely:1")
    outcome = apply(source(server), plan, stopped=None)
    server.stop()
    garbage_collect(server)
    server.start()
    restored = restore(source(server), outcome.run)
    assert restored.state == "partial"
    assert "collected its garbage" in restored.skipped[0].reason


def test_a_tag_that_moved_since_is_left_alone(server, tmp_path):
    plan = plan_for(server, "lonely:1", "team/app:2.0")
    skopeo(f"oci:{tmp_path}/layout:one", f"docker://{server.host}/lonely:1")
    before = server.pull_all()
    outcome = apply(source(server), plan, stopped=None)
    assert outcome.state == "partial"
    assert "lonely:1" in {skipped.item for skipped in outcome.skipped}
    assert server.pull_all() == {key: what for key, what in before.items() if key != ("team/app", "2.0")}


def test_a_tag_that_came_since_holds_the_image(server, tmp_path):
    plan = plan_for(server, "lonely:1")
    skopeo(f"docker://{server.host}/lonely:1", f"docker://{server.host}/lonely:precious")
    outcome = apply(source(server), plan, stopped=None)
    assert server.tags("lonely") == ["precious"]
    assert outcome.state == "partial"
    assert ("lonely", "precious") in server.pull_all()


def test_a_plan_of_which_nothing_holds_is_stale(server, tmp_path):
    plan = plan_for(server, "lonely:1")
    skopeo(f"oci:{tmp_path}/layout:one", f"docker://{server.host}/lonely:1")
    server.request("DELETE", f"/v2/lonely/manifests/{plan.delete.tags[0].digest}")
    with pytest.raises(Stale):
        apply(source(server), plan, stopped=None)


def test_a_registry_that_does_not_delete_says_how_to_switch_it_on(tmp_path, server):
    server.config.write_text(server.config.read_text().replace("enabled: true", "enabled: false"))
    server.stop()
    server.start()
    before = server.pull_all()
    outcome = apply(source(server), plan_for(server, "team/app:2.0"), stopped=None)
    assert outcome.state == "failed"
    assert "delete: enabled: true" in outcome.message
    assert server.pull_all() == before
    server.config.write_text(server.config.read_text().replace("enabled: false", "enabled: true"))
    server.stop()
    server.start()
    assert apply(source(server), plan_for(server, "team/app:2.0"), stopped=None).state == "done"


def test_a_server_that_goes_away_in_the_middle_is_resumed(server):
    from prune.sources.registry_v2.client import Client

    before = server.pull_all()
    plan = plan_for(server, "team/app:2.0", "lonely:1", "multi:1", "team/app:1.0")
    original = Client.send
    writes = 0

    def failing_after(number):
        async def send(self, method, path, **options):
            nonlocal writes
            if method in ("DELETE", "PUT", "POST"):
                writes += 1
                if writes == number:
                    raise SourceError("The registry went away.")
            return await original(self, method, path, **options)

        return send

    try:
        for number in range(1, 9):
            writes = 0
            Client.send = failing_after(number)
            outcome = apply(source(server), plan, stopped=None)
            if outcome.state == "done" and writes < number:
                break
            assert outcome.state in ("failed", "done")
    finally:
        Client.send = original
    outcome = apply(source(server), plan, stopped=None)
    assert outcome.state == "done"
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert server.pull_all() == {key: what for key, what in before.items() if key not in gone}
    on_disk = open_source(f"storage:{server.root}").scan()
    known = {d for r in source(server).scan().repositories.values() for d in r.revisions}
    assert {d for r in on_disk.repositories.values() for d in r.revisions} == known


def test_the_command(server, tmp_path, capsys):
    import json

    address, file = f"http://{server.host}", str(tmp_path / "plan.json")
    assert main(["scan", address]) == 0
    assert main(["tree", address]) == 0
    assert main(["plan", address, "--delete", "team/app:2.0", "--out", file]) == 0
    assert main(["draw", address, "--plan", file, "--before", str(tmp_path / "b.svg")]) == 0
    capsys.readouterr()
    assert main(["apply", address, file, "--yes", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert server.tags("team/app") == ["1.0", "stable"]
    assert main(["restore", address, run]) == 0
    assert server.tags("team/app") == ["1.0", "2.0", "stable"]
    assert main(["scan", f"{address}/team"]) == 0
    assert main(["empty-trash", address, "--yes"]) == 0


def test_basic_credentials_and_a_private_ca(tmp_path, monkeypatch):
    """htpasswd and TLS, as people run it."""
    server = Guarded(tmp_path)
    server.start()
    layout = Layout(tmp_path / "layout")
    layout.image(layout.layer("x"), tag="x")
    try:
        server.push(layout, "x", "app:1")
        address = f"https://{server.host}"
        with pytest.raises(SourceError, match="not trusted"):
            open_source(address).scan()
        monkeypatch.setenv("PRUNE_CA_FILE", str(tmp_path / "certs/ca.crt"))
        with pytest.raises(SourceError, match="give credentials"):
            open_source(address).scan()
        monkeypatch.setenv("PRUNE_USERNAME", "me")
        monkeypatch.setenv("PRUNE_PASSWORD", "wrong-password")
        with pytest.raises(SourceError, match="does not allow") as error:
            open_source(address).scan()
        assert "wrong-password" not in str(error.value)
        monkeypatch.setenv("PRUNE_PASSWORD", server.password)
        assert open_source(address).scan().repositories["app"].tags.keys() == {"1"}
    finally:
        server.stop()


def test_an_empty_registry(tmp_path):
    with registry(tmp_path / "store", tmp_path) as server:
        assert summarise(source(server).scan()).repositories == 0
