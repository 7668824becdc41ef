"""A scrub is asked for on a page, done by the worker, and its result is kept."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registryui.models import AuditEntry, Scrub
from registryui.services import leases, scrubs
from registryui.services.errors import NotNow
from tests.layouts import Layout
from tests.web.conftest import watched
from tests.web.test_proposals import root

pytestmark = pytest.mark.django_db


def ask(client, slug: str = "shop", depth: str = "full"):
    return client.post(f"/r/{slug}/scrub/start/", {"depth": depth}, follow=True)


def work() -> Scrub:
    row = Scrub.objects.get(state="queued")
    scrubs.perform(row.pk)
    row.refresh_from_db()
    return row


def test_a_whole_registry(shop, client_of):
    page = ask(client_of("approver"))
    assert "Waiting for the worker" in page.content.decode()
    row = work()
    assert (row.state, row.verdict, row.faults) == ("done", "good", 0)
    text = client_of("viewer").get("/r/shop/scrub/").content.decode()
    assert "Nothing is damaged" in text
    assert "every blob is what its digest says" in text
    assert "Scrub now" not in text  # a viewer sees, and starts nothing
    scrubbed = AuditEntry.objects.filter(action__startswith="scrub.").order_by("id")
    actions = list(scrubbed.values_list("action", "actor_name"))
    assert actions == [("scrub.requested", "approver"), ("scrub.finished", "registryui")]


def test_what_is_damaged_stands_on_the_page_with_what_it_breaks(shop, client_of):
    victim = max((root(shop) / "docker/registry/v2/blobs").rglob("data"), key=lambda path: path.stat().st_size)
    body = victim.read_bytes()
    victim.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    ask(client_of("admin"))
    row = work()
    assert (row.verdict, row.faults) == ("bad", 1)
    text = client_of("viewer").get("/r/shop/scrub/").content.decode()
    assert victim.parent.name in text
    assert "is not what its digest says" in text
    assert "base/debian:12" in text
    assert AuditEntry.objects.get(action="scrub.finished").data["faults"] == {"wrong-digest": 1}
    # Put right, the next one is good, and the earlier one can still be read.
    victim.write_bytes(body)
    ask(client_of("admin"), depth="sampled")
    work()
    assert "Nothing is damaged" in client_of("viewer").get("/r/shop/scrub/").content.decode()
    assert victim.parent.name in client_of("viewer").get(f"/r/shop/scrub/?scrub={row.pk}").content.decode()


def test_one_at_a_time_and_only_what_makes_sense(shop, people, client_of):
    ask(client_of("admin"))
    assert "being scrubbed already" in ask(client_of("admin")).content.decode()
    with pytest.raises(NotNow, match="how closely"):
        scrubs.request(people["admin"], shop, "deep")
    shop.kind = "docker-engine"
    with pytest.raises(NotNow, match="nothing to scrub"):
        scrubs.request(people["admin"], shop, "full")


def test_one_whose_worker_died_is_done_by_the_next(shop, client_of, django_capture_on_commit_callbacks):
    ask(client_of("admin"))
    Scrub.objects.update(state="running", lease_owner="dead", lease_until="2020-01-01T00:00:00Z")
    assert leases.recover() == 1
    assert work().verdict == "good"


def test_a_registry_that_cannot_be_read_is_said(shop, client_of):
    root(shop).rename(root(shop).with_name("elsewhere"))
    ask(client_of("admin"))
    row = work()
    assert (row.state, row.verdict) == ("failed", "")
    assert "The last scrub failed" in client_of("viewer").get("/r/shop/scrub/").content.decode()


def test_how_far_it_is(shop, client_of):
    ask(client_of("admin"))
    Scrub.objects.update(state="running", what="reading blobs (MB)", done=3, total=9)
    text = client_of("viewer").get("/r/shop/scrub/progress/").content.decode()
    assert "Reading blobs (MB) 3 of 9" in text
    Scrub.objects.update(state="done")
    assert client_of("viewer").get("/r/shop/scrub/progress/")["HX-Refresh"] == "true"


def test_an_oci_layout(db, tmp_path, client_of):
    layout = Layout(tmp_path / "layout")
    layer = layout.layer("base")
    layout.image(layer, tag="1.0")
    watched(layout.source, "layout")
    assert "Scrub now" in client_of("approver").get("/r/layout/scrub/").content.decode()
    layout.path(layer[0]["digest"]).unlink()
    ask(client_of("approver"), "layout")
    assert work().verdict == "bad"
    text = client_of("viewer").get("/r/layout/scrub/").content.decode()
    assert layer[0]["digest"] in text
    assert "layout:1.0" in text


def test_of_earlier_scrubs_only_what_is_listed_is_read(seed, client_of):
    Scrub.objects.bulk_create(
        Scrub(registry=seed, state="done", verdict="good", result={"faults": []}) for _ in range(3)
    )
    with CaptureQueriesContext(connection) as queries:
        assert client_of("viewer").get("/r/seed/scrub/").status_code == 200
    (listed,) = [one["sql"] for one in queries if "LIMIT 20" in one["sql"]]
    assert '"registryui_scrub"."verdict"' in listed
    assert '"result"' not in listed
