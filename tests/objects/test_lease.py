"""Only one cleanup at a time, also where conditions are not known, and none that has lost its lock writes on."""

import contextlib
import threading
import time

import msgspec
import pytest
from obstore.store import MemoryStore

from prune.model.errors import Refused
from prune.sources.stores.objects import ObjectStore, lease
from prune.sources.stores.objects.bucket import Bucket
from prune.sources.stores.objects.lease import Holder, Lease

PATH = ".registryui/lock"


@pytest.fixture
def memory(monkeypatch):
    monkeypatch.setattr(lease, "AFTERMATH", 0)
    return MemoryStore()


def store(memory, kind=Bucket) -> ObjectStore:
    return ObjectStore(kind(memory, memory, sorts=True), "s3://memory")


def test_it_is_held_and_let_go(memory):
    with store(memory).lock(PATH), pytest.raises(Refused, match="Another cleanup of this store is running"):
        store(memory).lock(PATH).__enter__()
    with store(memory).lock(PATH):
        pass
    assert store(memory).kind(PATH) is None


def left_by(memory, **more) -> None:
    me = Lease(store(memory).bucket, PATH)._me
    other = msgspec.structs.replace(me, id="other", **more)
    store(memory).write(PATH, msgspec.json.encode(other))


def test_one_whose_process_is_gone_is_taken_over_at_once(memory):
    left_by(memory, process=2**22 + 5, born="1")
    with store(memory).lock(PATH):
        pass
    left_by(memory, born="another process of the same number")
    with store(memory).lock(PATH):
        pass


@pytest.mark.parametrize("more", [{"host": "elsewhere"}, {"boot": "another start"}, {}])
def test_one_of_another_machine_only_when_it_was_not_renewed(memory, monkeypatch, more):
    left_by(memory, **more)
    with pytest.raises(Refused, match=r"possible in 1\d+ seconds"):
        store(memory).lock(PATH).__enter__()
    monkeypatch.setattr(lease, "HOLDS", 30)
    monkeypatch.setattr(Lease, "_now", lambda self: int(time.time()) + 31)
    with store(memory).lock(PATH):
        pass


def test_garbage_in_its_place_holds_until_it_is_old(memory, monkeypatch):
    store(memory).write(PATH, b"{")
    with pytest.raises(Refused):
        store(memory).lock(PATH).__enter__()
    monkeypatch.setattr(Lease, "_now", lambda self: int(time.time()) + 1000)
    with store(memory).lock(PATH):
        pass


def test_it_is_renewed_and_who_loses_it_writes_nothing_more(memory, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    mine = store(memory)
    with mine.lock(PATH):
        first = mine.bucket.head(PATH).tag
        deadline = time.monotonic() + 20
        while mine.bucket.head(PATH).tag == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        mine.write("x", b"1")
        left_by(memory)
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                mine.write("x", b"2")
                time.sleep(0.01)
        for write in (
            lambda: mine.write("x", b"3"),
            lambda: mine.append("y", b"3"),
            lambda: mine.remove("x"),
            lambda: mine.move("x", "z"),
        ):
            with pytest.raises(OSError, match="lock on this store was lost"):
                write()
    assert mine.read("x", 10)[0] in (b"1", b"2")
    assert mine.kind(PATH) == "file"  # it is another's


def test_who_loses_it_while_copying_deletes_nothing(memory, monkeypatch):
    mine = store(memory)
    mine.write("x/a", b"1")
    copy = mine.bucket.copy

    def slow(source, target, size):
        copy(source, target, size)
        monkeypatch.setattr(lease, "HOLDS", lease.RENEWED)  # as if that had taken minutes

    monkeypatch.setattr(mine.bucket, "copy", slow)
    with mine.lock(PATH), pytest.raises(OSError, match="could not be renewed"):
        mine.move("x/a", "y/a")
    assert mine.read("x/a", 10)[0] == b"1"


def test_who_cannot_renew_stops_before_another_may_come(memory, monkeypatch):
    mine = store(memory)
    with mine.lock(PATH):
        monkeypatch.setattr(lease, "HOLDS", lease.RENEWED)
        with pytest.raises(OSError, match="could not be renewed"):
            mine.write("x", b"1")


def test_who_slept_longer_than_a_lock_holds_writes_nothing_more(memory, monkeypatch):
    """A machine that was suspended: other clocks stand still meanwhile, and another may have the lock."""
    mine = store(memory)
    with mine.lock(PATH):
        elapsed = time.clock_gettime
        monkeypatch.setattr(lease.time, "clock_gettime", lambda clock: elapsed(clock) + 3600)
        with pytest.raises(OSError, match="could not be renewed"):
            mine.write("x", b"1")


class RefusingConditions(Bucket):
    """A service that does not know conditions, and says so."""

    def put_under(self, path, body, mode):
        if mode != "overwrite":
            raise NotImplementedError
        return super().put_under(path, body, mode)


class IgnoringConditions(Bucket):
    """A service that has never heard of conditions."""

    def put(self, path, body, *, only=None):
        return super().put(path, body)


@pytest.mark.parametrize("kind", [RefusingConditions, IgnoringConditions])
def test_where_conditions_are_not_known_who_came_last_has_it(memory, monkeypatch, kind):
    monkeypatch.setattr(lease, "SETTLES", 0)
    with store(memory, kind).lock(PATH):
        assert isinstance(msgspec.json.decode(store(memory).read(PATH, 10_000)[0], type=Holder), Holder)
        with pytest.raises(Refused):
            store(memory, kind).lock(PATH).__enter__()
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: left_by(memory))
    with pytest.raises(Refused, match="has just begun"):
        store(memory, kind).lock(PATH).__enter__()


@pytest.mark.parametrize("kind", [RefusingConditions, IgnoringConditions])
def test_where_conditions_are_not_known_nobody_renews_over_another(memory, monkeypatch, kind):
    monkeypatch.setattr(lease, "SETTLES", 0)
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    mine = store(memory, kind)
    with mine.lock(PATH):
        mine._lease._end.set()  # as if the process stood still for a while
        time.sleep(0.1)
        left_by(memory)
        body = mine.read(PATH, 10_000)[0]
        mine._lease._end.clear()
        end = threading.Timer(0.5, mine._lease._end.set)
        end.start()
        mine._lease._keep()
        end.join()
        with pytest.raises(OSError, match="lock on this store was lost"):
            mine.write("x", b"1")
        assert mine.read(PATH, 10_000)[0] == body


def test_two_who_write_one_journal_are_not_both_told_that_they_do(memory):
    one, other = store(memory), store(memory)
    one.append("journal", b"1")
    other.append("journal", b"2")
    with pytest.raises(OSError, match="another cleanup has written"):
        one.append("journal", b"3")
    assert one.appended("journal", 100) == b"12"
