"""Work that is shared out among processes, for where Python would take turns."""

import contextlib
import mmap
import os
import signal
import sys
from collections.abc import Callable

import msgspec

_PR_SET_PDEATHSIG = 1
#: What the child says when all of its result is there.
_WHOLE = b"\n"


def may_fork() -> bool:
    """Tell whether forking is safe: the system is Linux, and no other thread could hold a lock."""
    threading = sys.modules.get("threading")
    return hasattr(os, "memfd_create") and (threading is None or threading.active_count() == 1)


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
    opened: list[int] = []
    try:
        result = os.memfd_create("result")  # written at once, and read where it is: a pipe holds a hundredth of it
        opened.append(result)
        reading, writing = os.pipe()
        opened += (reading, writing)
        child = os.fork()
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        return lambda: None
    if child == 0:
        code = 1
        try:
            _end_with(parent)
            os.close(reading)
            body = memoryview(msgspec.msgpack.encode(work()))
            while body:
                body = body[os.write(result, body) :]
            os.write(writing, _WHOLE)
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's may be flushed or closed here
    os.close(writing)

    def join() -> Result | None:
        try:
            whole = os.read(reading, 1) == _WHOLE
            found = _decoded(result, kind) if whole else None
        finally:
            os.close(reading)
            os.close(result)
            _, status = os.waitpid(child, 0)
        return found if status == 0 else None

    return join


def _decoded[Result](result: int, kind: type[Result]) -> Result:
    with mmap.mmap(result, 0, prot=mmap.PROT_READ) as body:
        return msgspec.msgpack.decode(body, type=kind)
