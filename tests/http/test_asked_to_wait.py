"""A registry that is asked to change something may ask to wait. What was looked at before that is old by then."""

import time

import pytest
from aiohttp import web

from prune.model.digest import digest_of
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from prune.sources.registry_v2.reading import Reader
from tests.http.raw import Raw, ask, ok

BUSY = {"Retry-After": "0"}


@pytest.fixture
def app(small):
    for tag in ("v0", "v1"):
        small.image("app", tag)
    return small.repositories["app"]


def plan_of(small, *refs):
    return make_plan(open_source(small.url).scan(), Request(refs), now=int(time.time()))


def carry_out(small, plan):
    return apply(open_source(small.url), plan, stopped=None)


def busy_at_first(small, method, happen, *, done=False, status=503):
    """Let the first request of ``method`` be answered with an error, after something happened, and may be done."""
    sent = []

    def hook(request):
        if request.method != method or "/manifests/" not in request.path:
            return None
        sent.append(request.path)
        if len(sent) > 1:
            return None
        if done:
            small._registry(request)
        happen()
        return web.Response(status=status, headers=BUSY)

    small.hook = hook
    return sent


@pytest.mark.parametrize("status", [429, 502, 503])
def test_an_image_that_is_tagged_meanwhile_stays(small, app, status):
    small.tag_delete = True
    plan = plan_of(small, "app:v0")
    sent = busy_at_first(small, "DELETE", lambda: app.update(new=app["v0"]), status=status)
    outcome = carry_out(small, plan)
    assert outcome.state == "partial"
    assert app.keys() == {"new", "v1"}
    assert not any(path.endswith(digest_of(app["new"])) for path in sent[1:])


@pytest.mark.parametrize("by_name", [True, False])
def test_a_tag_that_is_moved_meanwhile_stays(small, app, by_name):
    """Where tags cannot be deleted by their name, something to throw away is pushed to them first."""
    app["other"] = app["v0"]
    small.tag_delete = by_name
    plan = plan_of(small, "app:v0")
    newer = small.image("app", "newer")
    sent = busy_at_first(small, "DELETE" if by_name else "PUT", lambda: app.update(v0=newer))
    outcome = carry_out(small, plan)
    assert (outcome.state, outcome.done) == ("partial", 0)
    assert app["v0"] == newer
    assert len(sent) == 1


@pytest.mark.parametrize("by_name", [True, False])
def test_what_was_done_although_the_answer_was_an_error_is_done(small, app, by_name):
    small.tag_delete = by_name
    if by_name:
        app["other"] = app["v0"]
    plan = plan_of(small, "app:v0")
    sent = busy_at_first(small, "DELETE", lambda: None, done=True, status=502)
    outcome = carry_out(small, plan)
    assert outcome.skipped == ()
    assert outcome.state == "done"
    assert "v0" not in app
    assert len(sent) == 1


def test_where_nothing_came_it_is_sent_again(small, app):
    plan = plan_of(small, "app:v0")
    sent = busy_at_first(small, "DELETE", lambda: None)
    assert carry_out(small, plan).state == "done"
    assert app.keys() == {"v1"}
    assert len(sent) == 2


def test_a_tag_that_somebody_pushes_while_an_undo_waits_stays(small, app):
    plan, newer = plan_of(small, "app:v0"), app["v1"]
    run = carry_out(small, plan).run
    pushed = []

    def hook(request):
        if request.method != "PUT":
            return None
        pushed.append(request.path)
        if not request.path.endswith("/v0"):
            return web.Response(status=201)
        app["v0"] = newer
        return web.Response(status=503, headers=BUSY)

    small.hook = hook
    restored = restore(open_source(small.url), run)
    assert restored.state == "partial"
    assert app["v0"] == newer
    assert len([path for path in pushed if path.endswith("/v0")]) == 1


def test_a_token_to_delete_with_is_fetched_before_the_last_look(small, app):
    """A token server takes its time, and until then a tag may come."""
    given = {}

    def hook(request):
        if request.path == "/token":
            token = f"token-{len(given)}"
            given[token] = request.query.get("scope", "")
            return web.json_response({"token": token, "expires_in": 300})
        scope = given.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if scope is None or (request.method == "DELETE" and "delete" not in scope):
            realm = f'Bearer realm="{small.url}/token",service="test",scope="repository:app:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})
        return None

    small.hook = hook
    plan = plan_of(small, "app:v0")
    assert carry_out(small, plan).state == "done"
    sent = [(method, path.partition("?")[0]) for method, path, _ in small.requests]
    (deletion,) = [number for number, (method, _) in enumerate(sent) if method == "DELETE"]
    assert sent[deletion - 1] == ("HEAD", "/v2/app/manifests/v0")


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
def test_without_anybody_who_looks_nothing_that_changes_something_is_sent_again(method):
    with Raw(lambda *_: b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n") as server:
        (answer,) = ask(server, (method, "/v2/one"), retry=False)
    assert (answer.status, len(server.requests)) == (503, 1)


@pytest.mark.parametrize(
    "folded", ['<{next}>;\r\n rel="next"', "\r\n\t<{next}>; rel=next", '<{next}>\r\n ; rel="next"']
)
def test_a_list_that_says_in_two_lines_that_it_goes_on_is_read_to_its_end(folded):
    """libcurl joins such lines before we see them: with one that does not, a part would be taken for the whole."""
    following = "/v2/app/tags/list?n=1000&last=b"

    def answer(request, _):
        if "last=b" in request:
            return ok(b'{"tags": ["c"]}')
        return ok(b'{"tags": ["a", "b"]}', f"Link: {folded.format(next=following)}")

    async def work(client):
        return await Reader(client, None, configs=False).listing.tags("app")

    with Raw(answer) as server:
        assert open_source(server.url, kind="registry-v2").run(work) == ["a", "b", "c"]
