"""Where the bytes are: kept with every scan, drawn and listed, the largest garbage first."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from prune.plan.space import space
from registryui.models import Repository, Scan, SpacePicture
from registryui.services import scans
from registryui.services.space import trend
from registryui.views.space import chart
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched
from tests.web.test_proposals import root

pytestmark = pytest.mark.django_db


def boxes(text: str) -> dict[str, float]:
    """The areas of a treemap, by what they are."""
    found = {}
    for name, width, height in re.findall(
        r"<title>(.*?): [^<]*</title><rect x=\"[\d.]+\" y=\"[\d.]+\" width=\"([\d.]+)\" height=\"([\d.]+)\"", text
    ):
        found[name] = (float(width) + 1.5) * (float(height) + 1.5)
    return found


def test_the_figures_of_a_scan_are_those_of_the_engine(shop):
    picture = SpacePicture.objects.get(registry=shop)
    expected = space(scans.latest_snapshot(shop), now=int(picture.made_at.timestamp()), grace=86400)
    kept = Scan.objects.get(registry=shop)
    assert (kept.bytes_total, kept.bytes_reclaimable) == (expected.total, expected.reclaimable)
    assert (picture.shared, picture.unreferenced) == (expected.shared, expected.unreferenced)
    assert expected.reclaimable > 900_000  # what the demo left over
    rows = {row.name: row.bytes_reclaimable for row in Repository.objects.filter(registry=shop)}
    assert rows == {one.name: one.reclaimable for one in expected.repositories}
    assert rows["shop/web"] > 0


def test_the_page_draws_in_proportion_and_lists_the_same(shop, client_of):
    text = client_of("viewer").get("/r/shop/space/").content.decode()
    picture = SpacePicture.objects.get(registry=shop)
    areas = boxes(text)
    assert set(areas) >= {"shop/web", "shop/api", "shared by several repositories", "needed by nothing"}
    shared, loose = areas["shared by several repositories"], areas["needed by nothing"]
    assert shared / loose == pytest.approx(picture.shared / picture.unreferenced, rel=0.02)
    assert sum(areas.values()) == pytest.approx(900 * 360, rel=0.02)
    largest = picture.garbage[0]
    assert largest["size"] == max(one["size"] for one in picture.garbage)
    assert largest["item"][7:19] in text
    assert "no manifest needs it" in text
    assert "Propose to sweep it" not in text
    assert "Propose to sweep it" in client_of("proposer").get("/r/shop/space/").content.decode()


def test_over_all_registries(shop, seed, client_of):
    text = client_of("viewer").get("/space/").content.decode()
    assert set(boxes(text)) == {"shop", "seed"}
    assert "/r/seed/space/" in text


def test_over_time(shop, client_of):
    assert "Over time" not in client_of("viewer").get("/r/shop/space/").content.decode()
    Scan.objects.update(finished_at=timezone.now() - timedelta(days=7))
    store = V2Store(root(shop))
    store.layer(5_000_000)
    age(store.base / "blobs")
    scan(shop)
    before, after = trend(shop)
    assert after.total - before.total == after.reclaimable - before.reclaimable == 5_000_000
    drawn = chart([before, after])
    assert drawn["total"].startswith("0.0,")
    assert drawn["total"].endswith(" 900.0,10.0")
    text = client_of("viewer").get("/r/shop/space/").content.decode()
    assert "Over time" in text
    assert "The last 2 scans in figures" in text
    assert text.index("needed by nothing") < text.index("5.0 MB")


def test_what_was_fresh_is_garbage_after_its_grace_although_nothing_changed(db, tmp_path):
    store = V2Store(tmp_path / "store")
    store.image("app", "1", layers=[store.layer()])
    age(store.root)
    store.layer(777)
    registry = watched(store.source, "store")
    assert Scan.objects.get(registry=registry).bytes_reclaimable == 0
    scan(registry)
    assert Scan.objects.filter(registry=registry, bytes_reclaimable=0).count() == 2
    registry.grace_hours = 0
    registry.save()
    SpacePicture.objects.update(made_at=timezone.now() - timedelta(hours=2))
    scan(registry)
    assert Scan.objects.filter(registry=registry).first().bytes_reclaimable == 777


def test_before_the_first_scan(shop, client_of):
    SpacePicture.objects.all().delete()
    text = client_of("viewer").get("/r/shop/space/").content.decode()
    assert "Not known yet" in text
    assert client_of("viewer").get("/space/").status_code == 200


def test_a_long_trend_is_thinned_out_and_ends_with_the_newest(shop):
    now = timezone.now()
    Scan.objects.bulk_create(
        Scan(registry=shop, state="complete", finished_at=now - timedelta(hours=n), bytes_total=n)
        for n in range(1, 900)
    )
    points = trend(shop)
    assert len(points) <= 200
    assert (
        points[-1].total
        == Scan.objects.get(finished_at=max(Scan.objects.values_list("finished_at", flat=True))).bytes_total
    )
    assert [point.at for point in points] == sorted(point.at for point in points)
