"""How things are told: short where they are long, and what matters where one looks first."""

import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from registryui.models import PlanItem, Run, Scan
from registryui.services import proposals
from registryui.templatetags.show import ago, brief, size
from tests.web.conftest import scan
from tests.web.test_proposals import propose, root, work

pytestmark = pytest.mark.django_db


def test_digests_in_names_are_cut_and_whole_on_hover():
    digest = "0123456789ab" + "c" * 52
    assert brief("shop/web:1.2") == "shop/web:1.2"
    assert brief(f"shop/web@sha256:{digest}") == (
        f'<span title="shop/web@sha256:{digest}">shop/web@sha256:0123456789ab…</span>'
    )
    assert brief(f"sha256-{digest}.sig").endswith(">sha256-0123456789ab….sig</span>")
    assert brief("x" * 200).endswith(f">{'x' * 139}…</span>")
    assert "<b>" not in brief("<b>" + "x" * 200)


def test_what_is_not_there_is_unknown():
    # A template hands over nothing as an empty text.
    assert [size(""), size(None), ago(""), ago(None)] == ["unknown"] * 4


def test_a_scan_that_failed_stands_on_the_first_page_until_one_succeeds(seed, client_of):
    away = root(seed).with_name("away")
    shutil.move(root(seed), away)
    scan(seed)
    text = client_of("viewer").get("/").content.decode()
    assert "failed:" in text
    assert "does not exist" in text
    assert "Complete" in text
    shutil.move(away, root(seed))
    scan(seed)
    assert "failed:" not in client_of("viewer").get("/").content.decode()


def test_a_run_leads_to_every_item_and_what_became_of_it(seed, people, client_of):
    for number in (1, 2):
        made = propose(people["proposer"], seed, f"library/seed-{number}:version1")
        proposals.approve(people["approver"], made, made.plan.digest)
        work()
    second = Run.objects.latest("pk")
    client = client_of("viewer")
    assert f"/history/deletions/?run={second.pk}" in client.get(f"/runs/{second.pk}/").content.decode()
    told = client.get(f"/history/deletions/?run={second.pk}&format=json")
    items = PlanItem.objects.filter(plan=second.plan).count()
    assert b"".join(told).decode().count(f'"run": {second.pk}') == items > 1
    people_of = client.get(f"/history/deletions/?run={second.pk}").content.decode()
    assert '<a href="?person=proposer">proposer</a>' in people_of
    assert '<a href="?person=approver">approver</a>' in people_of
    assert "Nothing matches" in client.get("/history/deletions/?run=999").content.decode()
    assert client.get("/history/deletions/?run=x").status_code == 200


def test_the_first_page_says_what_comes_free_and_how_a_registry_grew(shop, client_of):
    first = Scan.objects.get()
    Scan.objects.filter(pk=first.pk).update(finished_at=timezone.now() - timedelta(days=31), bytes_total=1000)
    scan(shop)
    shop.refresh_from_db()
    text = client_of("viewer").get("/").content.decode()
    newest = shop.last_scan
    assert f'<data value="{newest.bytes_reclaimable}"' in text
    assert f'<data value="{newest.bytes_total - 1000}"' in text
    assert "can be had back now" in text
    assert "more than 30 days ago" in text
    Scan.objects.filter(pk=first.pk).update(bytes_total=newest.bytes_total + 5)
    assert "less than 30 days ago" in client_of("viewer").get("/").content.decode()
    Scan.objects.filter(pk=first.pk).update(finished_at=timezone.now() - timedelta(days=29))
    assert "30 days ago" not in client_of("viewer").get("/").content.decode()
