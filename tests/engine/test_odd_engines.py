"""Engines that answer oddly, through a proxy before a real one: nothing that could not be read counts as absent."""

import time

import pytest
from aiohttp import web

from prune.model.errors import SourceError
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.sources.docker_engine.source import seconds
from prune.sources.open import open_source
from tests.engine_proxy import EngineProxy

pytestmark = pytest.mark.real


@pytest.fixture
def proxy(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNE_STATE", str(tmp_path / "state"))
    engine.pack("shop/one:1", {"/one": b"1" * 1000})
    engine.pack("shop/two:1", {"/two": b"2" * 2000})
    made = EngineProxy(engine.socket)
    made.start()
    yield made
    made.stop()


def ending(suffix: str, answer):
    """A hook that answers requests to paths with this end, by method GET."""
    return lambda request: answer() if request.method == "GET" and request.path.endswith(suffix) else None


ODD = {
    "500 for the containers": ("/containers/json", lambda: web.Response(status=500)),
    "nonsense for the containers": ("/containers/json", lambda: web.Response(text="nonsense")),
    "containers without an image": ("/containers/json", lambda: web.json_response([{"Names": ["/x"]}])),
    "an object for the containers": ("/containers/json", lambda: web.json_response({"message": "no"})),
    "500 for the images": ("/images/json", lambda: web.Response(status=500)),
    "images without an id": ("/images/json", lambda: web.json_response([{"RepoTags": ["x:1"]}])),
    "null for the images": ("/images/json", lambda: web.json_response(None)),
    "500 for an image": ("/json", lambda: web.Response(status=500)),
    "an image without a size": ("/json", lambda: web.json_response({"Id": "x"})),
    "500 for a history": ("/history", lambda: web.Response(status=500)),
    "a history of numbers": ("/history", lambda: web.json_response([1, 2])),
    "an image that is listed and not there": ("/history", lambda: web.json_response({"message": "no"}, status=404)),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_scan_fails_as_a_whole_in_one_sentence(proxy, engine, name):
    source = open_source(proxy.source, timeout=5)
    plan = make_plan(source.scan(), Request(("shop/one:1",)), now=int(time.time()))
    proxy.hook = ending(*ODD[name])
    if name == "500 for an image":
        path = f"/images/{engine.id('shop/two:1')}/json"
        proxy.hook = ending(path, ODD[name][1])
    for work in (source.scan, lambda: apply(source, plan, stopped=None)):
        with pytest.raises(SourceError) as error:
            work()
        assert str(error.value).count("\n") == 0
    assert {"shop/one:1", "shop/two:1"} <= engine.names().keys()
    assert not [request for request in proxy.requests if request[0] == "DELETE"]


def test_an_image_that_is_removed_during_the_scan_is_no_fault(proxy, engine):
    id_ = engine.id("shop/two:1")

    def removed(request):
        if request.path.endswith(f"/images/{id_}/json") and id_ in engine.ids():
            engine.api.remove_image(id_)
        return None

    proxy.hook = removed
    snapshot = open_source(proxy.source).scan()
    assert id_ not in snapshot.images
    assert "shop/two" not in snapshot.repositories


def test_a_container_of_an_image_with_another_id_holds_the_name_it_was_made_by(proxy, engine):
    """Engines differ in which digest of an image they note with a container."""
    id_ = engine.id("shop/one:1")
    for named in ("shop/one:1", "docker.io/shop/one:1", id_, id_.removeprefix("sha256:")[:12], id_[:19]):
        container = [{"Id": "0" * 64, "Names": ["/web"], "Image": named, "ImageID": "sha256:" + "0" * 64}]
        proxy.hook = ending("/containers/json", lambda listed=container: web.json_response(listed))
        source = open_source(proxy.source)
        plan = make_plan(source.scan(), Request(("shop/one:1", "shop/two:1")), now=int(time.time()))
        assert [refusal.ref for refusal in plan.refused] == ["shop/one:1"]
        assert [tag.repository for tag in plan.delete.tags] == ["shop/two"]


def test_a_container_of_an_image_that_is_nowhere_holds_nothing(proxy, engine):
    container = [{"Id": "0" * 64, "Names": ["/web"], "Image": "gone:1", "ImageID": "sha256:" + "0" * 64}]
    proxy.hook = ending("/containers/json", lambda: web.json_response(container))
    plan = make_plan(open_source(proxy.source).scan(), Request(("shop/one:1",)), now=int(time.time()))
    assert [tag.repository for tag in plan.delete.tags] == ["shop/one"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T00:00:00Z", 1704067200),
        ("2024-01-01T00:00:00.123456789Z", 1704067200),
        ("2023-12-31T16:00:00.5-08:00", 1704067200),
        ("2024-01-01T02:00:00+02:00", 1704067200),
        # Nobody built an image before there was Docker: a time for the sake of the same digest tells no age.
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times(text, expected):
    assert seconds(text) == expected


def swept(source) -> set[str]:
    plan = make_plan(source.scan(), Request((), True, grace=0), now=int(time.time()) + 100)
    return {image.id for image in plan.delete.images}


@pytest.mark.parametrize("made", ["1970-01-01T00:00:00Z", "2021-03-04T05:06:07Z", ""])
def test_what_has_no_age_is_not_swept(proxy, engine, made):
    """A build says that it was made when its last commit was, or never; only the engine knows how long it is here."""
    lost = engine.pack("shop/lost:1", {"/lost": b"9"})
    engine.pack("shop/lost:1", {"/lost": b"8"})
    engine.api.remove_image("shop/lost:1")
    source = open_source(proxy.source)
    assert lost in swept(source)
    said = engine.api.inspect_image(lost)
    said["Created"] = made
    assert said["Metadata"]["LastTagTime"] > "2024"
    proxy.hook = ending(f"/images/{lost}/json", lambda: web.json_response(said))
    assert lost in swept(source)
    for nothing in ({"LastTagTime": "0001-01-01T00:00:00Z"}, {"LastTagTime": "1970-01-01T00:00:00Z"}, {}, None):
        said["Metadata"] = nothing
        assert lost not in swept(source)


def test_an_old_image_that_was_loaded_a_moment_ago_is_not_swept(proxy, engine):
    """As after `docker load` of an image without a name: it is old, and here only now."""
    lost = engine.pack("shop/lost:1", {"/lost": b"9"})
    saved = b"".join(engine.api.get_image(lost))
    engine.api.remove_image("shop/lost:1")
    engine.api.load_image(saved)
    assert lost in {image["Id"] for image in engine.api.images(all=True)}
    assert lost not in swept(open_source(proxy.source))
