"""What a registry can do, as real servers and small ones answer."""

import json

import pytest
from aiohttp import web

from prune.cli import main
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from tests.http.proxy import Proxy
from tests.servers import registry


def seen(address, **options):
    found = open_source(address, **options).test()
    assert all(one.means for one in found.abilities)
    assert all(bool(one.how) == (one.has is False) for one in found.abilities)
    return {one.name: one.has for one in found.abilities}


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("", ""), {"catalog": True, "write": True, "delete": True, "untag": False, "referrers": False}),
        (
            ("delete: {enabled: true}", "delete: {enabled: false}"),
            {"catalog": True, "write": True, "delete": False, "untag": None, "referrers": False},
        ),
        (
            ("  delete: {", "  maintenance: {readonly: {enabled: true}}\n  delete: {"),
            {"catalog": True, "write": False, "delete": None, "untag": None, "referrers": False},
        ),
    ],
)
def test_a_real_registry(server, change, expected):
    server.stop()
    server.config.write_text(server.config.read_text().replace(*change))
    server.start()
    before = server.pull_all()
    with Proxy(server.host) as proxy:
        assert seen(proxy.url) == expected
        assert {method for method, _ in proxy.writes} <= {"DELETE"}
        assert server.pull_all() == before


@pytest.mark.real
def test_an_empty_registry(tmp_path, capsys):
    with registry(tmp_path / "store", tmp_path) as server:
        assert seen(f"http://{server.host}") == {
            "catalog": True, "write": None, "delete": None, "untag": None, "referrers": None,
        }  # fmt: skip
        assert main(["check", f"http://{server.host}", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found.keys() == {"source", "kind", "server", "abilities"}
        assert found["server"] == "API registry/2.0"
        assert main(["check", f"http://{server.host}"]) == 0
        assert "It lists its repositories." in capsys.readouterr().out


@pytest.mark.real
def test_what_is_no_api_can_be_checked_too(filled, capsys):
    assert main(["check", f"storage:{filled}/store"]) == 0
    assert "storage-v2" in capsys.readouterr().out
    assert main(["check", "http://127.0.0.1:1"]) == 1


def test_a_server_that_can_everything(small):
    """As zot answers, and distribution 3 but for the referrers."""
    small.image("app", "1")

    def hook(request):
        if request.method == "DELETE":
            return web.json_response({"errors": []}, status=404)
        if "/referrers/" in request.path:
            return web.json_response({"schemaVersion": 2, "manifests": []})
        return None

    small.hook = hook
    assert set(seen(small.url).values()) == {True}


def test_rights_that_are_not_given_are_no_switch(small):
    small.image("app", "1")
    small.hook = lambda r: web.json_response({"errors": []}, status=403) if r.method == "DELETE" else None
    found = open_source(small.url, access=Access(Credentials("me", "x"))).test()
    delete = next(one for one in found.abilities if one.name == "delete")
    assert delete.has is False
    assert "credentials" in delete.how


def test_without_a_catalog_the_named_repository_is_asked_about(small):
    small.image("app", "1")
    small.hook = lambda r: web.Response(status=404) if r.path == "/v2/_catalog" else None
    assert seen(f"{small.url}/app")["catalog"] is False
    assert seen(small.url, repositories="app")["delete"] is True
    assert seen(small.url)["delete"] is None
