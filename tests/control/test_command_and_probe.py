"""A registry that its operator's own commands stop and start, and one that is seen to be read-only."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from prune.cli import main
from prune.model.errors import Refused, UsageError
from prune.reclaim.apply import apply
from prune.reclaim.control.base import ControlLost, DidNotComeBack, Uncontrolled
from prune.reclaim.control.command import Command, Commands, read_commands
from prune.reclaim.control.hold import HELD, held_now
from prune.reclaim.control.parse import parse_control
from prune.reclaim.control.probe import Probe
from tests.control.conftest import fill_by_pushes, plan_for
from tests.servers import Registry, registry

READ_ONLY = "\n".join(["  maintenance:", "    readonly: {enabled: true}"])


@pytest.fixture
def served(tmp_path):
    """A registry under a supervisor: whoever writes `stop` or `start` into a file is obeyed at once."""
    with registry(tmp_path / "store", tmp_path) as server:
        server.before = fill_by_pushes(server, tmp_path)
        yield server


def own_commands(server: Registry, folder: Path, **changed) -> Commands:
    """The commands of an operator: a process is stopped by its id, and started by its program."""
    pid = folder / "pid"
    pid.write_text(str(server.process.pid))
    program = folder / "operate.py"
    program.write_text(f"""
import os, pathlib, signal, socket, subprocess, sys, time
pid = pathlib.Path({str(pid)!r})
def up():
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", {server.port})) == 0
match sys.argv[1]:
    case "stop":
        os.kill(int(pid.read_text()), signal.SIGTERM)
        while up():
            time.sleep(0.02)
    case "start":
        # As a supervisor would: the server outlives who asked for it.
        done = subprocess.Popen(["docker-registry", "serve", {str(server.config)!r}], start_new_session=True,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid.write_text(str(done.pid))
        while not up():
            time.sleep(0.02)
    case "check":
        sys.exit(1 if up() else 0)
""")
    given = {word: (sys.executable, str(program), word) for word in ("stop", "start", "check")}
    return Commands(**{**given, "seconds": 20, **changed})


@pytest.fixture
def operated(served, tmp_path):
    """The same registry with the commands of its operator; whatever they started is ended."""
    commands = own_commands(served, tmp_path)
    yield served, commands
    pid = int((tmp_path / "pid").read_text())
    if pid != served.process.pid:
        os.kill(pid, signal.SIGTERM)


@pytest.mark.real
def test_commands_stop_it_for_the_moves_and_start_it_again(operated, tmp_path, capsys):
    server, commands = operated
    _, plan = plan_for(f"storage:{server.root}", "team/app:2.0", "lonely")
    file, words = tmp_path / "plan.json", tmp_path / "commands.yml"
    file.write_bytes(plan.to_json())
    words.write_text(json.dumps({name: getattr(commands, name) for name in ("stop", "start", "check", "seconds")}))
    code = main(["apply", plan.source, str(file), "--yes", "--json", "--control", f"command:{words}"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said["state"]) == (0, "done")
    assert said["control"].keys() == {"kind", "seconds", "came_back"}
    assert (said["control"]["kind"], said["control"]["came_back"]) == ("command", True)
    assert said["control"]["seconds"] > 0
    assert server.pull_all() == {("team/app", "1.0"): server.before["team/app", "1.0"]}
    server.process.wait(10)


@pytest.mark.real
def test_a_command_that_fails_leaves_everything_as_it_is(served, tmp_path):
    source, plan = plan_for(f"storage:{served.root}", "team/app:2.0")
    for changed, why in (
        ({"stop": ("/bin/false",)}, "stop command failed"),
        ({"stop": ("/nowhere/stop",)}, "No such file"),
        ({"stop": ("/bin/sleep", "60"), "seconds": 1}, "took longer than 1 s"),
        ({"stop": ("/bin/true",), "seconds": 1}, "does not find it so"),
    ):
        with pytest.raises(Uncontrolled, match=why):
            apply(source, plan, control=Command(own_commands(served, tmp_path, start=("/bin/true",), **changed), "c"))
        assert not (served.root / HELD).exists()
    assert served.pull_all() == served.before


def test_a_start_command_that_fails_is_loud_and_stays_noted(tmp_path):
    control = Command(Commands(stop=("/bin/true",), start=("/bin/false",)), "commands.yml")
    noted = []
    former = control.take(noted.append)
    assert noted == [former]
    with pytest.raises(DidNotComeBack, match="start the registry by hand"):
        control.give_back(former)


def test_commands_see_no_secret_of_ours_and_no_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNE_PASSWORD", "secret")
    monkeypatch.setenv("REGISTRYUI_SECRET_KEY", "secret")
    out = tmp_path / "seen"
    code = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + repr(sorted(os.environ)))"
    argv = (sys.executable, "-c", code, str(out), "$HOME; `id`")
    Command(Commands(stop=argv, start=("/bin/true",)), "x").take(lambda former: None)
    seen = out.read_text()
    assert seen.startswith("$HOME; `id`[")
    assert "PRUNE_" not in seen
    assert "REGISTRYUI_" not in seen


def test_a_check_that_turns_stops_the_run(tmp_path):
    flag = tmp_path / "stopped"
    check = (sys.executable, "-c", f"import os, sys; sys.exit(not os.path.exists({str(flag)!r}))")
    control = Command(Commands(stop=("touch", str(flag)), start=("rm", str(flag)), check=check), "x")
    former = control.take(lambda former: None)
    control.check(former)
    flag.unlink()
    with pytest.raises(ControlLost, match="no longer"):
        control.check(former)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "stop: systemctl stop registry\nstart: [x]",
        "stop: [x]",
        "stop: []\nstart: [x]",
        "stop: ['']\nstart: [x]",
        "stop: [x]\nstart: [x]\nshell: true",
        "stop: [x]\nstart: [x]\nseconds: 0",
        "stop: [x]\nstart: [1]",
        "stop: [x]\nstart: [x]\n  - :",
        "!!python/object/apply:os.system ['id']",
        "\x00",
        b"\xff\xfe\x00",
    ],
)
def test_bad_command_files_are_refused_in_one_sentence(tmp_path, text):
    file = tmp_path / "commands.yml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match="must hold the lists stop and start"):
        read_commands(str(file))
    file.write_bytes(b"#" * 70_000)
    with pytest.raises(UsageError, match="larger than"):
        read_commands(str(file))
    with pytest.raises(UsageError, match="Cannot read"):
        read_commands(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "text",
    ["", "docker", "docker:", "probe:", "command:", "shell:rm", "docker:x,mode=fast", "docker:x,mode", "docker:x,a=b",
     "docker:x,mode=stop,mode=stop", "docker:x,engine=ftp://host", "docker:x,url=nonsense", "probe:storage:/x"],
)  # fmt: skip
def test_bad_controls_are_wrong_use(text):
    with pytest.raises(UsageError):
        parse_control(text)


@pytest.mark.real
def test_a_registry_that_is_read_only_is_seen_to_be(served, tmp_path):
    source, plan = plan_for(f"storage:{served.root}", "team/app:2.0", "lonely")
    probe = Probe(f"http://{served.host}")
    before = sorted(str(path) for path in served.root.rglob("*"))
    with pytest.raises(Uncontrolled, match="takes pushes"):
        apply(source, plan, control=probe)
    assert sorted(str(path) for path in served.root.rglob("*") if ".registryui" not in path.parts) == before
    served.stop()
    with pytest.raises(Refused, match="cannot be seen"):
        apply(source, plan, control=probe)
    served.config.write_text(served.config.read_text().replace("  delete:", f"{READ_ONLY}\n  delete:"))
    served.start()
    outcome = apply(source, plan, control=probe)
    assert (outcome.state, outcome.control, outcome.held_seconds) == ("done", "probe", None)
    assert held_now(source.store) is None
    served.stop()
    served.start()
    assert served.pull_all() == {("team/app", "1.0"): served.before["team/app", "1.0"]}


@pytest.mark.real
def test_a_registry_that_takes_pushes_again_stops_the_run(served, monkeypatch):
    from prune.reclaim.run import Run

    source, plan = plan_for(f"storage:{served.root}", "team/app:2.0")
    plain = served.config.read_text()
    served.stop()
    served.config.write_text(plain.replace("  delete:", f"{READ_ONLY}\n  delete:"))
    served.start()
    move = Run._move_all

    def moving(self, steps, held):
        served.stop()
        served.config.write_text(plain)
        served.start()
        time.sleep(0.01)
        return move(self, steps, held)

    monkeypatch.setattr(Run, "_move_all", moving)
    monkeypatch.setattr("prune.reclaim.control.hold.LOOK_EVERY", 0)
    outcome = apply(source, plan, control=Probe(f"http://{served.host}"))
    assert outcome.state == "failed"
    assert "takes pushes again" in outcome.message
    assert served.pull_all() == served.before
