"""Killed before every single write, or failing at every single call: nothing is lost, and applying or restoring again
comes to the same end as an undisturbed run."""

import time

import pytest

from prune.model.errors import PruneError
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from tests.buckets import objects
from tests.objects.memory import Breaking, Killed, filled, pulled, unlock, v1, v1_pulled, v2
from tests.reclaim.conftest import fill
from tests.stores import V1Store, V2Store, seed_branch


class Case:
    """A registry, a plan for it, and how it looks before and after."""

    def __init__(self, root, kind: str) -> None:
        self.root = root
        if kind == "v2":
            fill(V2Store(root))
            self.open, self.pulled, refs = v2, pulled, ("team/app:2.0", "team/app:1.0", "multi")
        else:
            store = V1Store(root)
            seed_branch(store)
            store.image("E")
            self.open, self.pulled, refs = v1, v1_pulled, ("library/seed:version1",)
        store = filled(root)
        self.before = objects(store)
        source = self.open(Breaking(store))
        # Objects are as old as the test: the plan is made as if for tomorrow, and sweeps what was there today.
        self.now = int(time.time()) + 2
        self.request = Request(refs, sweep=True, grace=0)
        self.plan = make_plan(source.scan(), self.request, now=self.now)
        self.outcome = apply(source, self.plan, stopped="test")
        assert self.outcome.state == "done"
        self.after = objects(store)
        self.writes = source.store.bucket.writes
        self.calls = source.store.bucket.calls
        gone = {(tag.repository, tag.tag) for tag in self.plan.delete.tags}
        self.kept = {key: what for key, what in self.pulled(self.before).items() if key not in gone}
        assert self.pulled(self.after) == self.kept
        assert len(self.after) < len(self.before)

    def check_kept(self, store) -> None:
        """What has a tag is whole, at any moment, and no kept tag is missing."""
        found = self.pulled(objects(store))
        assert {key: found.get(key) for key in self.kept} == self.kept

    def check_done(self, store, outcome) -> None:
        assert (outcome.state, outcome.done, outcome.freed_bytes) == (
            "done",
            self.outcome.done,
            self.outcome.freed_bytes,
        )
        assert objects(store) == self.after


@pytest.fixture(params=["v2", "v1"])
def case(request, tmp_path, monkeypatch):
    monkeypatch.setattr("prune.sources.stores.objects.bucket.PARALLEL", 1)  # so that the n-th call is always the same
    return Case(tmp_path / "registry", request.param)


def test_killed_before_every_write_of_an_apply(case):
    for number in range(case.writes):
        store = filled(case.root)
        with pytest.raises(Killed):
            apply(case.open(Breaking(store, dead_after=number)), case.plan, stopped="test")
        case.check_kept(store)
        unlock(store)
        resumed = apply(case.open(Breaking(store)), case.plan, stopped="test")
        case.check_done(store, resumed)
        assert restore(case.open(Breaking(store)), resumed.run).state == "done"
        assert objects(store) == case.before


def test_killed_before_every_write_of_a_restore(case):
    number = 0
    while True:
        store = filled(case.root)
        run = apply(case.open(Breaking(store)), case.plan, stopped="test").run
        try:
            restore(case.open(Breaking(store, dead_after=number)), run)
            break
        except Killed:
            case.check_kept(store)
        unlock(store)
        restored = restore(case.open(Breaking(store)), run)
        assert (restored.state, restored.done) == ("done", case.outcome.done), number
        assert objects(store) == case.before
        number += 1
    assert number > 10


def test_every_call_of_an_apply_fails_once(case):
    for number in range(case.calls):
        store = filled(case.root)
        broken = Breaking(store, fails_at=number)
        try:
            state = apply(case.open(broken), case.plan, stopped="test").state
        except (PruneError, OSError) as error:
            state = str(error)
        case.check_kept(store)
        resumed = apply(case.open(Breaking(store)), case.plan, stopped="test")
        if state == "partial":  # what could not be read was kept, and the run came to its end
            assert resumed.state == "partial"
            assert objects(store).keys() >= case.after.keys()
        else:
            assert (resumed.state, resumed.done, resumed.freed_bytes) == (
                "done",
                case.outcome.done,
                case.outcome.freed_bytes,
            )
            # A list of images that could not be read stays as it is.
            assert objects(store).keys() == case.after.keys()
        assert restore(case.open(Breaking(store)), resumed.run).state == "done"
        assert objects(store) == case.before


def test_every_call_of_a_scan_fails_once(case):
    store = filled(case.root)
    number = 0
    while True:
        broken = Breaking(store, fails_at=number)
        source = case.open(broken)
        snapshot = source.scan(configs=False)
        if broken.calls <= number:
            break
        plan = make_plan(snapshot, case.request, now=case.now)
        for field in plan.delete.__struct_fields__:
            more = set(getattr(plan.delete, field)) - set(getattr(case.plan.delete, field))
            # A repository that cannot go with its folder any more gives up its links one by one.
            folders = case.plan.delete.repositories if field == "layer_links" else ()
            assert not [one for one in more if field != "layer_links" or one.repository not in folders], number
        assert snapshot.complete or not (plan.delete.blobs or plan.delete.images)
        number += 1
    assert number > 2
