"""A bucket of one's own on a server that lives as long as the tests."""

from pathlib import Path

import pytest

from tests.buckets import KEY, REGION, SECRET, fill_bucket, objects, s3_server


class InBucket:
    """A bucket with a registry in it, and its SOURCE."""

    def __init__(self, server, name: str) -> None:
        self.server = server
        self.name = name
        self.client = server.client()
        self.client.create_bucket(Bucket=name)
        self.store = server.store(name)

    @property
    def source(self) -> str:
        return f"s3://{self.name}"

    def fill(self, root: Path) -> None:
        fill_bucket(self.store, root)

    def objects(self, *, trash: bool = False) -> dict[str, bytes]:
        return objects(self.store, trash=trash)


@pytest.fixture(scope="session")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(s3, monkeypatch, request):
    for name, text in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, text)
    made = InBucket(s3, f"bucket-{abs(hash(request.node.nodeid)):x}")
    yield made
    s3.fault = None
