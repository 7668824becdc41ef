"""Fixtures that every part of the suite may use."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override
from hypothesis import HealthCheck, settings

from registryui.catalogs import compile_catalogs
from tests.engines import PROGRAMS, REGISTRY, REGISTRY_CONFIG, Engine, libraries

compile_catalogs()

# How long an example takes says how busy the machine is, and nothing about what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def english():
    """A page leaves its language behind in the thread; the next test begins in English."""
    with override("en"):
        yield


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Engine]:
    """One engine for each worker, with an image to sleep in and one of the registry."""
    # A short path: that of a Unix socket must fit into 107 bytes.
    engine = Engine(Path(tempfile.mkdtemp(prefix="engine-"))).start()
    try:
        engine.pack("base:1", {**libraries(*PROGRAMS), "/etc/base": b"base"}, 'CMD ["/bin/sleep", "600"]')
        engine.pack(
            "registry:2",
            {**libraries(REGISTRY), "/etc/docker/registry/config.yml": REGISTRY_CONFIG.encode()},
            f'ENTRYPOINT ["{REGISTRY}"]',
            'CMD ["serve", "/etc/docker/registry/config.yml"]',
            "VOLUME /var/lib/registry",
        )
        yield engine
    finally:
        engine.stop()
        engine.remove()


@pytest.fixture
def engine(dockerd) -> Iterator[Engine]:
    """The engine of this worker, cleared afterwards."""
    yield dockerd
    dockerd.clear("base:1", "registry:2")


@pytest.fixture(scope="session")
def s3():
    """An S3 server for each worker."""
    from tests.buckets import s3_server  # slow to load, and few tests need it

    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3, monkeypatch, request):
    """A bucket of one's own; the environment says how to reach it."""
    from tests.buckets import KEY, REGION, SECRET, InBucket

    given = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "ENDPOINT_URL": s3.url, "REGION": REGION}
    for name, text in given.items():
        monkeypatch.setenv(f"AWS_{name}", text)
    # The server of the test has carried out, or refused, whatever a killed process had asked it for.
    monkeypatch.setattr("prune.sources.stores.objects.lease.AFTERMATH", 0)
    yield InBucket(s3, f"bucket-{abs(hash(request.node.nodeid)):x}")
    s3.fault = None
