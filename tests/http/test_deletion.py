"""Deleting over HTTP, request by request: what is asked of a registry, what happens in between, and what is left."""

import json
import os
import shutil
import signal
import time
from functools import partial

import pytest

from prune.model.errors import Refused
from prune.model.manifest import OCI_INDEX
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.registry import repository as repository_module
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.http.proxy import Proxy
from tests.servers import skopeo
from tests.stores import tree

pytestmark = pytest.mark.real

REFS = ("team/app:2.0", "team/app:1.0", "multi:1", "copy:1.0", "lonely")


@pytest.fixture
def proxy(server):
    with Proxy(server.host) as started:
        yield started


def plan_over(address, *refs):
    return make_plan(open_source(address).scan(), Request(refs), now=int(time.time()))


def gone(plan):
    return {(tag.repository, tag.tag) for tag in plan.delete.tags}


def without(before, plan):
    return {key: what for key, what in before.items() if key not in gone(plan)}


def revisions(server):
    snapshot = open_source(f"storage:{server.root}").scan()
    assert snapshot.complete, snapshot.problems
    return {name: set(one.revisions) for name, one in snapshot.repositories.items()}


# ---- what is asked of the registry ------------------------------------------------------------------------


def test_only_manifests_are_deleted_and_each_tag_is_looked_at_right_before(server, proxy):
    before = server.pull_all()
    plan = plan_over(proxy.url, *REFS)
    proxy.requests.clear()
    assert apply(open_source(proxy.url), plan, stopped=None).state == "done"
    deletes = [(number, path) for number, (method, path) in enumerate(proxy.requests) if method == "DELETE"]
    assert deletes
    assert all("/manifests/" in path for _, path in deletes)
    planned = {f"/v2/{one.repository}/manifests/{one.digest}" for one in plan.delete.manifests}
    tagged = {}
    for tag in plan.delete.tags:
        tagged.setdefault(f"/v2/{tag.repository}/manifests/{tag.digest}", []).append(tag.tag)
    assert planned <= {path for _, path in deletes}
    for number, path in deletes:
        if path in planned:
            # Nothing but looks at its own tags stands between the last listing of tags and the request.
            tags = tagged.get(path, [])
            looks = [("HEAD", f"{path.rpartition('/')[0]}/{tag}") for tag in tags]
            assert sorted(proxy.requests[number - len(tags) : number]) == sorted(looks)
    assert server.pull_all() == without(before, plan)


def test_a_throw_away_manifest_uploads_nothing_and_leaves_nothing(server, proxy):
    known = revisions(server)
    files = set(tree(server.root))
    plan = plan_over(proxy.url, "team/app:1.0", "multi:arm-only")
    assert plan.delete.manifests == ()
    proxy.requests.clear()
    assert apply(open_source(proxy.url), plan, stopped=None).state == "done"
    assert {method for method, _ in proxy.writes} == {"PUT", "DELETE"}
    assert len([one for one in proxy.writes if one[0] == "PUT"]) == 2
    assert revisions(server) == known
    # On the disk there are, besides the bytes of the two themselves, no links to anything that was not there.
    new = {path for path in set(tree(server.root)) - files if path.endswith(("link", "data", "startedat"))}
    assert len(new) == 2
    for path in new:
        assert json.loads((server.root / path).read_text())["layers"] == []


def test_where_deleting_is_off_no_tag_is_touched(server, proxy):
    """A tag that shares its digest would be replaced first, and could not be cleaned up afterwards."""
    plan = plan_over(proxy.url, "team/app:1.0")
    server.config.write_text(server.config.read_text().replace("enabled: true", "enabled: false"))
    server.stop()
    server.start()
    before = server.pull_all()
    proxy.requests.clear()
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "failed"
    assert "delete: enabled: true" in outcome.message
    assert server.pull_all() == before
    assert not [one for one in proxy.writes if one[0] != "DELETE"]


def test_a_read_only_registry_says_so(server, proxy):
    plan = plan_over(proxy.url, "team/app:1.0", "lonely:1")
    text = server.config.read_text()
    server.config.write_text(text.replace("  delete:", "  maintenance: {readonly: {enabled: true}}\n  delete:"))
    server.stop()
    server.start()
    before = server.pull_all()
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "failed"
    assert "read-only" in outcome.message
    assert server.pull_all() == before


def test_without_a_trash_nothing_is_kept(server, tmp_path):
    source = open_source(f"http://{server.host}")
    outcome = apply(source, plan_over(source.name, "lonely:1"), stopped=None, trash=False)
    assert (outcome.state, outcome.trash) == ("done", None)
    assert not [file for file in (tmp_path / "state").rglob("*") if "sha256-" in file.name]
    with pytest.raises(Refused, match="emptied"):
        restore(source, outcome.run)


# ---- what happens in between ------------------------------------------------------------------------------


