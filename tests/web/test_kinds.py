"""Registries of every kind in the dashboard: added by the form, cleaned, undone, and told of in the right words."""

import pytest

from registryui.models import Registry, Run
from registryui.services import proposals
from registryui.services.access import open_registry
from tests.engine_proxy import EngineProxy
from tests.http.registry_v1 import RegistryV1Server
from tests.reclaim.naive import layout_pulled, v1_pulled
from tests.sources.conformance.subjects import BASE, LONELY, TWO, DockerSubject, fill_layout, fill_v1
from tests.stores import V1Store
from tests.web.conftest import scan
from tests.web.test_proposals import propose, work

pytestmark = pytest.mark.django_db

FORM = {"title": "Ours", "slug": "ours", "required_approvals": 1, "grace_hours": 24, "trash_days": 14}


@pytest.fixture(autouse=True)
def data(tmp_path, settings, monkeypatch):
    settings.DATA_DIR = tmp_path / "data"
    monkeypatch.delenv("DOCKER_HOST", raising=False)


@pytest.fixture
def v1_server(tmp_path):
    server = RegistryV1Server(fill_v1(V1Store(tmp_path / "v1")).root)
    server.start()
    yield server
    server.stop()


def added(client_of, **fields) -> Registry:
    """Test, add and scan a registry as an admin does."""
    client = client_of("admin")
    tested = client.post("/r/add/", {**FORM, **fields, "check": "1"})
    assert tested.status_code == 200
    assert "can be re" in tested.content.decode(), tested.context["form"].errors
    answer = client.post("/r/add/", {**FORM, **fields})
    assert answer.status_code == 302, answer.context["form"].errors
    scan(Registry.objects.get())
    registry = Registry.objects.get()
    assert registry.last_scan.summary["complete"]
    return registry


def page(client_of, path: str, role: str = "admin") -> str:
    answer = client_of(role).get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def cleaned(people, client_of, registry, ref: str, **answers) -> Run:
    """From a proposal over its approval to the cleanup, by the pages."""
    proposal = propose(people["proposer"], registry, ref)
    plan = proposal.plan.digest
    approved = client_of("approver").post(f"/proposals/{proposal.pk}/approve/", {"plan": plan})
    assert approved.status_code == 302
    shown = page(client_of, f"/proposals/{proposal.pk}/")
    assert ("Why can nobody push or pull" in shown) == bool(answers)
    assert client_of("admin").post(f"/proposals/{proposal.pk}/run/", answers).status_code == 302
    work()
    run = Run.objects.get(kind="apply")
    assert run.state == "done", run.message
    return run


def undone(people, client_of, run) -> None:
    assert client_of("approver").post(f"/runs/{run.pk}/undo/").status_code == 302
    work()
    assert Run.objects.get(kind="restore").state == "done"


def test_an_oci_layout(tmp_path, people, client_of):
    layout = fill_layout(tmp_path / "images")
    whole = layout_pulled(layout.root)
    registry = added(client_of, place="oci", source=str(layout.root))
    assert (registry.source, registry.kind) == (layout.source, "oci-layout")
    assert f'value="{layout.root}"' in page(client_of, "/r/ours/change/")
    shown = page(client_of, "/r/ours/")
    assert "OCI layout" in shown
    assert "written in one piece" in shown
    assert "sweep what nothing references" in shown
    run = cleaned(people, client_of, registry, ":".join(TWO), stopped="nobody writes to it")
    assert layout_pulled(layout.root).keys() == whole.keys() - {TWO}
    shown = page(client_of, f"/runs/{run.pk}/")
    assert "lies in the trash of the layout" in shown
    assert "The disk gets" in shown
    undone(people, client_of, run)
    assert layout_pulled(layout.root) == whole


def test_the_whole_source_may_be_written_as_well(tmp_path, people, client_of):
    layout = fill_layout(tmp_path / "images")
    assert added(client_of, place="oci", source=layout.source).source == layout.source
    Registry.objects.all().delete()
    assert added(client_of, source=layout.source).source == layout.source


def test_a_v1_registry(v1_server, people, client_of):
    whole = v1_pulled(v1_server.root)
    registry = added(client_of, source=v1_server.url)
    assert registry.kind == "registry-v1"
    shown = page(client_of, "/r/ours/")
    assert "never an image: all of them stay on its disk" in shown
    assert "It lists its repositories." in shown
    assert "It deletes tags and repositories; images stay on its disk." in shown
    assert "<dt>Images</dt><dd>4</dd>" in shown
    assert "<dt>Stored</dt>" not in shown
    assert "sweep what nothing references" not in shown
    assert "<dt>Images</dt><dd>4</dd>" in page(client_of, "/")
    # What it is was found out once: a scan does not ask again.
    v1_server.requests.clear()
    assert open_registry(registry).kind == "registry-v1"
    assert v1_server.requests == []
    run = cleaned(people, client_of, registry, ":".join(TWO))
    shown = page(client_of, f"/proposals/{run.proposal.pk}/")
    assert "no request to a V1 registry deletes an image" in shown
    assert v1_pulled(v1_server.root).keys() == whole.keys() - {TWO}
    shown = page(client_of, f"/runs/{run.pk}/")
    assert "can be set again until" in shown
    assert "It frees nothing" in shown
    undone(people, client_of, run)
    assert v1_pulled(v1_server.root) == whole


def test_a_v1_registry_says_before_the_cleanup_how_it_deletes(v1_server, people, client_of):
    registry = added(client_of, source=v1_server.url)
    proposal = propose(people["proposer"], registry, ":".join(LONELY))
    proposals.approve(people["approver"], proposal, proposal.plan.digest, "")
    assert "one tag at a time; pushes and pulls may go on" in page(client_of, f"/proposals/{proposal.pk}/")


def test_chosen_repositories_of_a_v1_registry(v1_server, people, client_of):
    v1_server.indexed = False
    registry = added(client_of, source=v1_server.url, chosen_repositories="shop/app\nshop/base")
    assert registry.last_scan.summary["repositories"] == 2
    assert BASE[0] in page(client_of, "/r/ours/")


@pytest.mark.real
def test_a_docker_engine(engine, people, client_of):
    proxy = EngineProxy(engine.socket)
    proxy.start()
    try:
        subject = DockerSubject(engine, proxy)
        whole = subject.contents()
        registry = added(client_of, place="docker", source=engine.url)
        assert (registry.source, registry.kind) == (engine.source, "docker-engine")
        shown = page(client_of, "/r/ours/")
        assert "stays with its last name" in shown
        assert "<dt>Images</dt>" in shown
        run = cleaned(people, client_of, registry, ":".join(TWO))
        assert subject.contents().keys() == whole.keys() - {TWO}
        shown = page(client_of, f"/runs/{run.pk}/")
        assert "A copy of the images that this cleanup took away is kept here" in shown
        assert "The copy of these images that is kept here is removed" in shown
        undone(people, client_of, run)
        assert subject.contents() == whole
    finally:
        proxy.stop()


def test_an_engine_that_is_not_there_is_said_at_once(tmp_path, client_of):
    answer = client_of("admin").post(
        "/r/add/", {**FORM, "place": "docker", "source": f"unix://{tmp_path}/none", "check": "1"}
    )
    assert "that socket does not exist" in answer.content.decode()


def test_a_kind_that_is_not_known_yet_has_no_words(people, client_of, db):
    Registry.objects.create(slug="ours", title="Ours", source="oci:/nowhere")
    assert "Not scanned yet" in page(client_of, "/r/ours/")
