"""One subject for each kind of source."""

import shutil

import pytest

from tests.engine_proxy import EngineProxy
from tests.http.registry_v1 import RegistryV1Server
from tests.servers import registry
from tests.sources.conformance.subjects import (
    DockerSubject,
    OciSubject,
    RegistryV1Subject,
    RegistryV2Subject,
    StorageV1InBucketSubject,
    StorageV1Subject,
    StorageV2InBucketSubject,
    StorageV2Subject,
    fill_registry,
)

KINDS = [
    "storage-v1",
    "registry-v1",
    "oci-layout",
    "storage-v1 in a bucket",
    pytest.param("storage-v2 in a bucket", marks=pytest.mark.real),
    pytest.param("storage-v2", marks=pytest.mark.real),
    pytest.param("registry-v2", marks=pytest.mark.real),
    pytest.param("docker-engine", marks=pytest.mark.real),
]


@pytest.fixture(scope="session")
def pushed(tmp_path_factory):
    """The storage of a real registry after real pushes, to be copied."""
    return fill_registry(tmp_path_factory.mktemp("pushed"))


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    for name in ("PRUNE_USERNAME", "PRUNE_PASSWORD", "PRUNE_PASSWORD_FILE", "PRUNE_CA_FILE", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))
    monkeypatch.setenv("PRUNE_STATE", str(tmp_path / "state"))


@pytest.fixture(params=KINDS)
def subject(request, tmp_path):
    match request.param:
        case "storage-v1":
            yield StorageV1Subject(tmp_path)
        case "registry-v1":
            server = RegistryV1Server(tmp_path)
            server.start()
            yield RegistryV1Subject(tmp_path, server)
            server.stop()
        case "oci-layout":
            yield OciSubject(tmp_path)
        case "storage-v1 in a bucket":
            yield StorageV1InBucketSubject(request.getfixturevalue("bucket"), tmp_path)
        case "storage-v2 in a bucket":
            yield StorageV2InBucketSubject(request.getfixturevalue("bucket"), request.getfixturevalue("pushed"))
        case "storage-v2":
            yield StorageV2Subject(shutil.copytree(request.getfixturevalue("pushed"), tmp_path / "store"))
        case "registry-v2":
            root = shutil.copytree(request.getfixturevalue("pushed"), tmp_path / "store")
            with registry(root, tmp_path) as server:
                yield RegistryV2Subject(server)
        case "docker-engine":
            engine = request.getfixturevalue("engine")
            proxy = EngineProxy(engine.socket)
            proxy.start()
            yield DockerSubject(engine, proxy)
            proxy.stop()
