"""Stores with everything in them, and the independent computation of what must be left."""

from pathlib import Path

import pytest

from tests.stores import V1Store, V2Store, age, seed_branch


def fill(store: V2Store) -> V2Store:
    """Shared layers, two tags on a digest, multi-arch, signature, nested repositories, garbage, an upload."""
    base, top, own, lone = (store.layer() for _ in range(4))
    app = store.image("team/app", "1.0", "stable", layers=[base, top])
    store.image("team/app", "2.0", layers=[base, top, own])
    store.image("team/app", layers=[base, lone])
    store.image("team/app", f"{app.replace(':', '-')}.sig", layers=[store.layer(33)])
    store.link("copy/of/app", app, "1.0")
    for digest in (base, top):
        store.link_layer("copy/of/app", digest)
    children = [store.image("multi", layers=[base], platform=p) for p in ("linux/amd64", "linux/arm64")]
    store.index("multi", "1", "latest", children=children, platforms=("linux/amd64", "linux/arm64"))
    store.image("multi/nested", "n", layers=[store.layer(44)])
    store.layer(77)
    store.upload("team/app", "upload-1")
    store.upload("multi", "upload-2")
    age(store.root)
    return store


@pytest.fixture
def v2(tmp_path) -> V2Store:
    return fill(V2Store(tmp_path / "registry"))


@pytest.fixture
def v1(tmp_path) -> V1Store:
    store = V1Store(tmp_path / "registry")
    seed_branch(store)
    store.image("E", "B")
    store.tag("team/other", "v1", "E")
    store.index("team/other", "A", "B", "E")
    store.image("F")
    age(store.root)
    return store


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "registry"
