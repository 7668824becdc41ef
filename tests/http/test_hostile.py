"""Servers that misbehave: a clear sentence, nothing deleted in what could not be read, and nothing sent elsewhere."""

import asyncio
import base64
import gzip
import hashlib
import json
import time

import pycurl
import pytest
from aiohttp import web

from prune.cli import main
from prune.model.digest import digest_of
from prune.model.errors import SourceError, Stale, UsageError
from prune.model.manifest import DOCKER_MANIFEST, OCI_INDEX, parse_manifest
from prune.model.plan import Request
from prune.model.snapshot import Repository, Snapshot
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.credentials import Access, Credentials, find_credentials
from prune.sources.open import open_source
from prune.sources.registry_v2 import client as client_module
from prune.sources.registry_v2.reading import Reader
from prune.sources.registry_v2.sockets import Sockets
from tests.http.misbehaving import Misbehaving


@pytest.fixture
def server():
    made = Misbehaving()
    for repo in ("good", "bad"):
        for number in range(3):
            made.image(repo, f"v{number}")
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(client_module, "LONGEST_WAIT", 0.2)


def scan(server, **options):
    return open_source(server.url, timeout=1.0, **options).scan()


def test_it_works(server):
    snapshot = scan(server)
    assert snapshot.complete
    assert sum(len(r.tags) for r in snapshot.repositories.values()) == 6


def answers(path: str, make):
    """A hook that answers one path."""

    def hook(request):
        return make(request) if request.path == path else None

    return hook


async def reset(request):
    request.transport.abort()
    await asyncio.sleep(0)
    return web.Response()


async def reset_in_the_middle(request):
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x" * 10)
    request.transport.abort()
    return response


