"""Registries to be held: stores with something to delete, in a folder and in a container."""

import time

import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.sources.open import open_source
from tests.engines import RegistryContainer
from tests.layouts import Layout
from tests.servers import Registry, skopeo


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNE_STATE", str(tmp_path / "state"))


def fill_by_pushes(server: Registry, folder) -> dict:
    """Two tags that share a layer, one by itself; return every pull."""
    layout = Layout(folder / "layout")
    base = layout.layer("base")
    layout.image(base, tag="one", version="1")
    layout.image(base, layout.layer("two"), tag="two", version="2")
    layout.image(layout.layer("alone"), tag="alone")
    for tag, target in (("one", "team/app:1.0"), ("two", "team/app:2.0"), ("alone", "lonely:1")):
        skopeo(f"oci:{layout.root}:{tag}", f"docker://{server.host}/{target}")
    return server.pull_all()


@pytest.fixture
def contained(engine, tmp_path):
    """A registry in a container with its pulls."""
    server = RegistryContainer(engine, "main", labels={"team": "platform"})
    server.before = fill_by_pushes(server, tmp_path)
    return server


def plan_for(source: str, *refs: str, **options):
    opened = open_source(source)
    return opened, make_plan(opened.scan(), Request(refs, grace=0, **options), now=int(time.time()) + 5)
