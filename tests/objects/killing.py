"""The real command in a process of its own, which its server kills before a certain request."""

import itertools
import multiprocessing
import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from prune.cli import main
from tests.buckets import Call, Server

#: Processes that start with everything loaded: there is one for every request.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["prune.cli", "prune.commands.apply", "prune.commands.restore", __name__])

#: Each process has a name of its own at the server, which never serves it again once it was killed.
USERS = itertools.count(1)


def run(arguments: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    """Run the command; what it says goes to ``said``."""
    os.environ.update(environment)
    with Path(said).open("wb") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.exit(main(arguments))


def killed_before(number: int, server: Server, said: Path, *arguments: str) -> bool:
    """Run the command, and kill it when its n-th request that writes comes in. Tell whether there were so many."""
    writes = itertools.count(1)
    return killed_at(lambda call: call.writes and next(writes) == number, server, said, *arguments)


def killed_at(wanted: Callable[[Call], bool], server: Server, said: Path, *arguments: str) -> bool:
    """Run the command, and kill it when a request is ``wanted``. Neither that nor anything else that is under way
    then is carried out. Tell whether there was such a request."""
    user = f"user-{next(USERS):06}"
    given = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    process = PROCESSES.Process(target=run, args=(arguments, given | {"AWS_ACCESS_KEY_ID": user}, str(said)))
    killed = False

    def deadly(call: Call) -> None:
        nonlocal killed
        if not killed and wanted(call):
            killed = True
            server.dead.add(user)
            kill(process.pid)

    with server.failing(deadly):
        process.start()
        process.join()
    server.settle()
    code = process.exitcode
    process.close()
    assert code == (-signal.SIGKILL if killed else 0), f"ended with {code}: {said.read_text()}"
    return killed


def kill(process: int) -> None:
    """Kill a process and wait until it is gone."""
    descriptor = os.pidfd_open(process)
    try:
        os.kill(process, signal.SIGKILL)
        assert select.select([descriptor], [], [], 60)[0]
    finally:
        os.close(descriptor)
