"""A real registry in a real container: held for a cleanup, and given back as it was, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prune.cli import main
from prune.model.errors import Refused
from prune.reclaim.apply import apply
from prune.reclaim.control.base import DidNotComeBack, Uncontrolled
from prune.reclaim.control.docker import DockerControl
from prune.reclaim.control.hold import HELD, held_now, put_right
from prune.reclaim.run import Run
from prune.sources.open import open_source
from prune.sources.stores.disk import DiskStore
from tests.control.conftest import plan_for
from tests.stores import data_bytes

pytestmark = pytest.mark.real

MODES = pytest.mark.parametrize("mode", ["stop", "readonly"])


def control(contained, mode="stop", **options) -> DockerControl:
    return DockerControl(options.pop("name", "main"), mode, engine=contained.engine.url, seconds=60, **options)


def writes(contained) -> int | None:
    """What a push is answered with; ``None`` when nobody answers."""
    try:
        return contained.request("POST", "/v2/team/app/blobs/uploads/")[0]
    except OSError:
        return None


def while_it_moves(monkeypatch, action):
    """Do something in the middle of the commit phase."""
    move = Run._move_all

    def moving(self, steps, held):
        action()
        return move(self, steps, held)

    monkeypatch.setattr(Run, "_move_all", moving)


@MODES
@pytest.mark.parametrize("name", ["main", "label=team=platform", "label=team"])
def test_it_is_held_for_the_moves_only_and_comes_back_as_it_was(contained, monkeypatch, mode, name):
    source, plan = plan_for(contained.source, "team/app:2.0", "lonely")
    was, size = contained.attributes(), data_bytes(contained.root)
    seen = []
    while_it_moves(monkeypatch, lambda: seen.append((writes(contained), contained.serves())))
    outcome = apply(source, plan, control=control(contained, mode, name=name))
    assert seen == ([(None, False)] if mode == "stop" else [(405, True)])
    assert (outcome.state, outcome.control, outcome.came_back) == ("done", "docker", True)
    assert outcome.held_seconds > 0
    assert contained.attributes() == was
    assert [one.name for one in contained.engine.client.containers.list(all=True)] == ["main"]
    assert size - data_bytes(contained.root) == plan.freed_bytes > 0
    assert contained.pull_all() == {("team/app", "1.0"): contained.before["team/app", "1.0"]}
    assert held_now(source.store) is None
    assert writes(contained) == 202  # it answered every pull


@MODES
def test_whatever_goes_wrong_in_between_it_comes_back(contained, monkeypatch, mode):
    source, plan = plan_for(contained.source, "team/app:2.0")
    was = contained.attributes()
    for error in (KeyboardInterrupt, RuntimeError("broken")):

        def fail(error=error):
            raise error

        with monkeypatch.context() as patched:
            while_it_moves(patched, fail)
            with pytest.raises((KeyboardInterrupt, RuntimeError)):
                apply(source, plan, control=control(contained, mode))
        assert contained.attributes() == was
        assert contained.pull_all() == contained.before
    assert apply(source, plan, control=control(contained, mode)).state == "done"


KILLED = """
import os, signal, sys
from prune.reclaim.run import Run
move = Run._move
def deadly(self, *step):
    if len(self.moved) >= int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    why = move(self, *step)
    return why
