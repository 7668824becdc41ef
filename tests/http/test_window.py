"""How old a list of tags may be when a manifest is deleted on its word. The clock of the run is the test's own."""

import time

import pytest
from aiohttp import web

from prune.model.digest import digest_of
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.reclaim.apply import apply
from prune.reclaim.registry import repository as repository_module
from prune.sources.open import open_source


class Clock:
    """Goes on when the test says so."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.ahead

    def time(self) -> float:
        return time.time()


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(repository_module, "time", made)
    return made


@pytest.mark.parametrize("listing", [0.1, 3.0, 20.0, 500.0])
def test_a_tag_that_comes_while_others_go_keeps_its_image(small, clock, listing):
    """It is pushed after the list was read; the next manifest goes when that list is no longer good."""
    bodies = [small.image("app", f"v{number}") for number in range(3)]
    repository = small.repositories["app"]
    small.tag_delete = True
    source = open_source(small.url)
    plan = make_plan(source.scan(), Request(("app:v0", "app:v1")), now=int(time.time()))
    clock.ahead = time.monotonic()
    deleted = []

    def hook(request):
        if request.path.endswith("/tags/list"):
            clock.ahead += listing
        if request.method == "DELETE" and "/sha256:" in request.path:
            digest = request.path.rpartition("/")[2]
            deleted.append(digest)
            repository["new"] = next(body for body in bodies[:2] if digest_of(body) != digest)
            # As long as a list that takes so long may be relied on, and a moment more.
            clock.ahead += min(9 * listing, max(5.0, listing), 60.0) + 0.01
        return None

    small.hook = hook
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "partial"
    assert len(deleted) == 1
    assert set(repository) == {"v2", "new"}
    assert digest_of(repository["new"]) not in deleted


def test_what_was_deleted_and_pushed_again_is_not_deleted_again(small):
    """A run that was cut off goes on; in the meantime somebody wanted an image back."""
    body, _ = small.image("app", "v0"), small.image("app", "v1")
    repository = small.repositories["app"]
    source = open_source(small.url)
    plan = make_plan(source.scan(), Request(("app:v0", "app:v1")), now=int(time.time()))
    deleted = []

    def hook(request):
        if request.method == "DELETE":
            deleted.append(request.path)
            return None if len(deleted) == 1 else web.Response(status=403)
        return None

    small.hook = hook
    assert apply(source, plan, stopped=None).state == "failed"
    (gone,) = {"v0", "v1"} - repository.keys()
    repository[gone] = small.image("app", gone) if gone == "v1" else body
    small.hook = None
    assert apply(source, plan, stopped=None).state == "done"
    assert set(repository) == {gone}


def test_a_list_that_takes_long_is_not_asked_for_with_each_manifest(small, clock):
    for number in range(20):
        small.image("app", f"v{number}")
    source = open_source(small.url)
    refs = tuple(f"app:v{number}" for number in range(19))
    plan = make_plan(source.scan(), Request(refs), now=int(time.time()))
    clock.ahead = time.monotonic()
    lists = []

    def hook(request):
        if request.path.endswith("/tags/list"):
            lists.append(request.path)
            clock.ahead += 2.0
        clock.ahead += 0.1 if request.method == "DELETE" else 0.0
        return None

    small.hook = hook
    assert apply(source, plan, stopped=None).state == "done"
    assert set(small.repositories["app"]) == {"v19"}
    assert len(lists) == 2  # the scan's, and one that is good for 19 manifests