def at_the_last_moment(proxy, digest, act):
    """Act once the bytes of a manifest were fetched to be kept: after the scan of the run, before the last looks."""
    seen = []

    def after(request):
        if request.method == "GET" and request.path.endswith(f"/manifests/{digest}") and not seen:
            seen.append(request.path)
            act()

    proxy.after = after
    return seen


def digest_at(server, repo, tag):
    return server.request("HEAD", f"/v2/{repo}/manifests/{tag}")[1]["Docker-Content-Digest"]


def test_a_tag_that_comes_at_the_last_moment_holds_the_image(server, proxy):
    digest = digest_at(server, "lonely", "1")
    plan = plan_over(proxy.url, "lonely:1")
    seen = at_the_last_moment(
        proxy, digest, lambda: skopeo(f"docker://{server.host}/lonely:1", f"docker://{server.host}/lonely:precious")
    )
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert seen
    assert outcome.state == "partial"
    assert server.tags("lonely") == ["precious"]
    assert server.pull("lonely", "precious")
    assert [skipped.item for skipped in outcome.skipped] == [f"lonely@{digest}"]


def test_an_index_that_comes_at_the_last_moment_holds_its_children(server, proxy, tmp_path):
    """Nothing points at the child itself: only who reads the new index can know."""
    digest = digest_at(server, "lonely", "1")
    plan = plan_over(proxy.url, "lonely:1")
    _, headers, body = server.request("GET", f"/v2/lonely/manifests/{digest}")
    child = {"mediaType": headers["Content-Type"], "digest": digest, "size": len(body)}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()
    seen = at_the_last_moment(proxy, digest, lambda: server.put_manifest("lonely", "all", OCI_INDEX, index))
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert seen
    assert outcome.state == "partial"
    assert server.tags("lonely") == ["all"]
    assert digest in server.pull("lonely", "all")


def test_a_signature_that_comes_at_the_last_moment_keeps_its_image(server, proxy, tmp_path):
    digest = digest_at(server, "lonely", "1")
    plan = plan_over(proxy.url, "lonely:1")
    before = server.pull_all()
    signature = f"docker://{server.host}/lonely:{digest.replace(':', '-')}.sig"
    at_the_last_moment(proxy, digest, lambda: skopeo(f"oci:{tmp_path}/layout:signature", signature))
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "partial"
    assert server.pull("lonely", digest)
    assert server.pull_all().keys() == {("lonely", tag) for tag in (digest.replace(":", "-") + ".sig",)} | {
        key for key in before if key[0] != "lonely"
    }


def test_of_two_tags_one_moves_at_the_last_moment_and_nothing_breaks(server, proxy, tmp_path):
    """Both tags of an index go; one moves. What the other still points at must stay whole, or go as a whole."""
    skopeo("--all", f"docker://{server.host}/multi:1", f"docker://{server.host}/multi:2")
    digest = digest_at(server, "multi", "1")
    plan = plan_over(proxy.url, "multi:1", "multi:2")
    before = server.pull_all()
    assert len(plan.delete.manifests) == 2
    move = f"docker://{server.host}/multi:1"
    at_the_last_moment(proxy, digest, lambda: skopeo(f"oci:{tmp_path}/layout:one", move))
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "partial"
    assert [(one.item, one.reason.startswith("it was moved")) for one in outcome.skipped] == [("multi:1", True)]
    after = server.pull_all()
    assert {key: what for key, what in after.items() if key != ("multi", "1")} == without(before, plan)
    assert after["multi", "1"] == {"1": server.pull("team/app", "1.0")["1.0"]} | {
        digest: what for digest, what in server.pull("team/app", "1.0").items() if digest != "1.0"
    }


def test_a_tag_that_moves_right_before_it_is_replaced_stays(server, proxy, tmp_path):
    digest = digest_at(server, "team/app", "1.0")
    plan = plan_over(proxy.url, "team/app:1.0")
    target = f"docker://{server.host}/team/app:1.0"
    at_the_last_moment(proxy, digest, lambda: skopeo(f"oci:{tmp_path}/layout:two", target))
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "partial"
    assert server.tags("team/app") == ["1.0", "2.0", "stable"]
    assert digest_at(server, "team/app", "1.0") == digest_at(server, "team/app", "2.0")


def test_a_long_run_looks_at_everything_again(server, proxy, monkeypatch):
    """A tag that was there all the time, and comes to point at an index of what goes, is seen in time too."""
    skopeo(f"docker://{server.host}/team/app:2.0", f"docker://{server.host}/lonely:2")
    skopeo(f"docker://{server.host}/team/app:1.0", f"docker://{server.host}/lonely:stays")
    plan = plan_over(proxy.url, "lonely:1", "lonely:2")
    first, second = sorted(one.digest for one in plan.delete.manifests)
    _, headers, body = server.request("GET", f"/v2/lonely/manifests/{second}")
    child = {"mediaType": headers["Content-Type"], "digest": second, "size": len(body)}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()

    def act():
        server.put_manifest("lonely", "stays", OCI_INDEX, index)
        monkeypatch.setattr(repository_module, "FRESH", 0.0)  # a clock that has gone on

    def after(request):
        if request.method == "GET" and request.path.endswith(f"/manifests/{first}"):
            act()
        elif request.path.endswith("/manifests/stays"):
            monkeypatch.setattr(repository_module, "FRESH", 60.0)  # it was looked at: that may be enough

    proxy.after = after
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert (outcome.state, outcome.message) == ("partial", "")
    assert {skipped.item for skipped in outcome.skipped} == {f"lonely@{second}"}
    assert second in server.pull("lonely", "stays")


