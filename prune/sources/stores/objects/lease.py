"""A lock in a bucket: an object that its holder keeps renewing, and that nobody else may overwrite before its time.

Creating and renewing are conditional puts, so that of two who try at once one is refused by the service itself. A
service that ignores conditions still shows, on reading back, who came last.
"""

import contextlib
import errno
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import msgspec

from prune.model.errors import Refused
from prune.sources.stores.objects.bucket import NOTHING, Bucket, Stamp

#: Seconds for which a lock holds without being renewed, and between renewals.
HOLDS = 120
RENEWED = 20
#: Seconds before looking who came last, where conditions are not obeyed.
SETTLES = 1.0
#: Seconds to wait where the holder was killed a moment ago: a deletion that it had asked for may still be under way,
#: and must not come after a look at what it has left.
AFTERMATH = 10.0

_LIMIT = 10_000
#: Locks that this process holds no longer, though their objects may still be there.
_LET_GO: set[str] = set()


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock: a process, so that on the same machine its end can be seen at once."""

    id: str
    host: str
    boot: str
    process: int
    born: str

    def has_ended(self, here: "Holder") -> bool:
        """Tell whether this is a process of this machine that is no more, or let go of the lock in vain."""
        return self.id in _LET_GO or (
            (self.host, self.boot) == (here.host, here.boot) and _born(self.process) != self.born
        )


class Lease:
    """Held while the context lasts. ``check`` raises ``OSError`` when it was lost."""

    def __init__(self, bucket: Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self._me = Holder(uuid.uuid4().hex, socket.gethostname(), _boot(), os.getpid(), _born(os.getpid()))
        self._body = msgspec.json.encode(self._me)
        self._stamp = NOTHING
        self._renewed = 0.0
        self._taken = False
        self._waited_for = ""
        self._conditional = False
        self._end = threading.Event()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock. Raises ``Refused`` when another has it."""
        try:
            self._acquire()
        except OSError:
            self._release()  # perhaps it was written, and only the answer was lost
            raise
        keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            self._end.set()
            keeper.join()
            self._release()

    def check(self) -> None:
        """Raise ``OSError`` unless the lock is surely still held: nothing more may be written then."""
        if self._taken or _elapsed() - self._renewed > HOLDS - RENEWED:
            raise OSError(errno.ENOLCK, "the lock on this store was lost to another cleanup or could not be renewed")

    def _acquire(self) -> None:
        # Looked at first: a service that ignores conditions would let us overwrite the lock of another.
        moment = _elapsed()
        self._stamp = self._take_over()
        self._renewed = moment

    def _take_over(self) -> Stamp:
        """Take the lock where there is none, or that of one who is gone, and return what it is known by."""
        try:
            body, meta = self._bucket.get(self._path, _LIMIT)
        except FileNotFoundError:
            return self._put(NOTHING)
        try:
            holder = msgspec.json.decode(body or b"", type=Holder)
        except (msgspec.DecodeError, UnicodeDecodeError):
            holder = None
        ended = holder is not None and holder.has_ended(self._me)
        if not ended:
            left = meta.time + HOLDS - self._now()
            if left > 0:
                where = f" on {holder.host}" if holder else ""
                raise Refused(
                    f"Another cleanup of this store is running{where}; wait until it is done. If it was killed, "
                    f"this is possible in {left} seconds."
                )
        if holder is not None and ended and holder.id not in (*_LET_GO, self._waited_for):
            self._waited_for = holder.id
            time.sleep(AFTERMATH)
            return self._take_over()  # it may even have been about to let go
        return self._put(meta.stamp)

    def _put(self, only: Stamp) -> Stamp:
        """Write the lock under a condition, and see that it is ours; return what it is known by."""
        with contextlib.suppress(FileExistsError):  # another was faster; or we were, and only the answer was lost
            self._bucket.put(self._path, self._body, only=only)
        self._conditional = self._obeys_conditions()
        if not self._conditional:
            time.sleep(SETTLES)
        body, meta = self._bucket.get(self._path, _LIMIT)
        if body != self._body:
            raise Refused("Another cleanup of this store has just begun; wait until it is done.")
        return meta.stamp

    def _obeys_conditions(self) -> bool:
        """Tell whether the service refuses to make what is there already."""
        try:
            self._bucket.put(f"{self._path}-test", b"", only=NOTHING)
            self._bucket.put(f"{self._path}-test", b"", only=NOTHING)
        except FileExistsError:
            return True
        except OSError:
            return False
        return False

    def _now(self) -> int:
        """Return the time by the clock of the service, which also dates the lock."""
        path = f"{self._path}-clock"
        self._bucket.put(path, b"")
        return self._bucket.head(path).time

    def _keep(self) -> None:
        while not self._end.wait(RENEWED):
            moment = _elapsed()
            try:
                if not self._conditional and self._bucket.get(self._path, _LIMIT)[0] != self._body:
                    # Nothing would refuse to overwrite the lock of who came when we could not renew it.
                    self._taken = True
                    return
                self._stamp = self._bucket.put(self._path, self._body, only=self._stamp)
                self._renewed = moment
            except FileExistsError:
                self._look_again()
            except OSError:
                continue  # `check` counts the time

    def _look_again(self) -> None:
        """Find out whether a renewal was refused because an earlier one, whose answer was lost, had succeeded."""
        with contextlib.suppress(OSError):
            body, meta = self._bucket.get(self._path, _LIMIT)
            if body == self._body:
                self._stamp = meta.stamp
                return
        self._taken = True

    def _release(self) -> None:
        _LET_GO.add(self._me.id)
        with contextlib.suppress(OSError):
            if self._bucket.get(self._path, _LIMIT)[0] == self._body:
                self._bucket.delete([self._path])


def _elapsed() -> float:
    """Return seconds by a clock that goes on while the machine sleeps: the lock runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _boot() -> str:
    """Return what this start of the machine is called, empty where that cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _born(process: int) -> str:
    """Return when a process of this machine began, in the system's own count; empty when there is none."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name of the program, in brackets, may hold anything; the 22nd field is the start.
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""
