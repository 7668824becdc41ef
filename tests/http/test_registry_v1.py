"""V1 registries over their API: what the seed says of them, word for word, and what may go wrong."""

import json
import time

import pytest
from aiohttp import web

from prune.cli import main
from prune.graph.images import image_graph
from prune.model.errors import Refused, SourceError, Stale
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash, list_runs
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from prune.sources.registry_v2 import client as client_module
from tests.http.registry_v1 import RegistryV1Server
from tests.reclaim.naive import v1_pulled
from tests.stores import V1Store, seed_branch, tree

SEED, OTHER = "library/seed", "team/other"


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(client_module, "LONGEST_WAIT", 0.2)


@pytest.fixture
def store(tmp_path) -> V1Store:
    made = V1Store(tmp_path / "store")
    seed_branch(made)
    made.image("E", "B")
    made.tag(OTHER, "v1", "E")
    made.index(OTHER, "A", "B", "E", "F")
    made.image("F", "E")
    return made


@pytest.fixture
def server(store):
    served = RegistryV1Server(store.root)
    served.start()
    yield served
    served.stop()


def opened(server, path="", **options):
    return open_source(server.url + path, timeout=1.0, **options)


def plan_for(server, *refs, sweep=False):
    return make_plan(opened(server).scan(), Request(refs, sweep), now=int(time.time()))


def tags(store) -> dict[tuple[str, str], str]:
    return {
        (f"{path.parents[1].name}/{path.parent.name}", path.name[4:]): path.read_text()
        for path in store.root.glob("repositories/*/*/tag_*")
    }


def images(root) -> dict:
    return {path: what for path, what in tree(root).items() if path.startswith("images")}


# ---- reading ----------------------------------------------------------------------------------------------


def test_it_sees_what_the_storage_has(server, store):
    over_http, on_disk = opened(server).scan(), open_source(store.source).scan()
    assert (over_http.kind, over_http.complete, over_http.problems) == ("registry-v1", True, ())
    assert {name: r.tags for name, r in over_http.repositories.items()} == {
        name: r.tags for name, r in on_disk.repositories.items()
    }
    assert {(i.id, i.ancestry, i.size, i.created) for i in over_http.images.values()} == {
        (i.id, i.ancestry, i.size, i.created) for i in on_disk.images.values()
    }
    drawn = [{(n.key, n.parent) for n in image_graph(one).nodes.values()} for one in (over_http, on_disk)]
    assert drawn[0] == drawn[1]
    summary = summarise(over_http)
    # What lies on its disk besides, it does not say.
    assert (summary.images, summary.tags, summary.blobs, summary.bytes, summary.unreferenced_bytes) == (
        6, 4, None, None, None
    )  # fmt: skip


def test_a_rescan_asks_for_no_image_again(server):
    first = opened(server).scan()
    server.requests.clear()
    assert opened(server).scan(known=first) == first
    assert not [path for _, path, _ in server.requests if path.startswith("/v1/images")]


def test_one_repository_by_name(server):
    assert set(opened(server, "/seed").scan().repositories) == {SEED}
    assert set(opened(server, "/team/other").scan().repositories) == {OTHER}


def test_without_a_search_a_name_is_needed(server, capsys):
    server.indexed = False
    snapshot = opened(server).scan()
    assert snapshot.repositories == {}
    assert "keeps no index" in snapshot.problems[0].what
    server.hook = lambda request: web.Response(status=500) if request.path == "/v1/search" else None
    with pytest.raises(SourceError, match="https://HOST/NAME"):
        opened(server).scan()
    assert set(opened(server, "/seed").scan().repositories) == {SEED}


def test_a_search_that_shows_only_a_part_is_no_list(server):
    answer = {"num_results": 3, "results": [{"name": SEED}]}
    server.hook = lambda request: web.json_response(answer) if request.path == "/v1/search" else None
    with pytest.raises(SourceError, match="all that it found"):
        opened(server).scan()


