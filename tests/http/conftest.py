"""Real registries behind htpasswd and TLS, filled by real pushes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.http.misbehaving import Misbehaving
from tests.layouts import Layout
from tests.servers import registry, skopeo


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """Nobody's own credentials, and a state folder of the test's own."""
    for name in ("PRUNE_USERNAME", "PRUNE_PASSWORD", "PRUNE_PASSWORD_FILE", "PRUNE_TOKEN_REALM", "PRUNE_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))
    monkeypatch.setenv("PRUNE_STATE", str(tmp_path / "state"))


def fill(folder: Path, host: str) -> Layout:
    """Shared layers, two tags on a digest, an image in two repositories, a shared child, a signature."""
    layout = Layout(folder / "layout")
    base = layout.layer("base")
    one = layout.image(base, tag="one", version="1")
    layout.image(base, layout.layer("two"), tag="two")
    layout.image(layout.layer("alone"), tag="alone")
    arm = layout.image(base, architecture="arm64", tag="arm")
    layout.index(arm, layout.image(base, layout.layer("amd"), architecture="amd64"), tag="multi")
    layout.image(layout.layer("signature"), tag="signature")
    for tag, target in (
        ("one", "team/app:1.0"),
        ("one", "team/app:stable"),
        ("two", "team/app:2.0"),
        ("one", "copy:1.0"),
        ("alone", "lonely:1"),
        ("arm", "multi:arm-only"),
    ):
        skopeo(f"oci:{layout.root}:{tag}", f"docker://{host}/{target}")
    skopeo("--all", f"oci:{layout.root}:multi", f"docker://{host}/multi:1")
    signature = one["digest"].replace(":", "-") + ".sig"
    skopeo(f"oci:{layout.root}:signature", f"docker://{host}/copy:{signature}")
    return layout


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A store and the layout that filled it, pushed once for all tests."""
    folder = tmp_path_factory.mktemp("filled")
    with registry(folder / "store", folder) as started:
        fill(folder, started.host)
    return folder


@pytest.fixture
def server(tmp_path, filled):
    for part in ("store", "layout"):
        shutil.copytree(filled / part, tmp_path / part)
    with registry(tmp_path / "store", tmp_path) as started:
        yield started


@pytest.fixture
def small():
    """A small server that does what a test wants."""
    made = Misbehaving()
    made.start()
    yield made
    made.stop()


def garbage_collect(server) -> None:
    subprocess.run(["docker-registry", "garbage-collect", str(server.config)], check=True, capture_output=True)
