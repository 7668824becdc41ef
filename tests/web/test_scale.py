"""What a large registry costs: as many queries as a small one, few bytes, and a rescan that writes what changed."""

import gzip
import os
import subprocess
import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks import database, pages
from registryui.models import Image, Label, Manifest, Registry, RegistrySnapshot, SharedLayer, TagSighting
from registryui.services import facts
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

pytestmark = pytest.mark.django_db

#: Graphs that read images level by level, each in as many queries.
LEVELS = ("repository, graph with a tag picked", "largest, graph")
#: Bytes that a page may send.
MOST_SENT = 150_000


def test_no_page_asks_more_of_a_larger_registry(people, client_of):
    client = client_of("admin")
    database.fill(database.Size(500, 15, 3000), "small", decided=60, entries=600)
    small = {name: pages.opened(client, address) for name, address in pages.addresses("small").items()}
    database.fill(database.Size(2500, 60, 15_000), "large", decided=300, entries=3000)
    large = {name: pages.opened(client, address) for name, address in pages.addresses("large").items()}
    # How many levels of images are based on each other counts in a proposal, and whether a part was read before.
    levels = [name for name in small if name.startswith("proposing") or name in LEVELS]
    assert {name: queries for name, (queries, _) in large.items() if name not in levels} == {
        name: queries for name, (queries, _) in small.items() if name not in levels
    }
    graphs = [name for name in large if "graph" in name]
    assert max(queries for name, (queries, _) in large.items() if name not in (*levels, *graphs)) <= 21
    assert max(large[name][0] for name in levels) <= 27
    assert max(large[name][0] for name in graphs) <= 32
    assert max(sent for _, sent in large.values()) < MOST_SENT


def test_the_collector_does_not_look_at_what_is_here_to_stay(tmp_path):
    code = "import gc, registryui.wsgi; print(gc.get_freeze_count(), len(gc.get_objects()), gc.isenabled())"
    place = os.environ | {"REGISTRYUI_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=place, capture_output=True, text=True, check=True)
    frozen, left, enabled = done.stdout.split()
    assert int(frozen) > 50 * int(left)
    assert enabled == "True"


def test_answers_are_compressed_for_those_who_can_take_it(shop, client_of):
    client = client_of("viewer")
    plain = client.get("/r/shop/")
    packed = client.get("/r/shop/", headers={"accept-encoding": "gzip"})
    assert b"shop/web" in gzip.decompress(packed.content)
    assert len(packed.content) < len(plain.content) / 2


@pytest.fixture
def store(tmp_path) -> V2Store:
    """Ten images on one base, each with a layer of its own."""
    made = V2Store(tmp_path / "store")
    base = [made.layer(3000), made.layer(2000)]
    made.image("base", "1", layers=base)
    for number in range(10):
        made.image("team/app", f"v{number}", layers=[*base, made.layer(1000 + number)])
    age(tmp_path)
    return made


def rows(registry: Registry) -> dict[str, tuple]:
    images = Image.objects.filter(registry=registry)
    return {image.digest: tuple(getattr(image, name) for name in facts.CHANGING) for image in images}


def test_lists_know_of_each_image_what_the_scan_saw(store):
    registry = watched(store.source, "store")
    base = Image.objects.get(registry=registry, tags__repository__name="base")
    assert (base.dependents, base.base, base.platform) == (10, "", "linux/amd64")
    app = Image.objects.get(registry=registry, tags__tag="v3")
    assert app.base == base.digest
    manifest = Manifest.objects.get(digest=app.digest)
    assert app.size == manifest.size
    assert app.own == app.size - 5000
    shared = SharedLayer.objects.filter(registry=registry)
    assert sorted(shared.values_list("size", "images")) == [(2000, 11), (3000, 11)]
    assert Label.objects.filter(image=app, name="number").count() == 1
    assert registry.repositories.get(name="team/app").namespace == "team"


def test_a_scan_writes_only_what_changed(store):
    registry = watched(store.source, "store")
    before = rows(registry)
    store.image("team/app", "v10", layers=[store.layer(5)])
    with CaptureQueriesContext(connection) as queries:
        scan(registry)
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not any("sharedlayer" in sql for sql in written)
    after = rows(registry)
    assert {digest: after[digest] for digest in before} == before
    assert len(after) == len(before) + 1
    assert not TagSighting.objects.filter(image=None).exists()


def test_what_goes_leaves_its_figures_to_the_history(store):
    registry = watched(store.source, "store")
    gone = Image.objects.get(registry=registry, tags__tag="v9")
    store.tag_path("team/app", "v9").unlink()
    store.tag_path("team/app", "v9").parent.rmdir()
    for path in (store.tag_path("team/app", "v9").parent.parent, store.revision_path("team/app", gone.digest).parent):
        for file in sorted(path.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        path.rmdir()
    store.blob_path(gone.digest).unlink()
    store.blob_path(gone.digest).parent.rmdir()
    scan(registry)
    ended = Image.objects.get(pk=gone.pk)
    assert ended.ended_at is not None
    assert ended.size == gone.size
    assert Image.objects.get(registry=registry, tags__repository__name="base").dependents == 9
    assert set(SharedLayer.objects.filter(registry=registry).values_list("images", flat=True)) == {10}
    assert TagSighting.objects.get(tag="v9").image_id == gone.pk


def test_figures_that_an_older_version_did_not_keep_come_with_the_next_scan(store):
    registry = watched(store.source, "store")
    before = rows(registry)
    # As the migration leaves a database of the version before.
    Image.objects.all().delete()
    SharedLayer.objects.all().delete()
    Manifest.objects.update(content=None)
    RegistrySnapshot.objects.update(digest="")
    scan(registry)
    assert rows(registry) == before
    assert not TagSighting.objects.filter(image=None).exists()
    assert not Manifest.objects.filter(content=None).exists()


def test_a_time_that_cannot_be_is_unknown():
    from django.utils import timezone

    now = timezone.now()
    assert facts.possible("2026-01-01T00:00:00.123456789Z", now).year == 2026
    for text in ("", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2026-13-99T00:00:00Z"):
        assert facts.possible(text, now) is None
