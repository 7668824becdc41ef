"""An operator's own commands for stopping and starting a registry: systemd, compose, a cluster."""

import os
import signal
import subprocess
from typing import Annotated, Self

import msgspec
import yaml

from prune.model.errors import UsageError
from prune.reclaim.control.base import ControlLost, DidNotComeBack, Former, Note, Uncontrolled
from prune.reclaim.control.probe import within

MAX_FILE_BYTES = 64 * 1024
MAX_OUTPUT_BYTES = 64 * 1024

type Argv = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1, max_length=200)
]


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Argument lists, never a shell's line. ``check`` exits with 0 when nobody can push. ``seconds`` is the time that
    each may take, and that the registry has to do what it was told."""

    stop: Argv
    start: Argv
    check: Argv | None = None
    seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> Self:
        """Read commands from YAML or JSON; raise ``UsageError`` with what is wrong in ``where``."""
        try:
            return msgspec.convert(yaml.safe_load(text), cls)
        except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
            said = " ".join(str(error).split())
            raise UsageError(
                f"{where} must hold the lists stop and start, and may hold check and seconds: {said}"
            ) from None


def read_commands(path: str) -> Commands:
    """Return the commands in a file; raise ``UsageError`` when there are none."""
    try:
        with open(path, "rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from None
    if len(body) > MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than {MAX_FILE_BYTES} bytes.")
    return Commands.parse(body, path)


class Command:
    """A registry that its operator's commands stop and start."""

    kind = "command"
    restarts = True
    changes = True

    def __init__(self, commands: Commands, target: str) -> None:
        self.commands = commands
        self.target = target
        self.words = f"the registry is stopped by {commands.stop[0]} and started by {commands.start[0]}"

    def take(self, note: Note) -> Former:
        """See ``Control``. A registry that ``check`` finds under control already is left as it is."""
        if self.commands.check is not None and self._run(self.commands.check)[0] == 0:
            former = {"found": "under control"}
            note(former)
            return former
        former = {"found": "running"}
        note(former)
        code, said = self._run(self.commands.stop)
        if code != 0:
            raise Uncontrolled(f"The stop command failed ({said}); nothing was done.")
        if not self._checked(under_control=True):
            raise Uncontrolled("The stop command did what it should, but the check command does not find it so.")
        return former

    def check(self, former: Former) -> None:
        """See ``Control``."""
        if self.commands.check is not None:
            code, said = self._run(self.commands.check)
            if code != 0:
                raise ControlLost(f"The check command finds the registry under control no longer ({said}).")

    def give_back(self, former: Former) -> None:
        """See ``Control``."""
        if former.get("found") != "running":
            return
        code, said = self._run(self.commands.start)
        if code != 0:
            raise DidNotComeBack(f"The start command failed ({said}); start the registry by hand.")
        if not self._checked(under_control=False):
            raise DidNotComeBack(
                "The start command did what it should, but the check command still finds it stopped."
            )

    def _checked(self, *, under_control: bool) -> bool:
        """Wait until the check finds the registry so; without a check believe it."""
        check = self.commands.check
        return check is None or within(self.commands.seconds, lambda: (self._run(check)[0] == 0) == under_control)

    def _run(self, argv: Argv) -> tuple[int, str]:
        """Run one command; return its exit code and, for people, what it said last."""
        # Secrets of ours are no business of theirs.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PRUNE_", "REGISTRYUI_"))
        }
        try:
            # In a session of its own: whoever interrupts us must not interrupt the way back.
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return 127, f"{argv[0]}: {error.strerror}"
        try:
            output, _ = process.communicate(timeout=self.commands.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return 124, f"{argv[0]} took longer than {self.commands.seconds} s"
        lines = output[-MAX_OUTPUT_BYTES:].decode("utf-8", "replace").strip().splitlines()
        return process.returncode, f"exit code {process.returncode}" + (f": {lines[-1][:200]}" if lines else "")