async def slowly(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(60):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


async def huge(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(200):
        await response.write(b"x" * (1 << 20))
    return response


def other_body(request):
    return web.Response(
        body=b'{"schemaVersion":2,"layers":[]}', headers={"Docker-Content-Digest": "sha256:" + "0" * 64}
    )


def bomb(request):
    return web.Response(body=gzip.compress(b"x" * (8 << 20)), headers={"Content-Encoding": "gzip"})


def redirect(request):
    return web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data"})


def endless(request):
    """Another cursor with each page, and nothing new but the cursor."""
    number = int(request.query.get("last", "0"))
    return web.json_response({"tags": ["v1"]}, headers={"Link": f'<{TAGS}?last={number + 1}>; rel="next"'})


MANIFEST = "/v2/bad/manifests/v1"
TAGS = "/v2/bad/tags/list"
SPOILS_ONE_REPOSITORY = {
    "500 for a manifest": (MANIFEST, lambda r: web.Response(status=500)),
    "404 for a listed tag": (MANIFEST, lambda r: web.Response(status=404)),
    "wrong digest": (MANIFEST, other_body),
    "odd digest": (MANIFEST, lambda r: web.Response(body=b"{}", headers={"Docker-Content-Digest": "../../etc"})),
    "HTML for a manifest": (MANIFEST, lambda r: web.Response(text="<html>")),
    "empty manifest": (MANIFEST, lambda r: web.Response()),
    "200 MB manifest": (MANIFEST, huge),
    "gzip bomb": (MANIFEST, bomb),
    "redirect to another host": (MANIFEST, redirect),
    "reset": (MANIFEST, reset),
    "reset in the middle": (MANIFEST, reset_in_the_middle),
    "slow loris": (MANIFEST, slowly),
    "401 in the middle": (MANIFEST, lambda r: web.Response(status=401)),
    "403 in the middle": (MANIFEST, lambda r: web.Response(status=403)),
    "429 for ever": (MANIFEST, lambda r: web.Response(status=429, headers={"Retry-After": "99999"})),
    "500 for the tags": (TAGS, lambda r: web.Response(status=500)),
    "nonsense for the tags": (TAGS, lambda r: web.Response(text="nonsense")),
    "a list for the tags": (TAGS, lambda r: web.json_response(["v0"])),
    "numbers for the tags": (TAGS, lambda r: web.json_response({"tags": [1, 2]})),
    "no tags at all": (TAGS, lambda r: web.json_response({"name": "bad"})),
    "a tag with odd characters": (TAGS, lambda r: web.json_response({"tags": ["../../v2/_catalog", "v1"]})),
    "pages without end": (
        TAGS,
        lambda r: web.json_response({"tags": ["v1"]}, headers={"Link": f'<{TAGS}?last=v1>; rel="next"'}),
    ),
    "pages without end, each with another cursor": (TAGS, endless),
    "a link that is no address": (
        TAGS,
        lambda r: web.json_response({"tags": ["v1"]}, headers={"Link": '<http://[bad>; rel="next"'}),
    ),
    "no JSON with a 404 for the tags": (TAGS, lambda r: web.Response(status=404, text="nginx")),
    "thousands of odd tags": (TAGS, lambda r: web.json_response({"tags": [f"{n} \u202e" for n in range(5000)]})),
    "a header that is no text": (MANIFEST, lambda r: web.Response(headers={"Docker-Content-Digest": "\udcff\udc00"})),
    "redirected in a circle": (MANIFEST, lambda r: web.Response(status=307, headers={"Location": MANIFEST})),
    "a redirect to nowhere": (MANIFEST, lambda r: web.Response(status=307)),
    "a link to another host": (
        TAGS,
        lambda r: web.json_response({"tags": ["v1"]}, headers={"Link": '<http://169.254.169.254/>; rel="next"'}),
    ),
    "deep JSON": (TAGS, lambda r: web.Response(text="[" * 200_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILS_ONE_REPOSITORY)
def test_one_repository_is_incomplete_and_untouchable_and_the_rest_goes_on(server, name):
    server.hook = answers(*SPOILS_ONE_REPOSITORY[name])
    begun = time.monotonic()
    snapshot = scan(server)
    assert time.monotonic() - begun < 20
    assert not snapshot.complete
    assert not snapshot.repositories["bad"].complete
    assert snapshot.repositories["good"].complete
    assert {problem.repository for problem in snapshot.problems} == {"bad"}
    plan = make_plan(snapshot, Request(("bad", "bad:v0", "good:v0")), now=int(time.time()))
    assert {tag.repository for tag in plan.delete.tags} == {"good"}
    assert {refusal.ref for refusal in plan.refused} == {"bad", "bad:v0"}
    assert plan.delete.blobs == ()


IS_NO_REGISTRY = {
    "HTML": lambda r: web.Response(text="<html>", content_type="text/html"),
    "404": lambda r: web.Response(status=404),
    "500": lambda r: web.Response(status=500),
    "redirect": redirect,
    "huge": huge,
}


@pytest.mark.parametrize("name", IS_NO_REGISTRY)
def test_what_is_no_registry_says_so(server, name, capsys):
    server.hook = answers("/v2/", IS_NO_REGISTRY[name])
    assert main(["scan", server.url, "--timeout", "2"]) == 1
    said = capsys.readouterr().err
    assert "no registry" in said
    assert said.count("\n") == 1


def test_nobody_there(capsys):
    assert main(["scan", "http://127.0.0.1:1"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_catalog_that_is_not_told_needs_names(server, tmp_path, capsys):
    server.hook = answers("/v2/_catalog", lambda r: web.Response(status=404))
    assert main(["scan", server.url]) == 1
    assert "https://HOST/NAME" in capsys.readouterr().err
    assert main(["scan", f"{server.url}/good"]) == 0
    assert main(["scan", server.url, "--repositories", "good,bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["repositories"] == 2
    (tmp_path / "list").write_text("good\n\nbad\n")
    assert main(["scan", server.url, "--repositories", f"@{tmp_path}/list"]) == 0
    assert main(["scan", server.url, "--repositories", "go/"]) == 1
    for wrong in (["--repositories", "UPPER"], ["--repositories", f"@{tmp_path}/none"], ["--concurrency", "0"]):
        assert main(["scan", server.url, *wrong]) == 2
    assert main(["scan", f"{server.url}/good", "--repositories", "bad"]) == 2
    assert main(["scan", f"storage:{tmp_path}", "--repositories", "bad"]) == 2


def test_a_plan_for_chosen_repositories_is_carried_out(server, tmp_path, capsys):
    server.hook = answers("/v2/_catalog", lambda r: web.Response(status=404))
    file = str(tmp_path / "plan.json")
    chosen = ["--repositories", "good"]
    assert main(["plan", server.url, *chosen, "--delete", "good:v0", "--out", file, "--json"]) == 0
    # Others may share what is in it: nothing is promised about bytes.
    assert json.loads(capsys.readouterr().out)["freed_bytes"] == 0
    assert main(["apply", server.url, file, "--yes"]) == 0
    assert set(server.repositories["good"]) == {"v1", "v2"}


def test_prefixes_choose_from_the_catalog(server):
    for name in ("team/a", "team/b", "teams"):
        server.image(name, "1")
    chosen = open_source(server.url, repositories="team/ good nowhere")
    assert set(chosen.scan().repositories) == {"team/a", "team/b", "good", "nowhere"}


def test_a_repository_of_which_nothing_is_answered_does_not_take_the_others_along(server):
    """More tags than the requests in a row that are taken for a registry that is gone."""
    for number in range(40):
        server.image("bad", f"t{number}")
    server.hook = lambda r: reset(r) if r.path.startswith("/v2/bad/manifests/") else None
    snapshot = scan(server, concurrency=4)
    assert snapshot.repositories["good"].complete
    assert not snapshot.repositories["bad"].complete
    asked = [path for _, path, _ in server.requests if path.startswith("/v2/bad/manifests/")]
    assert len(asked) < 43 * client_module.ATTEMPTS / 2


def test_repositories_that_a_catalog_leaves_out_later_are_not_forgotten(server):
    source = open_source(server.url)
    first = source.scan()
    del server.repositories["bad"]
    server.hook = answers("/v2/_catalog", lambda r: web.json_response({"repositories": []}))
    again = source.scan(known=first)
    assert set(again.repositories) == {"good"}
    assert again.repositories == {"good": first.repositories["good"]}
    assert ["leaves out good" in problem.what for problem in again.problems] == [True]


def test_a_catalog_that_leaves_something_out_only_hides_it(server):
    server.hook = answers("/v2/_catalog", lambda r: web.json_response({"repositories": ["good"]}))
    assert set(scan(server).repositories) == {"good"}


def test_null_lists_and_repositories_of_which_everything_was_deleted(server):
    server.repositories["empty"] = {}
    server.hook = answers("/v2/_catalog", lambda r: web.json_response({"repositories": ["empty", "gone"]}))
    snapshot = scan(server)
    assert snapshot.complete
    assert snapshot.repositories["empty"].tags == snapshot.repositories["gone"].tags == {}


def test_pages_of_the_catalog_and_fewer_at_a_time(server):
    names = [f"r{number:03}" for number in range(250)]
    for name in names:
        server.image(name, "1")

    def pages(request):
        if request.path != "/v2/_catalog":
            return None
        size = int(request.query["n"])
        if size > 100:
            return web.Response(status=400)
        start = names.index(request.query["last"]) + 1 if "last" in request.query else 0
        part = names[start : start + size]
        link = {"Link": f'</v2/_catalog?n={size}&last={part[-1]}>; rel="next"'} if start + size < len(names) else {}
        return web.json_response({"repositories": part}, headers=link)

    server.hook = pages
    assert set(scan(server).repositories) == set(names)


def test_thousands_of_tags_are_read_with_bounded_concurrency(server):
    inside, most = 0, 0
    body = server.image("many", "t")
    server.repositories["many"] = {f"t{number}": body for number in range(500)}

    async def watch(request):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    server.hook = watch
    snapshot = open_source(f"{server.url}/many").scan()
    assert len(snapshot.repositories["many"].tags) == 500
    assert most <= client_module.CONCURRENCY


def test_too_much_is_waited_out(server):
    refusals = [3]

    def busy(request):
        if "/manifests/" in request.path and refusals[0]:
            refusals[0] -= 1
            return web.Response(status=503, headers={"Retry-After": "0"})
        return None

    server.hook = busy
    assert scan(server).complete


def test_a_connection_that_breaks_now_and_then_is_tried_again(server):
    times: dict[str, int] = {}

    async def flaky(request):
        times[request.path_qs] = times.get(request.path_qs, 0) + 1
        if times[request.path_qs] == 1 and request.path != "/v2/":
            return await reset(request)
        return None

    server.hook = flaky
    assert scan(server).complete


def test_a_server_that_goes_away_in_the_middle_of_a_scan(server, monkeypatch):
    monkeypatch.setattr(client_module, "MOST_FAILURES", 2)
    there = [True]

    async def gone(request):
        if "/manifests/" in request.path:
            there[0] = False
        return None if there[0] else await reset(request)

    server.hook = gone
    with pytest.raises(SourceError, match="went away"):
        scan(server)


def test_200_000_tags_are_listed_page_by_page_and_looked_at_again_for_the_price_of_the_list(server):
    body = server.image("many", "t")
    tags = [f"t{number}" for number in range(200_000)]
    server.repositories["many"] = dict.fromkeys(tags, body)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()

    def pages(request):
        if request.path != "/v2/many/tags/list":
            return None
        start, size = int(request.query.get("last", "0")), int(request.query["n"])
        link = {"Link": f'</v2/many/tags/list?n={size}&last={start + size}>; rel="next"'}
        part = tags[start : start + size]
        return web.json_response({"tags": part}, headers=link if start + size < len(tags) else {})

    server.hook = pages
    source = open_source(server.url)
    known = Snapshot(
        source.name,
        "registry-v2",
        {"many": Repository("many", dict.fromkeys(tags[:-3], digest), {}, {digest: None})},
        {digest: parse_manifest(digest, body, DOCKER_MANIFEST)},
    )
    seen = source.run(lambda client: source.look(client, "many", (), known, but=()))
    assert len(seen.repositories["many"].tags) == 200_000
    assert len([one for one in server.requests if "/tags/list" in one[1]]) == 200
    assert len([one for one in server.requests if "/manifests/" in one[1]]) == 3


def test_fewer_requests_at_a_time_when_the_registry_asks_for_it(server):
    seen = []
    server.hook = lambda r: web.Response(status=429, headers={"Retry-After": "0"}) if refuse(r) else None

    def refuse(request):
        seen.extend([request.path] if "/manifests/" in request.path else [])
        return "/manifests/" in request.path and len(seen) <= 12

    source = open_source(server.url, concurrency=8)

    async def work(client):
        found = await Reader(client, None, configs=False).repositories(["good", "bad"])
        return found, client.gate.now

    found, now = source.run(work)
    assert sum(len(one.tags) for one in found.values()) == 6
    assert now < 8


# ---- credentials ------------------------------------------------------------------------------------------


def bearer(server, realm=None, seconds=300):
    """Make the server ask for tokens; return what was asked of the token server."""
    asked = []
    tokens = {}

    def hook(request):
        if request.path == "/token":
            asked.append((request.query.get("scope", ""), request.headers.get("Authorization", "")))
            token = f"token-{len(asked)}"
            tokens[token] = request.query.get("scope", "")
            return web.json_response({"token": token, "expires_in": seconds})
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        wanted = request.path.removeprefix("/v2/").partition("/")[0]
        if given not in tokens or (wanted not in ("", "_catalog") and wanted not in tokens[given]):
            challenge = (
                f'Bearer realm="{realm or server.url + "/token"}",service="test",scope="repository:{wanted}:pull"'
            )
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return None

    server.hook = hook
    return asked, tokens


def as_me(**more) -> Access:
    return Access(Credentials("me", "secret-password"), **more)


def test_tokens_are_asked_for_once_for_each_scope(server):
    asked, _ = bearer(server)
    snapshot = open_source(server.url, access=as_me()).scan()
    assert snapshot.complete
    assert len(asked) <= 4
    assert {scope for scope, _ in asked} >= {"repository:good:pull", "repository:bad:pull", "registry:catalog:*"}
    assert all(authorization.startswith("Basic ") for _, authorization in asked)
    assert not [r for r in server.requests if r[2].startswith("Basic") and not r[1].startswith("/token")]


def test_a_token_that_ended_is_refreshed(server):
    _, tokens = bearer(server)
    inner = server.hook
    count = [0]

    def hook(request):
        count[0] += 1
        if count[0] in (9, 25):
            tokens.clear()
        return inner(request)

    server.hook = hook
    assert open_source(server.url, access=as_me()).scan().complete


def test_a_token_that_ends_in_the_middle_of_a_cleanup_is_refreshed(server):
    asked, tokens = bearer(server)
    inner = server.hook

    def hook(request):
        if request.method == "DELETE" and request.headers.get("Authorization", "")[7:] in first:
            tokens.clear()  # every token so far has ended
            first.clear()
        return inner(request)

    source = open_source(server.url, access=as_me())
    plan = make_plan(source.scan(), Request(("good:v0", "good:v1", "bad:v0")), now=int(time.time()))
    first = {f"token-{number}" for number in range(100)}
    server.hook = hook
    assert apply(source, plan, stopped=None).state == "done"
    assert set(server.repositories["good"]) == {"v2"}
    assert {scope for scope, _ in asked} >= {"repository:good:pull,delete", "repository:bad:pull,delete"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_is_lost_in_the_middle_of_a_cleanup_stops_it_and_it_can_go_on(server, status):
    source = open_source(server.url, access=as_me())
    plan = make_plan(source.scan(), Request(("bad:v0", "good:v0", "good:v1")), now=int(time.time()))
    deleted = []

    def hook(request):
        if request.method == "DELETE":
            deleted.append(request.path)
            if len(deleted) > 1:
                return web.json_response({"errors": []}, status=status)
        return None

    server.hook = hook
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "failed"
    assert "does not allow DELETE /v2/good/manifests/" in outcome.message
    assert "apply the same plan again" in outcome.message
    assert len(deleted) == 2  # a clear stop: nothing else was tried
    assert (len(server.repositories["bad"]), len(server.repositories["good"])) == (2, 3)
    server.hook = None
    assert apply(source, plan, stopped=None).state == "done"
    assert set(server.repositories["good"]) == {"v2"}


def test_a_realm_on_another_host_gets_nothing_without_consent(server):
    other = Misbehaving()
    other.start()
    try:
        bearer(server, realm=f"{other.url.replace('127.0.0.1', 'localhost')}/token")
        with pytest.raises(SourceError, match="another host"):
            open_source(server.url, access=as_me()).scan()
        bearer(server, realm="https://tokens.example/token")
        with pytest.raises(SourceError, match=r"PRUNE_TOKEN_REALM=https://tokens\.example"):
            open_source(server.url, access=as_me()).scan()
        assert other.requests == []
    finally:
        other.stop()


@pytest.fixture
def other():
    made = Misbehaving()
    made.start()
    yield made
    made.stop()


def needs_basic(request):
    if not request.headers.get("Authorization"):
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
    return None


def test_redirects_to_another_host_are_not_followed_uninvited(server, other):
    def hook(request):
        if "/manifests/" in request.path:
            return web.Response(status=307, headers={"Location": f"{other.url}{request.path}"})
        return needs_basic(request)

    server.hook = hook
    snapshot = open_source(server.url, access=as_me()).scan()
    assert not snapshot.complete
    assert f"PRUNE_ALLOWED_HOSTS=127.0.0.1:{other.port}" in snapshot.problems[0].what
    assert other.requests == []


def test_allowed_redirects_are_followed_without_credentials(server, other, monkeypatch):
    """As registries do that keep their content in an object store."""
    other.repositories = server.repositories
    other.hook = lambda r: web.Response(status=400) if r.headers.get("Authorization") else None

    def hook(request):
        if "/manifests/" in request.path and request.headers.get("Authorization"):
            return web.Response(status=307, headers={"Location": f"{other.url}{request.path}"})
        return needs_basic(request)

    server.hook = hook
    monkeypatch.setenv("PRUNE_ALLOWED_HOSTS", f"elsewhere.example, 127.0.0.1:{other.port}")
    monkeypatch.setenv("PRUNE_USERNAME", "me")
    monkeypatch.setenv("PRUNE_PASSWORD", "secret-password")
    assert open_source(server.url).scan().complete
    assert len(other.requests) == 6
    assert {authorization for _, _, authorization in other.requests} == {""}


def test_nothing_that_a_server_says_makes_us_delete_elsewhere(server, other):
    source = open_source(server.url, access=as_me(allowed_hosts=f"127.0.0.1:{other.port}"))
    plan = make_plan(source.scan(), Request(("good:v0",)), now=int(time.time()))

    def hook(request):
        if request.method == "DELETE":
            return web.Response(status=307, headers={"Location": f"{other.url}{request.path}"})
        return None

    server.hook = hook
    assert apply(source, plan, stopped=None).state == "failed"
    assert other.requests == []
    assert set(server.repositories["good"]) == {"v0", "v1", "v2"}


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("metadata.example", "169.254.169.254"),
        ("metadata.example", "fe80::a9fe:a9fe"),
        ("metadata.example", "::ffff:169.254.169.254"),
        ("metadata.example", "64:ff9b::a9fe:a9fe"),
        ("metadata.example", "fd00:ec2::254"),
        ("metadata.example", "100.100.100.200"),
        ("metadata.example", "0.0.0.0"),
    ],
)
def test_a_name_that_leads_to_a_machines_credentials_is_not_asked(leads, written, address):
    opened = leads(written, 80, address)
    with pytest.raises(SourceError, match="where machines find credentials"):
        open_source(f"http://{written}").scan()
    assert opened == []


@pytest.fixture
def leads(monkeypatch):
    """Make a name lead to addresses; return the sockets that are opened."""
    opened: list[int] = []
    original = Sockets.open

    def remembered(self, end):
        opened.append(original(self, end))
        return opened[-1]

    def lead(name: str, port: int, *found: str) -> list[int]:
        ends = ",".join(f"[{one}]" if ":" in one else one for one in found)

        class Led(pycurl.Curl):
            def __init__(self) -> None:
                super().__init__()
                self.setopt(pycurl.RESOLVE, [f"{name}:{port}:{ends}"])

        monkeypatch.setattr(pycurl, "Curl", Led)
        monkeypatch.setattr(Sockets, "open", remembered)
        return opened

    return lead


def test_of_several_addresses_only_those_are_asked_where_a_registry_may_be(leads, server):
    opened = leads("several.example", server.port, "169.254.169.254", "127.0.0.1", "100.100.100.200")
    assert open_source(f"http://several.example:{server.port}").scan().complete
    assert opened


def test_a_name_that_may_lead_there_is_asked(server, monkeypatch):
    """What is refused by default can be allowed, address by address."""
    from prune.sources.registry_v2.addresses import Forbidden, check_address

    with pytest.raises(Forbidden):
        check_address("169.254.1.5", ())
    check_address("169.254.1.5", ("169.254.1.5",))
    monkeypatch.setenv("PRUNE_ALLOWED_HOSTS", "169.254.1.5")
    open_source("http://169.254.1.5:5000")
    with pytest.raises(UsageError):
        open_source("http://169.254.169.254")


def test_identity_tokens_are_exchanged_and_renewed(server):
    """OAuth2, as after `docker login` to some hosts: the token goes into a form, never into an address."""
    asked = []

    def hook(request):
        if request.path == "/token":

            async def give():
                form = await request.post()
                asked.append((request.method, request.query_string, dict(form)))
                token = {"access_token": f"t{len(asked)}", "expires_in": 1, "refresh_token": f"identity-{len(asked)}"}
                return web.json_response(token)

            return give()
        if not request.headers.get("Authorization", "").startswith("Bearer t"):
            challenge = f'Bearer realm="{server.url}/token",service="test",scope="x"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return None

    server.hook = hook
    assert open_source(server.url, access=Access(Credentials(identity_token="identity-0"))).scan().complete
    assert {(method, query) for method, query, _ in asked} == {("POST", "")}
    assert [form["refresh_token"] for _, _, form in asked][:2] == ["identity-0", "identity-1"]
    assert asked[0][2]["grant_type"] == "refresh_token"
    assert not [path for _, path, _ in server.requests if "identity" in path]


def test_basic_credentials_only_when_asked_and_only_here(server):
    def hook(request):
        if not request.headers.get("Authorization"):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return None

    server.hook = hook
    assert open_source(server.url, access=as_me()).scan().complete
    assert server.requests[0][2] == ""
    expected = "Basic " + base64.b64encode(b"me:secret-password").decode()
    assert {authorization for _, _, authorization in server.requests} == {"", expected}


def test_no_secret_is_ever_shown(server, monkeypatch, capsys):
    monkeypatch.setenv("PRUNE_USERNAME", "me")
    monkeypatch.setenv("PRUNE_PASSWORD", "secret-password")
    server.hook = lambda r: web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    assert main(["scan", server.url]) == 1
    said = capsys.readouterr()
    assert "secret-password" not in said.out + said.err
    assert "secret-password" not in repr(Credentials("me", "secret-password"))
    with pytest.raises(UsageError, match="do not belong"):
        open_source("http://me:secret-password@127.0.0.1/")


def test_credentials_from_the_docker_config(tmp_path, monkeypatch):
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    auth = base64.b64encode(b"me:pass:word").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {"r.example:5000": {"auth": auth}}}))
    found = find_credentials("r.example:5000")
    assert (found.username, found.password) == ("me", "pass:word")
    assert not find_credentials("other.example")
    (folder / "config.json").write_text(json.dumps({"auths": {"r.example": {"identitytoken": "abc"}}}))
    assert find_credentials("r.example").identity_token == "abc"
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread s; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"for-$s\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (folder / "config.json").write_text(json.dumps({"credHelpers": {"r.example": "test"}}))
    assert find_credentials("r.example").password == "for-r.example"
    helper.write_text('#!/bin/sh\necho "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"identity\\"}"\n')
    assert find_credentials("r.example").identity_token == "identity"
    (folder / "config.json").write_text(json.dumps({"credsStore": "test"}))
    assert find_credentials("any.example").identity_token == "identity"
    (folder / "config.json").write_text(json.dumps({"credHelpers": {"r.example": "../../evil"}}))
    with pytest.raises(SourceError, match="not installed"):
        find_credentials("r.example")
    (folder / "config.json").write_text("nonsense")
    with pytest.raises(SourceError, match="cannot be read"):
        find_credentials("r.example")
    monkeypatch.setenv("PRUNE_USERNAME", "env")
    monkeypatch.setenv("PRUNE_PASSWORD_FILE", str(tmp_path / "password"))
    (tmp_path / "password").write_text("from-file\n")
    assert find_credentials("anything").password == "from-file"


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http://h/UPPER",
        "https://h?x=1",
        "https://h#x",
        "http://h:99999",
        "http://169.254.169.254",
        "http://[fe80::1]",
        "http://0.0.0.0",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://[::ffff:169.254.169.254]",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(UsageError):
        open_source(text)


# ---- servers that differ ----------------------------------------------------------------------------------


def test_a_server_that_can_untag_does(server):
    """As distribution 3.x and zot: DELETE by tag takes that tag only."""
    server.tag_delete = True
    server.repositories["good"]["same"] = server.repositories["good"]["v0"]
    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:same",)), now=int(time.time()))
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    assert set(server.repositories["good"]) == {"v0", "v1", "v2"}
    assert not [r for r in server.requests if r[0] in ("PUT", "POST")]


def test_a_server_whose_untagging_takes_the_siblings_along_gets_them_back(server):
    """A DELETE by tag that deletes the whole digest must not cost the other tags."""
    server.repositories["good"]["same"] = body = server.repositories["good"]["v0"]
    pushed = {}

    def hook(request):
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE" and name == "same":
            del server.repositories["good"]["same"], server.repositories["good"]["v0"]
            return web.Response(status=202)
        if request.method == "PUT":

            async def put():
                pushed[name] = server.repositories["good"][name] = await request.read()
                return web.Response(status=201)

            return put()
        return None

    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:same",)), now=int(time.time()))
    server.hook = hook
    # The manifest must be kept before: it is read while the tag is still there.
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    assert pushed == {"v0": body}
    assert set(server.repositories["good"]) == {"v0", "v1", "v2"}


@pytest.mark.parametrize("refused", [False, True])
def test_a_server_whose_untagging_takes_the_image_of_an_index_along_gets_it_back(server, refused):
    """No tag tells that a DELETE by tag deleted the digest, which an index needs that stays."""
    repository = server.repositories["good"]
    child = repository["v0"]
    digest = digest_of(child)
    part = {"mediaType": DOCKER_MANIFEST, "digest": digest, "size": len(child)}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part]}).encode()
    repository["multi"] = index
    served = {digest: child}

    def hook(request):
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE" and name == "v0":
            repository.pop("v0", None)
            served.clear()
            return web.Response(status=202)
        if request.method == "PUT" and not refused:

            async def put():
                served[name] = await request.read()
                return web.Response(status=201)

            return put()
        if request.method == "PUT":
            return web.Response(status=409)
        if "/manifests/" not in request.path:
            return None
        if name in served:
            headers = {"Docker-Content-Digest": name}
            return web.Response(body=served[name], content_type=DOCKER_MANIFEST, headers=headers)
        if name in ("multi", digest_of(index)):
            headers = {"Docker-Content-Digest": digest_of(index)}
            return web.Response(body=index, content_type=OCI_INDEX, headers=headers)
        return None

    server.hook = hook
    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:v0",)), now=int(time.time()))
    assert (len(plan.delete.tags), plan.delete.manifests) == (1, ())
    outcome = apply(source, plan, stopped=None)
    if refused:
        assert outcome.state == "failed"
        assert f"good@{digest}" in outcome.message
    else:
        assert outcome.state == "done"
        assert served == {digest: child}


def test_an_undo_that_the_registry_refuses_says_so(server):
    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:v0",)), now=int(time.time()))
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    server.hook = lambda r: web.Response(status=405) if r.method == "PUT" else None
    restored = restore(source, outcome.run)
    assert restored.state == "partial"
    assert "405" in restored.skipped[0].reason


# ---- lists that do not tell everything --------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "<{path}?last=v0>; rel='next'",
        '<{path}?last=v0>; rel="prev next"',
        "{path}?last=v0; rel=next",
        '<{path}?last=' + "x" * 9000 + '>; rel="next"',
    ],
)  # fmt: skip
def test_a_part_of_a_list_is_not_taken_for_the_whole(server, link):
    """A list that goes on in a way that we do not understand hides tags: nothing there may go."""
    server.hook = answers(
        TAGS, lambda r: web.json_response({"tags": ["v0"]}, headers={"Link": link.format(path=TAGS)})
    )
    snapshot = scan(server)
    assert not snapshot.repositories["bad"].complete
    assert snapshot.repositories["good"].complete