Run._move = deadly
from prune.cli import main
sys.exit(main(sys.argv[2:]))
"""


@MODES
@pytest.mark.parametrize("number", [0, 3])
def test_a_killed_process_leaves_it_held_and_the_next_gives_it_back_first(contained, tmp_path, mode, number):
    source, plan = plan_for(contained.source, "team/app:2.0", "lonely")
    was = contained.attributes()
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    words = f"docker:main,mode={mode},engine={contained.engine.url}"
    arguments = ["apply", contained.source, str(file), "--yes", "--control", words]
    done = subprocess.run([sys.executable, "-c", KILLED, str(number), *arguments], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert writes(contained) in (None, 405)
    assert held_now(source.store).kind == "docker"
    with pytest.raises(Refused, match="still held by run"):
        apply(source, plan, stopped="it looks stopped to me")
    # A worker that starts gives it back before anything else.
    with source.store.lock(".registryui/lock"):
        assert put_right(control(contained, mode), source.store).run
    assert contained.attributes() == was
    kept = {key: what for key, what in contained.before.items() if key == ("team/app", "1.0")}
    assert kept.items() <= contained.pull_all().items()
    assert main(arguments) == 0
    assert contained.attributes() == was
    assert contained.pull_all() == kept


def test_a_term_signal_gives_it_back(contained, tmp_path):
    _, plan = plan_for(contained.source, "team/app:2.0")
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    code = KILLED.replace("SIGKILL", "SIGTERM")
    words = f"docker:main,engine={contained.engine.url}"
    arguments = ["apply", contained.source, str(file), "--yes", "--control", words]
    done = subprocess.run([sys.executable, "-c", code, "1", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "Interrupted" in done.stderr
    contained.await_answer()
    assert not (contained.root / HELD).exists()


@MODES
def test_after_its_window_it_comes_back_and_the_run_can_go_on(contained, monkeypatch, mode):
    source, plan = plan_for(contained.source, "team/app:2.0", "lonely")
    was = contained.attributes()
    monkeypatch.setattr("prune.reclaim.steps.BATCH", 1)
    with monkeypatch.context() as patched:
        while_it_moves(patched, lambda: time.sleep(1.5))
        outcome = apply(source, plan, control=control(contained, mode), window=1)
        # Once more from the shortest window on: nothing is done twice, and nothing is lost.
    assert outcome.state == "failed"
    assert "as long as it may be" in outcome.message
    assert contained.attributes() == was
    assert contained.pull_all().items() <= contained.before.items()
    again = apply(source, plan, control=control(contained, mode))
    assert (again.state, again.run) == ("done", outcome.run)
    assert contained.pull_all() == {("team/app", "1.0"): contained.before["team/app", "1.0"]}


def test_somebody_who_starts_it_in_between_is_seen(contained, monkeypatch):
    source, plan = plan_for(contained.source, "team/app:2.0")
    monkeypatch.setattr("prune.reclaim.control.hold.LOOK_EVERY", 0)
    while_it_moves(monkeypatch, contained.start)
    outcome = apply(source, plan, control=control(contained))
    assert outcome.state == "failed"
    assert "Somebody started the container main" in outcome.message
    assert contained.pull_all() == contained.before


def test_a_push_between_the_first_look_and_the_hold_is_seen(contained, monkeypatch, tmp_path):
    from tests.layouts import Layout
    from tests.servers import skopeo

    source, plan = plan_for(contained.source, "team/app:2.0", "lonely:1")
    take = DockerControl.take

    def late(self, note):
        skopeo(f"oci:{Layout(tmp_path / 'layout').root}:two", f"docker://{contained.host}/elsewhere:new")
        skopeo(f"oci:{tmp_path / 'layout'}:one", f"docker://{contained.host}/lonely:1")
        return take(self, note)

    (tmp_path / "layout/index.json").exists()
    monkeypatch.setattr(DockerControl, "take", late)
    outcome = apply(source, plan, control=control(contained))
    assert outcome.state == "partial"
    pulls = contained.pull_all()
    assert pulls["elsewhere", "new"].keys() - {"new"} == contained.before["team/app", "2.0"].keys() - {"2.0"}
    assert ("lonely", "1") in pulls
    assert ("team/app", "2.0") not in pulls


def test_a_container_that_does_not_come_back_is_loud(contained, tmp_path, capsys, monkeypatch):
    source, plan = plan_for(contained.source, "team/app:2.0")
    engine = contained.engine
    while_it_moves(monkeypatch, lambda: engine.api.remove_container("main"))
    outcome = apply(source, plan, control=control(contained))
    assert not outcome.came_back
    assert "did not come back" in outcome.message
    assert "start the registry by hand" in outcome.message
    # It stays noted until it is put right.
    assert held_now(source.store) is not None
    with source.store.lock(".registryui/lock"), pytest.raises(DidNotComeBack):
        put_right(control(contained), source.store)


def test_the_command_says_so_too(contained, tmp_path, capsys, monkeypatch):
    _, plan = plan_for(contained.source, "team/app:2.0")
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    monkeypatch.setenv("DOCKER_HOST", contained.engine.url)
    while_it_moves(monkeypatch, lambda: contained.engine.api.remove_container("main"))
    assert main(["apply", contained.source, str(file), "--yes", "--json", "--control", "docker:main"]) == 1
    said = capsys.readouterr()
    assert '"came_back":false' in said.out
    assert "did not come back" in said.err


def test_what_cannot_be_held_is_left_as_it_is(contained):
    source, plan = plan_for(contained.source, "team/app:2.0")
    engine = contained.engine
    engine.client.containers.create("base:1", name="twin", labels={"team": "platform"}, network_mode="host")
    for name, why in (
        ("nobody", "no container"),
        ("label=team", "2 containers have the label team"),
        ("label=none", "No container has the label none"),
    ):
        with pytest.raises(Uncontrolled, match=why):
            apply(source, plan, control=control(contained, name=name))
    gone = engine.client.containers.run("base:1", name="brief", auto_remove=True, detach=True, network_mode="host")
    with pytest.raises(Uncontrolled, match="--rm"):
        apply(source, plan, control=control(contained, name="brief"))
    gone.kill()
    # Something that is no registry takes no heed of the setting: it is not believed to be read-only.
    other = engine.client.containers.create("base:1", name="other", network_mode="host")
    other.start()
    slow = control(contained, "readonly", name="other", url=f"http://{contained.host}")
    slow.seconds = 1
    with pytest.raises(Uncontrolled, match="takes pushes all the same"):
        apply(source, plan, control=slow)
    other.reload()
    assert (other.name, other.status) == ("other", "running")
    assert contained.pull_all() == contained.before


def test_a_container_that_is_stopped_already_stays_stopped(contained):
    source, plan = plan_for(contained.source, "team/app:2.0")
    contained.stop()
    was = contained.attributes()
    assert apply(source, plan, control=control(contained, "readonly")).state == "done"
    assert contained.attributes() == was
    assert not was["Running"]


def test_what_was_noted_touches_no_other_container(contained):
    """Whoever may write the store must not be able to have other containers started."""
    victim = contained.engine.client.containers.create("base:1", name="victim", network_mode="host")
    store = DiskStore(str(contained.root))
    former = {"container": victim.id, "name": "victim", "running": "yes", "mode": "readonly"}
    with pytest.raises(DidNotComeBack, match="is not the container main"):
        control(contained).give_back(former)
    victim.reload()
    assert (victim.name, victim.status) == ("victim", "created")
    assert held_now(store) is None


def test_the_engine_going_away_is_said(contained, tmp_path):
    source, plan = plan_for(contained.source, "team/app:2.0")
    with pytest.raises(Exception, match="socket does not exist"):
        apply(source, plan, control=DockerControl("main", engine=f"unix://{tmp_path}/none"))
    assert contained.pull_all() == contained.before
    assert os.path.exists(Path(contained.root))
    assert open_source(contained.source).scan().complete
