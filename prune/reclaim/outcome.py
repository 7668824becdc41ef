"""What came of a run, a restore, or emptying the trash."""

from typing import Literal

import msgspec

from prune.plan.drift import Skipped
from prune.plan.verification import Verified

State = Literal["done", "partial", "failed"]


class Outcome(msgspec.Struct, frozen=True):
    """``done`` counts items of the plan; ``freed_bytes`` what left the registry's folders, in data and layer
    files. ``trash`` is where it lies now, ``None`` when it was given back at once. ``control`` is the kind of control
    that the registry was under, ``held_seconds`` how long nobody could push (``None`` when the registry was not ours
    to hold), ``came_back`` whether it is as it was, ``restarted`` whether its process is a new one, with an
    empty cache. ``verified`` is what a look at everything that stays found afterwards; ``None`` when the run did
    not come so far."""

    run: str
    plan_digest: str
    state: State
    done: int
    skipped: tuple[Skipped, ...]
    freed_bytes: int
    trash: str | None
    message: str = ""
    control: str = ""
    held_seconds: float | None = None
    came_back: bool = True
    restarted: bool = False
    verified: Verified | None = None


class Restored(msgspec.Struct, frozen=True):
    """``done`` counts the items that are back in their place."""

    run: str
    state: State
    done: int
    skipped: tuple[Skipped, ...]
    message: str = ""


class Emptied(msgspec.Struct, frozen=True, omit_defaults=True):
    """The runs whose trash is gone for good, and the bytes of data and layer files given back. ``kept`` are runs
    whose trash stays, because it may be needed: their verification was not good, or not all of it could be put
    back."""

    runs: tuple[str, ...]
    freed_bytes: int
    kept: tuple[str, ...] = ()
    message: str = ""


class TrashRun(msgspec.Struct, frozen=True):
    """A run as the store remembers it. Times are seconds since 1970, UTC. ``touched`` tells whether it took anything,
    or asked a registry or an engine to, as far as anybody knows; ``final`` that the registry's own garbage collection
    removed blobs of it, or was about to: no restore brings them back."""

    run: str
    plan_digest: str
    state: Literal["unfinished", "done", "partial", "restoring", "restored", "emptied"]
    started: int
    finished: int | None
    freed_bytes: int
    reason: str
    touched: bool = True
    final: bool = False