def test_an_upload_under_way_is_not_read(server, store):
    (store.root / "images" / store.id("F") / "_inprogress").write_text("true")
    snapshot = opened(server).scan()
    assert snapshot.complete
    assert snapshot.images[store.id("F")].ancestry is None


def ancestry(store, letter):
    return store.root / "images" / store.id(letter) / "ancestry"


SPOILS = {
    "no ancestry": lambda s: ancestry(s, "C").unlink(),
    "an ancestry that is none": lambda s: ancestry(s, "C").write_text("{}"),
    "an ancestry of another": lambda s: ancestry(s, "C").write_text(json.dumps([s.id("D")])),
    "a base that is missing": lambda s: [p.unlink() for p in (s.root / "images" / s.id("A")).iterdir()],
    "an image being uploaded": lambda s: (s.root / "images" / s.id("C") / "_inprogress").write_text(""),
    "an empty tag": lambda s: (s.root / "repositories" / SEED / "tag_version2").write_text(""),
    "a tag to nothing": lambda s: s.tag(SEED, "version2", "9"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_what_cannot_be_read_keeps_its_repository(server, store, name):
    SPOILS[name](store)
    snapshot = opened(server).scan()
    assert not snapshot.complete
    assert not snapshot.repositories[SEED].complete
    plan = make_plan(snapshot, Request((SEED, f"{SEED}:version1", f"{OTHER}:v1")), now=1)
    assert {SEED, f"{SEED}:version1"} <= {refusal.ref for refusal in plan.refused}
    assert SEED not in {tag.repository for tag in plan.delete.tags}


HOSTILE = {
    "500": lambda r: web.Response(status=500),
    "HTML": lambda r: web.Response(text="<html>"),
    "a list": lambda r: web.json_response(["version1"]),
    "numbers": lambda r: web.json_response({"version1": 1}),
    "an odd tag": lambda r: web.json_response({"../../x": "c" * 64}),
    "an odd id": lambda r: web.json_response({"version1": "../../etc"}),
    "a redirect": lambda r: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
    "deep JSON": lambda r: web.Response(text="[" * 100_000),
    "403": lambda r: web.Response(status=403),
    "404 of a proxy": lambda r: web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html"),
    "404 without an error": lambda r: web.json_response({}, status=404),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_answers_keep_their_repository_and_the_rest_goes_on(server, name):
    server.hook = lambda r: HOSTILE[name](r) if r.path == f"/v1/repositories/{SEED}/tags" else None
    snapshot = opened(server).scan()
    assert not snapshot.repositories[SEED].complete
    assert snapshot.repositories[OTHER].complete
    plan = make_plan(snapshot, Request((SEED, f"{OTHER}:v1")), now=1)
    assert [tag.repository for tag in plan.delete.tags] == [OTHER]


@pytest.mark.parametrize("answer", ["404", "HTML", "nonsense"])
def test_what_is_no_v1_registry_either_says_so(server, answer, capsys):
    made = {"404": {"status": 404}, "HTML": {"text": "<html>"}, "nonsense": {"text": '"pong"'}}[answer]
    server.hook = lambda request: web.Response(**made) if request.path == "/v1/_ping" else None
    assert main(["scan", server.url]) == 1
    assert "no registry" in capsys.readouterr().err


def test_credentials_go_along_and_are_asked_for(server):
    def guard(request):
        if request.headers.get("Authorization") != Credentials("me", "secret").basic():
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return None

    server.hook = guard
    with pytest.raises(SourceError, match="give credentials"):
        opened(server, access=Access(Credentials())).scan()
    source = opened(server, access=Access(Credentials("me", "secret")))
    assert source.kind == "registry-v1"
    assert source.scan().complete
    assert source.test().server == "docker-registry 0.9.1"


# ---- deleting: as the seed explains -----------------------------------------------------------------------


def test_deleting_a_tag_deletes_no_image(server, store):
    whole, kept = v1_pulled(store.root), images(store.root)
    plan = plan_for(server, f"{SEED}:version1")
    assert (plan.delete.images, plan.freed_bytes) == ((), 0)
    reasons = {kept.id: kept.reasons for kept in plan.keep}
    assert any("stays on the disk" in reason for reason in reasons[store.id("C")])
    assert not any("stays on the disk" in reason for reason in reasons[store.id("A")])
    outcome = apply(opened(server), plan, stopped=None)
    assert (outcome.state, outcome.done, outcome.freed_bytes) == ("done", 1, 0)
    assert images(store.root) == kept
    assert v1_pulled(store.root) == {key: what for key, what in whole.items() if key != (SEED, "version1")}
    # It is still listed among what was pushed there, and reached by nothing.
    after = opened(server).scan()
    assert store.id("C") in after.images
    assert set(after.repositories[SEED].tags) == {"version2", "latest"}
    assert apply(opened(server), plan, stopped=None).run == outcome.run
    restored = restore(opened(server), outcome.run)
    assert (restored.state, restored.done) == ("done", 1)
    assert v1_pulled(store.root) == whole
    assert opened(server).scan().repositories[SEED].tags["version1"] == store.id("C")


def test_deleting_a_repository_deletes_all_its_tags_and_no_image(server, store):
    whole, kept = v1_pulled(store.root), images(store.root)
    path = store.root / "repositories" / SEED / "_index_images"
    listed = {entry["id"]: entry for entry in json.loads(path.read_text())}
    plan = plan_for(server, SEED)
    outcome = apply(opened(server), plan, stopped=None)
    assert (outcome.state, outcome.done) == ("done", 4)
    assert not (store.root / "repositories" / SEED).exists()
    assert images(store.root) == kept
    assert set(opened(server).scan().repositories) == {OTHER}
    assert restore(opened(server), outcome.run).state == "done"
    assert v1_pulled(store.root) == whole
    assert {entry["id"]: entry for entry in json.loads(path.read_text())} == listed


def test_what_the_api_cannot_do_is_refused_in_a_sentence(server, store):
    plan = plan_for(server, f"{SEED}@sha256:{'0' * 64}", sweep=True)
    assert plan.is_empty()
    refused = {refusal.ref: refusal.reason for refusal in plan.refused}
    assert "deletes no image" in refused["--sweep"]
    assert refused.keys() == {"--sweep", f"{SEED}@sha256:{'0' * 64}"}


def test_a_registry_that_misses_its_own_notes_answers_404_and_the_tag_is_gone(server, store):
    (store.root / "repositories" / SEED / "json").unlink()
    outcome = apply(opened(server), plan_for(server, f"{SEED}:latest"), stopped=None)
    assert (outcome.state, outcome.done) == ("done", 1)
    assert (SEED, "latest") not in tags(store)


def test_what_moved_or_came_since_stays(server, store):
    plan = plan_for(server, SEED, f"{OTHER}:v1")
    store.tag(OTHER, "v1", "F")
    store.tag(SEED, "new", "E")
    outcome = apply(opened(server), plan, stopped=None)
    assert outcome.state == "partial"
    assert {skipped.item for skipped in outcome.skipped} == {f"{OTHER}:v1", SEED}
    assert tags(store) == {(OTHER, "v1"): store.id("F"), (SEED, "new"): store.id("E")}


def test_a_tag_that_comes_at_the_last_moment_keeps_its_repository(server, store):
    def late(request):
        if request.method == "DELETE" and request.path.endswith("/tags/version2"):
            store.tag(SEED, "late", "E")
        return None

    plan = plan_for(server, SEED)
    server.hook = late
    outcome = apply(opened(server), plan, stopped=None)
    assert outcome.state == "partial"
    assert tags(store)[SEED, "late"] == store.id("E")


def test_a_404_of_something_in_between_deletes_no_repository(server, store):
    """A proxy that loses its way says that there are no tags: the repository has one that came a moment ago."""
    deleted = []

    def hook(request):
        if request.method == "DELETE":
            deleted.append(request.path)
            if request.path.endswith("/tags/version2"):
                store.tag(SEED, "late", "E")
        elif deleted and request.path == f"/v1/repositories/{SEED}/tags":
            return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
        return None

    plan = plan_for(server, SEED)
    server.hook = hook
    outcome = apply(opened(server), plan, stopped=None)
    assert outcome.state == "failed"
    assert f"/v1/repositories/{SEED}/" not in deleted
    assert tags(store)[SEED, "late"] == store.id("E")


def test_a_plan_of_which_nothing_holds_is_stale(server, store):
    plan = plan_for(server, f"{SEED}:version1")
    store.tag(SEED, "version1", "D")
    with pytest.raises(Stale):
        apply(opened(server), plan, stopped=None)


@pytest.mark.parametrize("status", [403, 405, 500])
def test_a_registry_that_does_not_delete_says_so(server, store, status):
    whole = tags(store)
    plan = plan_for(server, f"{SEED}:version1", OTHER)
    server.hook = lambda request: web.Response(status=status) if request.method == "DELETE" else None
    outcome = apply(opened(server), plan, stopped=None)
    assert outcome.state == "failed"
    assert str(status) in outcome.message
    assert tags(store) == whole
    server.hook = None
    assert apply(opened(server), plan, stopped=None).state == "done"


@pytest.mark.parametrize("number", range(1, 9))
def test_an_interrupted_run_is_finished_by_the_next(server, store, monkeypatch, number):
    """After each entry of the record, and after each answer that nobody heard."""
    from prune.reclaim.journal import Journal

    whole = v1_pulled(store.root)
    plan = plan_for(server, SEED)
    add, left = Journal.add, [number]

    def interrupted(self, *lines):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        add(self, *lines)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            apply(opened(server), plan, stopped=None)
    outcome = apply(opened(server), plan, stopped=None)
    assert (outcome.state, outcome.done) == ("done", 4), outcome
    assert (SEED, "version1") not in tags(store)
    assert restore(opened(server), outcome.run).state == "done"
    assert v1_pulled(store.root) == whole


def test_an_undo_leaves_alone_what_came_since_and_says_what_is_gone(server, store):
    outcome = apply(opened(server), plan_for(server, f"{SEED}:version1", f"{SEED}:version2"), stopped=None)
    store.tag(SEED, "version1", "A")
    (store.root / "images" / store.id("D") / "json").unlink()
    restored = restore(opened(server), outcome.run)
    assert restored.state == "partial"
    assert {skipped.item: skipped.reason for skipped in restored.skipped} == {
        f"{SEED}:version1": "it was pushed again since; that tag stays",
        f"{SEED}:version2": "its image is no longer there",
    }
    assert tags(store)[SEED, "version1"] == store.id("A")


def test_the_record_can_be_emptied(server):
    outcome = apply(opened(server), plan_for(server, f"{SEED}:version1"), stopped=None)
    assert [run.state for run in list_runs(opened(server))] == ["done"]
    assert empty_trash(opened(server), older_than=None, now=int(time.time())).freed_bytes == 0
    with pytest.raises(Refused, match="emptied"):
        restore(opened(server), outcome.run)


def test_the_command(server, store, tmp_path, capsys):
    file = str(tmp_path / "plan.json")
    assert main(["check", server.url]) == 0
    assert "docker-registry 0.9.1" in capsys.readouterr().out
    assert main(["scan", server.url, "--json"]) == 0
    scanned = json.loads(capsys.readouterr().out)
    assert (scanned["kind"], scanned["images"], scanned["bytes"]) == ("registry-v1", 6, None)
    assert main(["tree", server.url, "--repository", SEED]) == 0
    assert "<version1>" in capsys.readouterr().out
    assert main(["plan", server.url, "--delete", f"{SEED}:version1", "--out", file]) == 0
    assert "stays on the disk" in capsys.readouterr().out
    drawn = [f"{tmp_path}/{name}.svg" for name in "ab"]
    assert main(["draw", server.url, "--plan", file, "--before", drawn[0], "--after", drawn[1]]) == 0
    assert main(["apply", server.url, file, "--yes", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert (SEED, "version1") not in tags(store)
    assert main(["restore", server.url, run]) == 0
    assert (SEED, "version1") in tags(store)
    assert main(["plan", server.url, "--sweep"]) == 4
