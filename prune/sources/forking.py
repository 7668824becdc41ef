"""Work that is shared out among processes, for where Python would take turns."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

import msgspec

_PR_SET_PDEATHSIG = 1


def may_fork() -> bool:
    """Tell whether forking is safe: the system has it, and no other thread could hold a lock."""
    threading = sys.modules.get("threading")
    return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def _end_with(parent: int) -> None:
    """Let this process end whenever its parent does, also when that is killed: whoever comes next must not find the
    lock of the store in the hands of an orphan."""
    import ctypes  # takes its time, and only the child needs it

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def forked[Result](work: Callable[[], Result], kind: type[Result]) -> Callable[[], Result | None]:
    """Begin ``work`` in a child process; return how to wait for its result, ``None`` when the child failed, or when
    the system lets nobody have one more."""
    parent = os.getpid()
    try:
        reading, writing = os.pipe()
    except OSError:
        return lambda: None
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return lambda: None
    if child == 0:
        code = 1
        try:
            _end_with(parent)
            os.close(reading)
            body = memoryview(msgspec.msgpack.encode(work()))
            while body:
                body = body[os.write(writing, body) :]
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's may be flushed or closed here
    os.close(writing)

    def join() -> Result | None:
        with open(reading, "rb") as pipe:
            body = pipe.read()
        _, status = os.waitpid(child, 0)
        return msgspec.msgpack.decode(body, type=kind) if status == 0 else None

    return join