def test_tags_that_a_list_leaves_out_later_are_not_forgotten(server):
    """distribution#4891: absent from a list says nothing. An image goes only with all tags that were seen on it."""
    server.repositories["good"]["same"] = server.repositories["good"]["v0"]
    source = open_source(server.url)
    first = source.scan()
    server.hook = answers("/v2/good/tags/list", lambda r: web.json_response({"tags": ["v0", "v1", "v2"]}))
    again = source.scan(known=first)
    assert again.repositories == first.repositories
    assert ["leaves out 1 tags" in problem.what for problem in again.problems] == [True]
    plan = make_plan(again, Request(("good:v0",)), now=int(time.time()))
    assert plan.delete.manifests == ()
    server.hook = None
    del server.repositories["good"]["same"]
    assert set(source.scan(known=again).repositories["good"].tags) == {"v0", "v1", "v2"}


def test_a_planned_tag_that_is_not_listed_is_looked_for(server):
    """Its image is about to go by digest: what still points there, and where to, must be known."""
    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:v0",)), now=int(time.time()))
    (digest,) = (one.digest for one in plan.delete.manifests)
    old = server.repositories["good"]["v0"]
    # It points at an index of the old image now, and no list shows it.
    part = {"mediaType": DOCKER_MANIFEST, "digest": digest, "size": len(old)}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part]}).encode()
    server.repositories["good"]["v0"] = index

    def hook(request):
        if request.path == "/v2/good/tags/list":
            return web.json_response({"tags": ["v1", "v2"]})
        if request.method != "DELETE" and request.path.endswith(f"/manifests/{digest}"):
            return web.Response(body=old, content_type=DOCKER_MANIFEST, headers={"Docker-Content-Digest": digest})
        return None

    server.hook = hook
    with pytest.raises(Stale):
        apply(source, plan, stopped=None)
    assert not [one for one in server.requests if one[0] == "DELETE"]


def test_a_server_that_names_no_digests_is_cleaned_all_the_same(server):
    """Without the header it takes the manifest itself to know what a tag points at."""

    def hook(request):
        if "/manifests/" not in request.path or request.method == "DELETE":
            return None
        repo, _, reference = request.path.removeprefix("/v2/").partition("/manifests/")
        tags = server.repositories[repo]
        body = tags.get(reference) or {digest_of(one): one for one in tags.values()}.get(reference)
        return web.Response(body=body, content_type=DOCKER_MANIFEST) if body is not None else None

    server.hook = hook
    source = open_source(server.url)
    plan = make_plan(source.scan(), Request(("good:v0",)), now=int(time.time()))
    assert apply(source, plan, stopped=None).state == "done"
    assert set(server.repositories["good"]) == {"v1", "v2"}
