"""In which order things reach the disk, however large the batches: the journal before and after, kind by kind."""

import contextlib
import time
from itertools import pairwise

import msgspec
import pytest

from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim import steps
from prune.reclaim.apply import apply
from prune.reclaim.control.hold import Hold
from prune.reclaim.journal import Line
from prune.reclaim.steps import ORDER, Pace, batches
from prune.sources.open import open_source
from tests.stores import age


class Watched:
    """A store that looks whether every call that writes may come now."""

    def __init__(self, store) -> None:
        self._store = store
        self.intended: dict[str, str] = {}
        self.unsettled: set[str] = set()
        self.moved: list[str] = []
        self.told: set[str] = set()
        self.appends = self.settles = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def together(self, folders):
        return contextlib.nullcontext(self)

    def append(self, path, body):
        self._store.append(path, body)
        self.appends += 1
        for text in filter(None, body.split(b"\n")):
            line = msgspec.json.decode(text, type=Line)
            self.intended |= {step.path: step.kind for step in line.steps}
            if line.event == "moved":
                assert not self.unsettled & set(line.paths), "told before it was durable"
                self.told |= set(line.paths)

    def move(self, source, target, **only):
        kind = self.intended[source]  # an intent that is durable, or this raises
        for path in self.unsettled:
            assert self.intended[path] == kind, f"{self.intended[path]} is not settled when {kind} begins"
        assert not self.moved or ORDER.index(self.intended[self.moved[-1]]) <= ORDER.index(kind)
        self._store.move(source, target, **only)
        self.moved.append(source)
        self.unsettled.add(source)

    def settle(self, arrived, left=()):
        self._store.settle(arrived, left)
        self.settles += 1
        self.unsettled -= {*arrived, *left}


def run(v2, batch, monkeypatch) -> Watched:
    monkeypatch.setattr(steps, "BATCH", batch)
    source = open_source(v2.source)
    refs = ("team/app:2.0", "team/app:1.0", "multi")
    plan = make_plan(source.scan(), Request(refs, sweep=True, grace=3600), now=int(time.time()))
    source.store = watched = Watched(source.store)
    assert apply(source, plan, stopped="test").state == "done"
    assert watched.told == set(watched.moved) != set()
    assert not watched.unsettled
    return watched


@pytest.mark.parametrize("batch", [1, 2, 256])
def test_nothing_moves_before_it_is_intended_and_nothing_is_told_before_it_is_durable(v2, batch, monkeypatch):
    run(v2, batch, monkeypatch)


def test_moves_of_one_kind_are_made_durable_at_once(v2, monkeypatch):
    monkeypatch.setattr(steps, "LATE", 3600)
    watched = run(v2, 1, monkeypatch)
    kinds = {watched.intended[path] for path in watched.moved}
    assert watched.settles == len(kinds) < watched.appends


def test_but_not_later_than_after_a_while(v2, monkeypatch):
    monkeypatch.setattr(steps, "LATE", -1)
    monkeypatch.setattr(steps, "WHILE", -1)  # no batch is ever quick enough to grow
    watched = run(v2, 2, monkeypatch)
    kinds = [watched.intended[path] for path in watched.moved]
    assert watched.settles == sum(-(-kinds.count(kind) // 2) for kind in set(kinds))


def test_a_batch_that_takes_long_is_ended_and_goes_on_after_a_look_at_the_window(v2, monkeypatch):
    for _ in range(200):
        v2.layer(10)
    age(v2.root)
    looks = []
    look = Hold.look
    monkeypatch.setattr(Hold, "look", lambda held: (looks.append(len(watched.moved)), look(held)))
    monkeypatch.setattr("prune.reclaim.run.LATE", -1)
    source = open_source(v2.source)
    plan = make_plan(source.scan(), Request(sweep=True, grace=3600), now=int(time.time()))
    source.store = watched = Watched(source.store)
    outcome = apply(source, plan, stopped="test")
    assert (outcome.state, outcome.verified.state, outcome.freed_bytes) == ("done", "good", plan.freed_bytes)
    assert len(watched.moved) > 200
    assert max(after - before for before, after in pairwise([*looks, len(watched.moved)])) == 64
    assert watched.told == set(watched.moved)


def test_batches_grow_while_moves_are_quick_and_shrink_when_they_are_not():
    pace = Pace()
    links = [steps.Step("layer-link", str(number), f"a/{number}") for number in range(3000)]
    sizes = []
    for batch in batches(links, pace):
        sizes.append(len(batch))
        pace.took(0.001, len(batch))
    assert sizes == [256, 512, 1024, 1208]
    pace.took(10, 1208)
    assert pace.size == 1024
    for _ in range(10):
        pace.took(10, 1)
    assert pace.size == steps.BATCH
    for _ in range(10):
        pace.took(0.001, pace.size)
    assert pace.size == steps.MOST
    pace.took(0.001, 1)  # a small batch says nothing of a large one
    assert pace.size == steps.MOST
