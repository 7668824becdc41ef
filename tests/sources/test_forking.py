"""Work that other processes share in: all of what they found arrives, or nothing of it counts."""

import errno
import os
import subprocess
import sys

import pytest

from prune.sources.forking import forked
from tests.stores import V2Store

# In a process of its own: beside other threads nothing is forked.
FORKING = """
import os, signal, sys
import prune.sources.forking as forking

asked, write = sys.argv[1], os.write
def watched(descriptor, body):
    if asked == "in pieces":
        return write(descriptor, body[:1 << 20])
    if asked == "killed in between" and len(body) > 1:
        write(descriptor, body[: len(body) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    if asked == "no room" and len(body) > 1:
        raise OSError(28, os.strerror(28))
    return write(descriptor, body)
os.write = watched

def work():
    if asked == "fails":
        raise OSError(5, os.strerror(5))
    if asked == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return ["x" * 1000] * 5000

assert forking.may_fork()
before = len(os.listdir("/proc/self/fd"))
joins = [forking.forked(work, list[str]) for _ in range(3)]
print(*(0 if found is None else sum(map(len, found)) for found in (join() for join in joins)))
assert len(os.listdir("/proc/self/fd")) == before
"""


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("nothing", 5_000_000),
        ("in pieces", 5_000_000),
        ("killed", 0),
        ("killed in between", 0),
        ("fails", 0),
        ("no room", 0),
    ],
)
def test_all_of_a_result_arrives_or_nothing_does(asked, found):
    done = subprocess.run([sys.executable, "-c", FORKING, asked], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(found)] * 3, done.stderr


@pytest.mark.parametrize("call", ["memfd_create", "pipe", "fork"])
def test_where_no_process_may_be_begun_there_is_none_to_wait_for(monkeypatch, call):
    def refused(*arguments):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, call, refused)
    assert forked(lambda: 1, int)() is None
    monkeypatch.undo()
    assert len(os.listdir("/proc/self/fd")) == before


SCANNING = """
import os, signal, sys
import msgspec
from prune.sources.open import open_source

source, asked = sys.argv[1:]
forks, fork = [], os.fork
def counted():
    child = fork()
    if child:
        forks.append(child)
    elif asked == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return child
os.fork = counted

alone = open_source(source).scan()
assert not forks
assert alone.manifests and alone.problems
shared = open_source(source, workers=3)
assert shared.scan() == alone
assert shared.scan(known=alone) == alone
assert shared.scan(known=alone, configs=False).manifests == alone.manifests
# What is known of another store is of no use, and does no harm.
gone = dict.fromkeys(["sha256:" + "0" * 64], next(iter(alone.manifests.values())))
assert shared.scan(known=msgspec.structs.replace(alone, manifests=gone)) == alone
assert len(forks) == 8
"""


@pytest.mark.parametrize("asked", ["nothing", "killed"])
def test_several_processes_see_what_one_sees(tmp_path, asked):
    store = V2Store(tmp_path)
    base = [store.layer() for _ in range(3)]
    for number in range(20):
        name = f"many/r{number}"
        image = store.image(name, "1", layers=[*base, store.layer()])
        store.index(name, "multi", children=[image])
        store.link_layer(name, store.layer())  # no image explains it
    next(store.base.glob("repositories/many/r7/**/current/link")).write_bytes(b"")
    store.image("many/r8", "broken", layers=[lost := store.layer()])
    for digest in (lost, store.image("many/r9", "gone")):
        store.blob_path(digest).unlink()
    done = subprocess.run(
        [sys.executable, "-c", SCANNING, store.source, asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
