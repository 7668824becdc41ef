"""A small server that answers as distribution 3.1.1 did where 2.8 does otherwise."""

import time

import pytest
from aiohttp import web

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.http.misbehaving import Misbehaving

#: More than this on one page is never given, however many were asked for (there: 1000).
MOST = 100


class Third(Misbehaving):
    """Deletes tags by name; lists tags sorted, in pages, with a ``Link``."""

    def __init__(self) -> None:
        super().__init__()
        self.tag_delete = True
        self.hook = self.answer
        self.pages = 0

    def answer(self, request):
        path = request.path
        if path.endswith("/tags/list"):
            return self.tags(request, path[len("/v2/") : -len("/tags/list")])
        if "/referrers/" in path:
            return web.Response(status=404, text="404 page not found\n")
        if request.method == "DELETE":
            repo, _, reference = path[len("/v2/") :].partition("/manifests/")
            known = self.repositories.get(repo, {})
            if not reference.startswith("sha256:") and reference not in known:
                error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": "Path not found"}
                return web.json_response({"errors": [error]}, status=404)
        if request.method == "PUT":
            return self.put(request)
        return None

    def tags(self, request, repo):
        self.pages += 1
        size = min(int(request.query.get("n", MOST)), MOST)
        names = sorted(name for name in self.repositories[repo] if name > request.query.get("last", ""))
        link = f'</v2/{repo}/tags/list?last={names[size - 1]}&n={size}>; rel="next"' if names[size:] else ""
        # Even the last page of exactly this size has a link, to a page without tags.
        return web.json_response({"name": repo, "tags": names[:size] or None}, headers={"Link": link} if link else {})

    async def put(self, request):
        repo, _, reference = request.path[len("/v2/") :].partition("/manifests/")
        body = await request.read()
        if not reference.startswith("sha256:"):
            self.repositories.setdefault(repo, {})[reference] = body
        return web.Response(status=201)


@pytest.fixture
def third():
    made = Third()
    body = made.image("app", "v0000")
    made.repositories["app"] |= {f"v{number:04}": body for number in range(250)}
    made.image("app", "other")
    made.start()
    yield made
    made.stop()


def test_pages_of_tags_are_followed(third):
    snapshot = open_source(third.url).scan()
    assert snapshot.complete
    assert len(snapshot.repositories["app"].tags) == 251
    assert third.pages == 3


def test_one_of_many_tags_goes_by_its_name(third):
    source = open_source(third.url)
    before = dict(third.repositories["app"])
    plan = make_plan(source.scan(), Request(("app:v0007",)), now=int(time.time()))
    assert plan.delete.manifests == ()
    third.requests.clear()
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    assert third.repositories["app"] == {tag: body for tag, body in before.items() if tag != "v0007"}
    writes = [(method, path) for method, path, _ in third.requests if method not in ("GET", "HEAD")]
    assert writes == [("DELETE", "/v2/app/manifests/v0007")]
    looks = [path for method, path, _ in third.requests if method == "HEAD"]
    assert set(looks) >= {f"/v2/app/manifests/{tag}" for tag in before if tag not in ("other", "v0007")}
    assert restore(source, outcome.run).state == "done"
    assert third.repositories["app"] == before


def test_that_other_tags_are_spared_is_seen_once_and_then_spot_checked(third):
    source = open_source(third.url)
    tags = [f"v{number:04}" for number in range(20)]
    plan = make_plan(source.scan(), Request(tuple(f"app:{tag}" for tag in tags)), now=int(time.time()))
    third.requests.clear()
    assert apply(source, plan, stopped=None).state == "done"
    assert not third.repositories["app"].keys() & set(tags)
    assert len(third.repositories["app"]) == 231
    # Two looks at each tag, one at each other the first time, one at one of them each time.
    assert len([method for method, _, _ in third.requests if method == "HEAD"]) <= 2 * 20 + 230 + 20


def test_it_is_seen_what_it_can_do(third):
    abilities = {one.name: one.has for one in open_source(third.url).test().abilities}
    assert abilities == {"catalog": True, "write": True, "delete": True, "untag": True, "referrers": False}
