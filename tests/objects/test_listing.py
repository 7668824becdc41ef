"""However it is listed, nothing is missed; and it takes few requests."""

import random

import obstore
import pytest
from obstore.store import MemoryStore

from prune.sources.stores.objects import listing
from prune.sources.stores.objects.bucket import Bucket, Meta
from prune.sources.stores.objects.listing import list_folder, list_folders


class Paged(Bucket):
    """Answers from a list of names, a few to a page; counts the pages. ``shuffled``: in no order."""

    def __init__(self, names, *, shuffled: bool = False, sorts: bool = True) -> None:
        super().__init__(MemoryStore(), MemoryStore(), sorts=sorts)
        self.all = sorted(names)
        if shuffled:
            random.Random(1).shuffle(self.all)
        self.pages_read = 0

    def pages(self, folder, after=""):
        names = [name for name in self.all if name.startswith(f"{folder}/" if folder else "") and name > after]
        for start in range(0, max(1, len(names)), listing.PAGE):
            self.pages_read += 1
            yield [(name, Meta(1, 1, "")) for name in names[start : start + listing.PAGE]]

    def names(self, folder):
        self.pages_read += 1
        rest = {name.removeprefix(f"{folder}/") for name in self.all if name.startswith(f"{folder}/")}
        return sorted({f"{folder}/{name.partition('/')[0]}" for name in rest if "/" in name}), []


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 10)


@pytest.fixture(params=range(6))
def names(request):
    """Names as registries have them, and tags that sort around the slash."""
    rng = random.Random(request.param)
    found = [
        f"b/blobs/sha256/{n:02x}/{n:02x}{rng.random()}/data"
        for n in range(0, 256, 3)
        for _ in range(rng.randint(0, 3))
    ]
    for repo in range(rng.randint(1, 30)):
        for tag in ("1", "1.0", "1.0-a", "1-b", "1_c", "1~", "10", "latest"):
            if rng.random() < 0.8:
                found.append(f"b/repositories/r{repo}/_manifests/tags/{tag}/current/link")
                found += [
                    f"b/repositories/r{repo}/_manifests/tags/{tag}/index/{n}/link" for n in range(rng.randint(0, 15))
                ]
    return found


@pytest.mark.parametrize(("shuffled", "sorts"), [(False, True), (True, True), (False, False)])
def test_a_folder_is_listed_whole(small_pages, names, shuffled, sorts):
    for folder in ("b", "b/blobs", "b/repositories", "b/repositories/r0", "nothing"):
        bucket = Paged(names, shuffled=shuffled, sorts=sorts)
        assert set(list_folder(bucket, folder)) == {name for name in names if name.startswith(f"{folder}/")}


@pytest.mark.parametrize(("shuffled", "sorts"), [(False, True), (True, True), (False, False)])
def test_many_folders_are_listed_whole(small_pages, names, shuffled, sorts):
    rng = random.Random(len(names))
    possible = sorted({name.rpartition("/")[0] for name in names} | {name.partition("/current")[0] for name in names})
    for size in (1, 3, 5, 40, 200):
        folders = [*rng.sample(possible, min(size, len(possible))), "b/repositories/none", "b/blobs/sha256/zz/zz"]
        bucket = Paged(names, shuffled=shuffled, sorts=sorts)
        expected = {name for name in names if any(name.startswith(f"{folder}/") for folder in folders)}
        assert set(list_folders(bucket, folders)) == expected


def test_a_large_folder_costs_hardly_more_requests_than_it_has_pages(small_pages):
    names = [f"b/blobs/sha256/{n % 256:02x}/{n:05d}/data" for n in range(5000)]
    bucket = Paged(names)
    assert len(list_folder(bucket, "b/blobs")) == 5000
    assert bucket.pages_read < 500 * 1.1


def test_an_order_that_breaks_late_is_noticed(small_pages):
    names = [f"b/{n % 100:02}/{n:05d}/data" for n in range(2000)]
    bucket = Paged(names)
    rest = bucket.all[100:]
    random.Random(2).shuffle(rest)
    bucket.all[100:] = rest
    assert set(list_folder(bucket, "b")) == set(names)


def test_neighbours_share_a_request_and_the_far_apart_do_not_cost_what_lies_between(small_pages):
    names = [f"b/{n:05d}/data" for n in range(5000)]
    near = Paged(names)
    assert len(list_folders(near, [f"b/{n:05d}" for n in range(1000, 1064)])) == 64
    assert near.pages_read <= 8
    far = Paged(names)
    assert len(list_folders(far, [f"b/{n:05d}" for n in range(0, 5000, 100)])) == 50
    assert far.pages_read <= 55


def test_real_paging(bucket):
    for number in range(2100):
        obstore.put(bucket.store, f"x/{number:04d}/data", b"1")
    from prune.sources.credentials import Access
    from prune.sources.stores.objects.address import parse_address
    from prune.sources.stores.objects.open import bucket_of

    ours = bucket_of(parse_address(bucket.source), 30, Access(), 1)
    bucket.server.counted()
    assert len(list_folder(ours, "x")) == 2100
    assert bucket.server.counted() == {"list": 3}
    found = list_folders(ours, [f"x/{number:04d}" for number in range(500, 620)])
    assert len(found) == 120
    assert bucket.server.counted() == {"list": 1}
