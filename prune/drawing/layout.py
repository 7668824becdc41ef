"""Running `dot`: in a process of its own, with limits on time and memory, and a small cache by content."""

import hashlib
import resource
import subprocess
from collections import OrderedDict
from threading import Lock

from prune.model.errors import PruneError

SECONDS = 10
MEMORY_BYTES = 1 << 30
MAX_OUTPUT_BYTES = 64 << 20
_REMEMBERED = 64

_cache: OrderedDict[str, bytes] = OrderedDict()
_cache_lock = Lock()


class LayoutFailed(PruneError):
    """There is no drawing: too large, too slow, or no `dot`. Whoever asked shows the table instead."""


def forget() -> None:
    """Forget every drawing that this process remembers."""
    with _cache_lock:
        _cache.clear()


def run_dot(dot: str, output: str) -> bytes:
    """Return what ``dot -T<output>`` makes of ``dot``. Raises ``LayoutFailed`` with a sentence."""
    key = hashlib.sha256(f"{output}\0{dot}".encode()).hexdigest()
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    try:
        process = subprocess.Popen(
            ["dot", f"-T{output}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError:
        raise LayoutFailed(
            "Graphviz is not installed, so there is no drawing; install the package graphviz."
        ) from None
    with process:
        try:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            made, errors = process.communicate(dot.encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise LayoutFailed(f"The drawing was given up after {SECONDS} seconds; see the table.") from None
        except ProcessLookupError:
            raise LayoutFailed("Graphviz ended at once; see the table.") from None
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0 or not made:
        said = errors.decode(errors="replace").strip().splitlines()
        raise LayoutFailed(f"Graphviz could not draw this ({said[0][:200] if said else 'no reason given'}).")
    if len(made) > MAX_OUTPUT_BYTES:
        raise LayoutFailed("The drawing is too large to show; see the table.")
    with _cache_lock:
        _cache[key] = made
        while len(_cache) > _REMEMBERED:
            _cache.popitem(last=False)
    return made
