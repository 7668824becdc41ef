"""What an admin can say about reaching a registry, and what the pages tell of it."""

import json

import pytest
import trustme
from aiohttp import web

from registryui.models import AuditEntry, Registry
from registryui.services import registries, scans
from registryui.services.access import open_registry
from tests.http.misbehaving import Misbehaving

pytestmark = pytest.mark.django_db


@pytest.fixture
def small():
    made = Misbehaving()
    made.image("team/app", "1")
    made.image("other", "1")
    made.start()
    yield made
    made.stop()


def filled_in(source, **more):
    return {
        "title": "Live",
        "slug": "live",
        "source": source,
        "required_approvals": 1,
        "grace_hours": 24,
        "trash_days": 14,
        "window_minutes": 60,
        **more,
    }


def test_a_key_is_kept_encrypted_used_and_never_shown(client_of, small):
    mine = trustme.CA().issue_cert("operator@example.com")
    key = mine.private_key_pem.bytes().decode()
    certificate = mine.cert_chain_pems[0].bytes().decode()
    data = filled_in(small.url, client_certificate=certificate, new_client_key=key, concurrency=3)
    answer = client_of("admin").post("/r/add/", data)
    assert answer.status_code == 302, answer.context["form"].errors
    registry = Registry.objects.get()
    assert "PRIVATE" not in registry.client_key
    assert registry.client_key
    source = open_registry(registry)
    assert key.strip() in source.credentials.client_pem
    assert certificate.strip() in source.credentials.client_pem
    assert source.options.concurrency == 3
    page = client_of("admin").get("/r/live/change/").content.decode()
    assert "PRIVATE KEY" not in page
    assert "PRIVATE" not in json.dumps([entry.data for entry in AuditEntry.objects.all()])
    # It stays when nothing is entered, and goes with its certificate.
    client_of("admin").post("/r/live/change/", filled_in(small.url, client_certificate=certificate))
    assert Registry.objects.get().client_key == registry.client_key
    client_of("admin").post("/r/live/change/", filled_in(small.url))
    assert Registry.objects.get().client_key == ""


def test_repositories_that_are_named_are_those_that_are_read(client_of, small):
    small.hook = lambda r: web.Response(status=404) if r.path == "/v2/_catalog" else None
    client = client_of("admin")
    answer = client.post("/r/add/", filled_in(small.url, check="1"))
    assert "does not list its repositories" in answer.content.decode()
    answer = client.post("/r/add/", filled_in(small.url, chosen_repositories="UPPER"))
    assert "is not a repository name" in answer.content.decode()
    assert client.post("/r/add/", filled_in(small.url, chosen_repositories="team/app\n")).status_code == 302
    registry = Registry.objects.get()
    scans.perform(scans.request(None, registry).pk)
    page = client.get("/r/live/").content.decode()
    assert "team/app" in page
    assert 'value="other"' not in page


def test_an_identity_token_is_one(small, db):
    registry = Registry(slug="x", title="x", source=small.url, username="<token>")
    assert open_registry(registry).credentials.username == ""


def test_the_page_says_what_it_cannot_do_and_how_to_switch_it_on(client_of, small):
    def hook(request):
        return web.json_response({"errors": []}, status=405) if request.method == "DELETE" else None

    small.hook = hook
    answer = client_of("admin").post("/r/add/", filled_in(small.url, check="1"))
    assert "It does not delete" in answer.content.decode()
    registries.add(None, Registry(slug="live", title="Live", source=small.url))
    page = client_of("viewer").get("/r/live/").content.decode()
    assert "REGISTRY_STORAGE_DELETE_ENABLED=true" in page
    assert '<details class="abilities" open>' in page
    # Switched on since: the next scan sees it.
    small.hook = None
    scans.perform(scans.request(None, Registry.objects.get()).pk)
    page = client_of("viewer").get("/r/live/").content.decode()
    assert "REGISTRY_STORAGE_DELETE_ENABLED=true" not in page
    assert "It deletes manifests." in page


def test_a_connection_test_never_sends_a_secret_back_and_says_so(client_of, small):
    """With htmx only what was found out comes back; without it the form does, and what is left out of it."""
    client = client_of("admin")
    typed = filled_in(small.url, check="1", username="me", new_password="typed-secret")
    beside = client.post("/r/add/", typed, headers={"HX-Request": "true"}).content.decode()
    assert "can be reached: registry API" in beside
    assert "<form" not in beside
    wrong = client.post("/r/add/", {**typed, "source": "http://127.0.0.1:1"}, headers={"HX-Request": "true"})
    assert "cannot be reached" in wrong.content.decode()
    nameless = client.post("/r/add/", {**typed, "slug": ""}, headers={"HX-Request": "true"}).content.decode()
    assert "<strong>Short name:</strong> This field is required." in nameless
    whole = client.post("/r/add/", typed).content.decode()
    assert "can be reached: registry API" in whole
    assert "type them again before you save" in whole
    assert "typed-secret" not in beside + whole + wrong.content.decode()
    assert "type them again" not in client.post("/r/add/", filled_in(small.url, check="1")).content.decode()
    assert not Registry.objects.exists()
