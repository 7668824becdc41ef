"""A cluster is asked with its own token, which is kept encrypted, and with nothing that is the worker's."""

import pytest

from registryui.models import AuditEntry, InUsePlace, Registry
from registryui.services import in_use
from tests.sources.test_kubernetes import TOKEN, Cluster, pod, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster():
    with serving(Cluster(pods=[pod("web", "registry.example.com/app:1")])) as url:
        yield url


@pytest.fixture
def place(cluster) -> InUsePlace:
    hub = Registry.objects.create(
        slug="hub", title="Hub", source="storage:/hub", in_use_places=f"kubernetes:{cluster}"
    )
    in_use.keep_places(hub)
    return InUsePlace.objects.get()


def enter(client, place, **fields):
    answer = client.post(f"/r/hub/places/{place.pk}/", fields, follow=True)
    place.refresh_from_db()
    return answer.content.decode()


def test_it_works(place, client_of):
    page = enter(client_of("admin"), place, token=TOKEN)
    report = in_use.ask_place(place)
    assert report.complete, report.problem
    assert report.references == ("registry.example.com/app:1",)
    assert TOKEN not in page
    assert TOKEN not in place.token
    assert TOKEN not in str([*AuditEntry.objects.values("data", "reason")])
    assert AuditEntry.objects.filter(action="registry.changed").exists()
    assert "Another token" in client_of("admin").get("/r/hub/").content.decode()
    assert "Another token" not in client_of("approver").get("/r/hub/").content.decode()


def test_the_token_of_the_worker_goes_to_no_address_that_somebody_entered(place, monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("PRUNE_KUBERNETES_TOKEN_FILE", str(file))
    report = in_use.ask_place(place)
    assert not report.complete
    assert "does not accept the token" in report.problem


def test_an_empty_token_keeps_the_one_that_is_there(place, client_of):
    enter(client_of("admin"), place, token=TOKEN)
    before = place.token
    enter(client_of("admin"), place, token=" ", ca_certificate="")
    assert place.token == before
    assert "This is no certificate in PEM." in enter(client_of("admin"), place, token="x", ca_certificate="x")
    assert place.token == before


def test_another_address_has_no_token(place, client_of):
    enter(client_of("admin"), place, token=TOKEN)
    hub = place.registry
    hub.in_use_places = "kubernetes:https://elsewhere.example"
    in_use.keep_places(hub)
    assert InUsePlace.objects.get().token == ""


def test_only_clusters_at_an_address_take_a_token(place, client_of):
    InUsePlace.objects.update(place="docker:")
    page = enter(client_of("admin"), place, token=TOKEN)
    assert "Only a cluster at an address takes a token." in page
    assert place.token == ""


def test_a_token_of_another_key_is_asked_for_again(place, client_of, monkeypatch):
    enter(client_of("admin"), place, token=TOKEN)
    monkeypatch.setenv("REGISTRYUI_ENCRYPTION_KEY", "another")
    report = in_use.ask_place(place)
    assert (report.complete, "enter it again" in report.problem) == (False, True)
