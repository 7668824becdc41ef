"""The page of one image, what stands inside of it, and two beside each other."""

import json
import shutil
from pathlib import Path

import pytest

from registryui.models import Document, Image, TagSighting
from registryui.services import documents, images
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

pytestmark = pytest.mark.django_db

SPDX = "application/spdx+json"


class Store(V2Store):
    """Writes configs with a history, and documents attached to images."""

    def built(self, repo: str, tag: str, layers: list[str], **run) -> str:
        history = [{"created_by": f"RUN /bin/sh -c step {n} # buildkit"} for n in range(len(layers))]
        body = self.config(layers, history=history, config={"Env": ["PATH=/bin"], **run})
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(body),
                "size": len(body),
            },
            "layers": [
                {"mediaType": "x", "digest": one, "size": self.blob_path(one).stat().st_size} for one in layers
            ],
        }
        return self.manifest(repo, document, tag)

    def attach(self, repo: str, subject: str, kind: str, body: bytes) -> str:
        empty = self.blob(b"{}")
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": kind,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": kind, "digest": self.blob(body), "size": len(body)}],
            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1},
        }
        return self.manifest(repo, document)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def lab(store):
    base = [store.layer(3000)]
    store.built("base", "1", base)
    old = store.built("app", "1", [*base, store.layer(100)], Labels={"version": "1", "team": "a"})
    store.built("app", "2", [*base, store.layer(200)], Env=["PATH=/bin", "API_TOKEN=x"], Labels={"version": "2"})
    packages = [{"name": "bash", "versionInfo": "5.2"}]
    store.attach("app", old, SPDX, json.dumps({"spdxVersion": "SPDX-2.3", "packages": packages}).encode())
    age(store.root)
    return watched(store.source, "lab")


def digest(name: str, tag: str) -> str:
    return TagSighting.objects.get(repository__name=name, tag=tag, ended_at=None).digest


def text(client, address: str) -> str:
    return client.get(address).content.decode()


def test_layers_say_who_shares_them(lab):
    facts = images.describe(lab, digest("app", "1"))
    shared, own = facts.layers
    assert (shared.size, shared.images, own.images) == (3000, 3, 1)
    assert {one.tags[0] for one in shared.examples} == {"base:1", "app:2"}
    assert facts.base.tags == ("base:1",)
    assert [one.purpose for one in facts.referrers] == ["sbom"]
    assert {one.tags[0] for one in images.describe(lab, digest("base", "1")).based_on_it} == {"app:1", "app:2"}


def test_the_page_of_an_image_asks_the_database_alone(lab, store, client_of):
    address = f"/r/lab/images/{digest('app', '1')}/"
    shutil.rmtree(store.root)
    page = text(client_of("viewer"), address)
    assert "base:1" in page
    assert "2 other images" in page
    assert "<dt>team</dt><dd>a</dd>" in page


def test_how_it_was_built_is_read_once_and_then_remembered(lab, store, client_of):
    client = client_of("viewer")
    address = f"/r/lab/images/{digest('app', '2')}/?tab=inside"
    page = text(client, address)
    assert "<code>RUN step 1</code>" in page
    assert "hidden: its name says that it is a secret" in page
    assert "API_TOKEN" in page
    shutil.rmtree(store.base / "blobs")
    (store.base / "blobs").mkdir()
    assert text(client, address).count("RUN step") == page.count("RUN step")
    other = text(client, f"/r/lab/images/{digest('app', '1')}/?tab=inside")
    assert "Its config is not among the blobs." in other


def test_a_document_that_is_not_what_its_digest_says_is_not_shown(lab, store, client_of):
    facts = images.describe(lab, digest("app", "1"))
    Path(store.blob_path(facts.config)).write_bytes(b'{"config": {"Env": ["A=forged"]}}')
    page = text(client_of("viewer"), f"/r/lab/images/{digest('app', '1')}/?tab=inside")
    assert "forged" not in page
    assert "is not what its digest says" in page
    assert not Document.objects.exists()


def test_what_is_attached_can_be_read(lab, client_of):
    artifact = Image.objects.get(registry=lab, purpose="sbom")
    page = text(client_of("viewer"), f"/r/lab/images/{artifact.digest}/?tab=inside")
    assert "Bill of materials" in page
    assert "bash" in page
    assert "not checked here" in page


def test_an_image_of_v1_tells_its_one_step(seed, client_of):
    page = text(client_of("viewer"), f"/r/seed/images/{'a1' * 32}/?tab=inside")
    assert "Its config has no history" in page
    assert Document.objects.filter(digest="a1" * 32).exists()


def test_two_images_beside_each_other(lab, client_of):
    client = client_of("viewer")
    page = text(client, "/r/lab/compare/?a=app:1&b=app:2")
    assert '<data value="3000"' in page
    assert '<tr class="changed"><th scope="row">version</th>' in page
    assert '<tr class="left"><th scope="row">team</th>' in page
    assert '<tr class="right"><th scope="row">API_TOKEN</th>' in page
    assert '<li class="same"><code>RUN step 0</code>' in page
    assert "There is no image nonsense here" in text(client, "/r/lab/compare/?a=nonsense&b=app:1")
    same = text(client, f"/r/lab/compare/?a={digest('app', '1')}&b=app:1")
    assert "only left" not in same


def test_an_image_that_is_gone_still_has_its_page(lab, store, client_of):
    gone = digest("app", "2")
    shutil.rmtree(store.repository_path("app") / "_manifests/tags/2")
    shutil.rmtree(store.revision_path("app", gone).parent)
    shutil.rmtree(store.blob_path(gone).parent)
    scan(lab)
    page = text(client_of("viewer"), f"/r/lab/images/{gone}/")
    assert "did not see this image any more" in page
    assert "app:2" in page
    assert client_of("viewer").get(f"/r/lab/images/{'f' * 64}/").status_code == 404


def test_over_an_api_a_blob_is_read_with_its_repository(lab, monkeypatch):
    asked = []

    class Remote:
        def read_blob_of(self, repository: str, digest: str, limit: int) -> bytes:
            asked.append((repository, limit > 0))
            return b'{"config": {"User": "me"}}'

    monkeypatch.setattr(documents, "open_registry", lambda registry: Remote())
    facts = images.describe(lab, digest("app", "1"))
    assert documents.build(lab, facts.image.digest, facts.config).user == "me"
    assert asked == [("app", True)]