def test_a_deletion_that_fails_half_way_is_told_and_can_be_undone(server, proxy):
    """A tag link that broke since the scan: the registry deletes the manifest, and then answers 500."""
    digest = digest_at(server, "team/app", "1.0")
    before = server.pull_all()
    plan = plan_over(proxy.url, "team/app:1.0", "team/app:stable", "lonely:1")
    link = server.root / "docker/registry/v2/repositories/team/app/_manifests/tags/2.0/current/link"
    whole = link.read_text()
    at_the_last_moment(proxy, digest, lambda: link.write_text(""))
    outcome = apply(open_source(proxy.url), plan, stopped=None)
    assert outcome.state == "partial"
    assert {one.item for one in outcome.skipped} == {"team/app:1.0", "team/app:stable", f"team/app@{digest}"}
    assert server.tags("lonely") == []  # the rest went on
    link.write_text(whole)
    assert server.get("/v2/team/app/manifests/1.0")[0] == 404
    assert restore(open_source(proxy.url), outcome.run).state == "done"
    assert server.pull_all() == before


def test_a_server_that_goes_away_between_two_requests_leaves_nothing_half_done(server, proxy):
    """Between the throw-away manifest's coming and its going, for instance."""
    before = server.pull_all()
    plan = plan_over(proxy.url, "team/app:1.0", "lonely:1")
    known = None
    for write in range(1, 5):
        proxy.requests.clear()
        proxy.before = lambda _, write=write: len(proxy.writes) >= write
        outcome = apply(open_source(proxy.url, timeout=5), plan, stopped=None)
        assert outcome.state in ("failed", "done")
        proxy.before = None
        kept = without(before, plan)
        assert kept.items() <= server.pull_all().items()
        if outcome.state == "done":
            break
        known = outcome.message
    assert "apply the same plan again" in (known or "")
    assert apply(open_source(proxy.url), plan, stopped=None).state == "done"
    assert server.pull_all() == without(before, plan)


# ---- killed, at every request -----------------------------------------------------------------------------


def in_a_process(source, plan):
    """Apply in a process that this one may kill; return its id."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if apply(open_source(source), plan, stopped=None).state == "done" else 3)
        finally:
            os._exit(9)
    return child


def test_killed_at_every_request_and_resumed_or_undone(server, proxy, tmp_path):
    """SIGKILL right before a request that changes something is passed on, right after, before the answer comes, and
    at the request that follows; then the run is resumed, or undone, in turn."""
    state, original = tmp_path / "state", tmp_path / "original"
    before = server.pull_all()
    shutil.copytree(server.root, original)
    plan = plan_over(proxy.url, *REFS)
    expected = without(before, plan)
    known = None
    children, moment = [], ("", 0)

    def kill(hook, request):
        reads = request.method in ("GET", "HEAD")
        now = "next" if reads and hook == "before" else "" if reads else hook
        if children and (now, len(proxy.writes)) == moment:
            os.kill(children.pop(), signal.SIGKILL)
        return not children

    def killed_at(name, write):
        nonlocal moment
        moment = name, write
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(server.root)
        shutil.copytree(original, server.root)
        proxy.requests.clear()
        proxy.before, proxy.after = partial(kill, "before"), partial(kill, "after")
        children.append(in_a_process(proxy.url, plan))
        _, status = os.waitpid(children[0] if children else -1, 0)
        children.clear()
        proxy.settle()
        proxy.before = proxy.after = None
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)

    killed = []
    for write in range(1, 100):
        for turn, name in enumerate(("before", "after", "next")):
            if not killed_at(name, write):
                continue
            killed.append(write)
            assert expected.items() <= server.pull_all().items()  # what stays can be pulled, at any moment
            if (write + turn) % 2:
                outcome = apply(open_source(proxy.url), plan, stopped=None)
                assert (outcome.state, outcome.skipped) == ("done", ()), (write, name)
                assert outcome.done == len(plan.delete.tags) + len(plan.delete.manifests)
                assert server.pull_all() == expected
                known = known or revisions(server)
                assert revisions(server) == known
            else:
                (run,) = os.listdir(next(state.iterdir()) / ".registryui/runs")
                assert restore(open_source(proxy.url), run).state == "done", (write, name)
                assert server.pull_all() == before
        if write not in killed:
            break
    assert len(killed) > 20
