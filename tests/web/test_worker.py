"""A real worker that is killed in the middle of a run: another one finishes it."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import pytest

from tests.browser.conftest import ROOT
from tests.reclaim.naive import pulled
from tests.servers import free_port
from tests.stores import V2Store, age, data_bytes

pytestmark = pytest.mark.real

SETUP = """
import django; django.setup()
from django.contrib.auth.models import User
from registryui.models import Registry
from registryui.services import proposals, registries, scans
one, two = (User.objects.create_user(name, is_superuser=True) for name in ("one", "two"))
registry = registries.add(None, Registry(
    slug="r", title="r", source=SOURCE, control_statement="test", run_on_approval=True))
scans.perform(scans.request(None, registry).pk)
proposal = proposals.create(one, registry, ["app"], title="", reason="", sweep=True)
proposals.approve(two, proposal, proposal.plan.digest)
"""

#: A worker whose disk is slow, so that there is a middle to be killed in.
SLOW = """
import time
from prune.sources.stores.disk import DiskStore
move = DiskStore.move
def slow(self, source, target, **only):
    time.sleep(0.02)
    move(self, source, target, **only)
DiskStore.move = slow
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "worker"])
"""


def test_a_run_survives_the_death_of_its_worker(tmp_path):
    store = V2Store(tmp_path / "store")
    for number in range(60):
        store.image("app", f"t{number}", layers=[store.layer(100)])
    store.image("kept", "1", layers=[store.layer(100)])
    age(tmp_path)
    kept = data_bytes(store.root)
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(tmp_path / "data"),
        "REGISTRYUI_LEASE_SECONDS": "2",
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }

    def python(code):
        return [sys.executable, "-c", code]

    def call(*command):
        subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)

    call(sys.executable, "manage.py", "migrate")
    call(*python(SETUP.replace("SOURCE", repr(store.source))))

    def row():
        with closing(sqlite3.connect(tmp_path / "data/registryui.sqlite3")) as database:
            return database.execute("SELECT state, done, total, items, freed_bytes FROM registryui_run").fetchone()

    first = subprocess.Popen(python(SLOW), env=environment, cwd=ROOT)
    for _ in range(300):
        if (store.root / ".registryui").exists() and len(list(store.root.glob(".registryui/**/data"))) > 20:
            break
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert row()[0] == "running"
    second = subprocess.Popen([sys.executable, "manage.py", "worker"], env=environment, cwd=ROOT)
    try:
        for _ in range(400):
            if row()[0] == "done":
                break
            time.sleep(0.05)
    finally:
        second.terminate()
        second.wait(20)
    state, _, _, items, freed = row()
    assert state == "done"
    assert items > 180
    assert kept - data_bytes(store.root) == freed
    assert not store.repository_path("app").exists()
    assert store.tag_path("kept", "1").exists()
    verified = subprocess.run(
        [sys.executable, "manage.py", "verify_audit"], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert re.search("whole", verified.stdout)


def test_a_run_does_not_mind_that_the_web_server_is_killed(tmp_path):
    store = V2Store(tmp_path / "store")
    for number in range(40):
        store.image("app", f"t{number}", layers=[store.layer(100)])
    store.image("kept", "1", "2", layers=[store.layer(100), store.layer(200)])
    age(tmp_path)
    whole = {key: what for key, what in pulled(store).items() if key[0] == "kept"}
    port = free_port()
    environment = os.environ | {
        "REGISTRYUI_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "registryui.settings",
    }
    granian = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    web = [sys.executable, *granian, "registryui.wsgi:application"]

    def serve() -> subprocess.Popen:
        started = subprocess.Popen(
            web,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(400):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read() == b"ok\n":
                    return started
            time.sleep(0.05)
        raise AssertionError("the web server did not start")

    def kill(server: subprocess.Popen) -> None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    def state() -> str:
        with closing(sqlite3.connect(tmp_path / "data/registryui.sqlite3")) as database:
            return database.execute("SELECT state FROM registryui_run").fetchone()[0]

    for command in (["manage.py", "migrate"], ["-c", SETUP.replace("SOURCE", repr(store.source))]):
        subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, check=True, capture_output=True)
    server = serve()
    worker = subprocess.Popen([sys.executable, "-c", SLOW], env=environment, cwd=ROOT)
    try:
        for _ in range(400):
            if len(list(store.root.glob(".registryui/**/data"))) > 10:
                break
            time.sleep(0.05)
        assert state() == "running"
        kill(server)
        server = serve()
        for _ in range(600):
            if state() != "running":
                break
            time.sleep(0.05)
        assert state() == "done"
    finally:
        kill(server)
        worker.terminate()
        worker.wait(20)
    assert pulled(store) == whole
