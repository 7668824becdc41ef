"""Processes that are killed, containers that are killed, ports that are taken, two runs at once: the registry comes
back as it was, and nothing that is kept is lost."""

import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import APIError

from prune.model.errors import Refused
from prune.reclaim.apply import apply
from prune.reclaim.collection.docker import DockerCollector
from prune.reclaim.control.base import DidNotComeBack
from prune.reclaim.control.docker import BESIDE, STAND_IN, DockerControl
from prune.reclaim.control.hold import HELD, held_now, hold, put_right
from prune.reclaim.journal import LOCK
from prune.sources.stores.disk import DiskStore
from tests.control.conftest import plan_for
from tests.control.test_docker_control import MODES, control, while_it_moves, writes

pytestmark = pytest.mark.real


def die_before(step: int) -> None:
    """Kill this process right before its n-th change of anything: of a container, or of the note in the store."""
    left = step

    def counted(owner, name, concerns):
        plain = getattr(owner, name)

        def call(self, *arguments, **options):
            nonlocal left
            if concerns(arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return plain(self, *arguments, **options)

        setattr(owner, name, call)

    for name in ("_post", "_delete"):
        counted(APIClient, name, lambda arguments: True)
    for name in ("write", "remove"):
        counted(DiskStore, name, lambda arguments: arguments[0] == HELD)


def held_once(contained, mode: str, step: int) -> bool:
    """Hold the registry in a process that dies before its n-th change; tell whether it came to its end before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            die_before(step)
            with hold(control(contained, mode), DiskStore(str(contained.root)), "run-1") as held:
                held.look_now()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


@pytest.mark.parametrize(("mode", "changes"), [("stop", 4), ("readonly", 9)])
def test_killed_before_every_single_change_it_comes_back(contained, mode, changes):
    was = contained.attributes()
    store = DiskStore(str(contained.root))
    step = 1
    while not held_once(contained, mode, step):
        # Once more killed, in the middle of putting right: that may happen any number of times.
        child = os.fork()
        if child == 0:
            try:
                die_before(1)
                put_right(control(contained, mode), store)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with store.lock(LOCK):
            put_right(control(contained, mode), store)
        assert contained.attributes() == was, step
        assert held_now(store) is None
        contained.await_answer()
        assert [one["Names"] for one in contained.engine.api.containers(all=True)] == [["/main"]], step
        step += 1
    assert step == changes + 1
    assert contained.attributes() == was
    assert contained.pull_all() == contained.before
    assert writes(contained) == 202


def kill_container(contained, label: str) -> None:
    for one in contained.engine.api.containers(filters={"label": label}):
        os.kill(contained.engine.api.inspect_container(one["Id"])["State"]["Pid"], signal.SIGKILL)


def test_a_stand_in_that_is_killed_is_no_danger(contained, monkeypatch):
    source, plan = plan_for(contained.source, "team/app:2.0")
    was = contained.attributes()
    monkeypatch.setattr("prune.reclaim.control.hold.LOOK_EVERY", 0)
    while_it_moves(monkeypatch, lambda: kill_container(contained, STAND_IN))
    outcome = apply(source, plan, control=control(contained, "readonly"))
    assert (outcome.state, outcome.came_back) == ("done", True)
    assert contained.attributes() == was
    assert contained.pull_all() == {key: what for key, what in contained.before.items() if key[1] != "2.0"}


@pytest.fixture
def mortal(contained):
    """The same, with an engine that may be killed: whatever becomes of the test, the next one finds it alive."""
    yield contained
    if contained.engine.process.poll() is not None:
        contained.engine.start()


def known(contained) -> dict:
    """Its attributes without those that an engine says in other words once it has read them from its disk."""
    return {key: what for key, what in contained.attributes().items() if key != "HostConfig"}


@MODES
@pytest.mark.parametrize("moment", ["before the moves", "after the moves"])
def test_an_engine_that_is_killed_while_it_holds_a_registry(mortal, monkeypatch, mode, moment):
    """Nothing can be given back without it: that is said, and done as soon as it is there again."""
    contained = mortal
    source, plan = plan_for(contained.source, "team/app:2.0")
    was = known(contained)
    store = DiskStore(str(contained.root))
    monkeypatch.setattr("prune.reclaim.control.hold.LOOK_EVERY", 0)
    with monkeypatch.context() as patched:
        if moment == "before the moves":
            while_it_moves(patched, contained.engine.kill)
        else:
            give_back = DockerControl.give_back

            def killed_first(self, former):
                contained.engine.kill()
                give_back(self, former)

            patched.setattr(DockerControl, "give_back", killed_first)
        outcome = apply(source, plan, control=control(contained, mode))
    assert outcome.state == ("failed" if moment == "before the moves" else "done")
    assert not outcome.came_back
    assert "did not come back" in outcome.message
    assert held_now(store) is not None
    with store.lock(LOCK), pytest.raises(DidNotComeBack):
        put_right(control(contained, mode), store)
    contained.engine.start()
    contained.container = contained.engine.client.containers.get(contained.container.id)
    with store.lock(LOCK):
        assert put_right(control(contained, mode), store) is not None
    assert held_now(store) is None
    assert known(contained) == was
    kept = {key: what for key, what in contained.before.items() if key[1] != "2.0"}
    assert contained.pull_all() == (contained.before if outcome.state == "failed" else kept)
    assert writes(contained) == 202
    again = apply(source, plan, control=control(contained, mode))
    assert (again.state, again.run) == ("done", outcome.run)
    assert known(contained) == was
    assert contained.pull_all() == kept


def test_a_registry_that_was_killed_before_stays_so_and_is_cleaned(contained):
    source, plan = plan_for(contained.source, "team/app:2.0")
    contained.engine.api.kill("main")
    assert apply(source, plan, control=control(contained, "readonly")).state == "done"
    assert not contained.attributes()["Running"]
    contained.start()
    assert contained.pull_all() == {key: what for key, what in contained.before.items() if key[1] != "2.0"}


@pytest.mark.parametrize("step", ["dry_run", "collect"])
def test_a_garbage_collection_that_is_killed(contained, monkeypatch, step):
    source, plan = plan_for(contained.source, "team/app:2.0")
    holding = DockerControl("main", engine=contained.engine.url, seconds=60)
    start = APIClient.start
    plain = getattr(DockerCollector, step)

    def killing(self, former, look):
        def started(api, id_, *arguments):
            start(api, id_, *arguments)
            with contextlib.suppress(APIError):  # it may have been quick
                contained.engine.api.kill(id_)

        with monkeypatch.context() as patched:
            patched.setattr(APIClient, "start", started)
            # What it said before it was killed never came.
            patched.setattr("prune.reclaim.collection.docker._read", lambda stream, lines: lines.put(None))
            return plain(self, former, look)

    with monkeypatch.context() as patched:
        patched.setattr(DockerCollector, step, killing)
        outcome = apply(source, plan, control=holding, collector=DockerCollector(holding))
    assert outcome.state == "failed"
    assert contained.engine.api.containers(all=True, filters={"label": BESIDE}) == []
    kept = {key: what for key, what in contained.before.items() if key[1] != "2.0"}
    assert contained.pull_all() == (contained.before if step == "dry_run" else kept)
    if step == "collect":
        # Killed right between the content of a blob and its folder.
        hexes = plan.delete.blobs[0].digest.removeprefix("sha256:")
        folder = Path(contained.source.removeprefix("storage:"), "docker/registry/v2/blobs/sha256", hexes[:2], hexes)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    outcome = apply(source, plan, control=holding, collector=DockerCollector(holding))
    assert (outcome.state, outcome.freed_bytes) == ("done", plan.freed_bytes)
    assert contained.pull_all() == kept


def test_one_that_cannot_start_again_is_loud_until_it_can(contained, monkeypatch, request):
    source, plan = plan_for(contained.source, "team/app:2.0")
    was = contained.attributes()
    taken = socket.socket()
    request.addfinalizer(taken.close)

    def take_its_port():
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", contained.port))
        taken.listen()

    while_it_moves(monkeypatch, take_its_port)
    outcome = apply(source, plan, control=control(contained))
    assert (outcome.state, outcome.came_back) == ("done", False)
    assert "was started and does not serve" in outcome.message
    store = DiskStore(str(contained.root))
    with store.lock(LOCK), pytest.raises(DidNotComeBack):
        put_right(control(contained), store)
    taken.close()
    with store.lock(LOCK):
        assert put_right(control(contained), store) is not None
    assert contained.attributes() == was
    assert contained.pull_all() == {key: what for key, what in contained.before.items() if key[1] != "2.0"}


def test_of_two_runs_at_once_one_is_refused_and_disturbs_nothing(contained, monkeypatch):
    source, plan = plan_for(contained.source, "team/app:2.0")
    _, other = plan_for(contained.source, "lonely")
    was = contained.attributes()
    refused = []

    def second():
        for chosen in (plan, other):
            with pytest.raises(Refused) as error:
                apply(source, chosen, control=control(contained))
            refused.append(str(error.value))
        assert not contained.serves()
        assert held_now(source.store) is not None

    with monkeypatch.context() as patched:
        while_it_moves(patched, second)
        assert apply(source, plan, control=control(contained)).state == "done"
    assert len(refused) == 2
    assert contained.attributes() == was
    assert apply(source, other, control=control(contained)).state == "done"
    assert contained.pull_all() == {("team/app", "1.0"): contained.before["team/app", "1.0"]}
