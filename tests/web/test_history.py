"""Who deleted it, when, on whose approval, and can it come back? What did the tag point at before?"""

import csv
import io
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from registryui.models import Run
from registryui.services import proposals, runs
from tests.web.conftest import scan
from tests.web.test_proposals import propose, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def cleaned(seed, people):
    """One cleanup that was carried out, one that was undone, and a proposal that was not."""
    for ref in ("library/seed-2:version1", "library/seed-1:version1"):
        proposal = propose(people["proposer"], seed, ref)
        proposals.approve(people["approver"], proposal, proposal.plan.digest)
        work()
    runs.restore(people["approver"], proposal.runs.get(kind="apply"))
    work()
    propose(people["proposer"], seed, "library/seed-2:version2")
    return seed


def exported(client, address: str) -> list[dict]:
    joiner = "&" if "?" in address else "?"
    return json.loads(b"".join(client.get(f"{address}{joiner}format=json")))


def test_it_works(cleaned, client_of):
    client = client_of("viewer")
    rows = exported(client, "/history/deletions/")
    assert [(row["item"], row["outcome"]) for row in rows] == [
        ("library/seed-1:version1", "undone"),
        ("library/seed-2:version1", "deleted"),
        ("c2" * 32, "deleted"),
    ]
    answer = rows[1]
    assert (answer["proposed_by"], answer["approved_by"], answer["reason"]) == ("proposer", "approver", "why not")
    assert answer["trash"] == "held"
    assert answer["undo_until"]
    page = client.get("/history/deletions/?q=library/seed-2:version1").content.decode()
    assert "can be undone" in page
    assert "1 item<" in page


def test_a_deletion_is_found_by_tag_digest_person_registry_and_day(cleaned, shop, client_of):
    client = client_of("viewer")

    def found(query: str) -> list[str]:
        return [row["item"] for row in exported(client, f"/history/deletions/?{query}")]

    assert found("q=library/seed-2:version1") == ["library/seed-2:version1"]
    assert found(f"q={'c2' * 32}") == ["library/seed-2:version1", "c2" * 32]
    assert found("q=seed-1") == ["library/seed-1:version1"]
    assert found("q=library/seed-2:version2") == []  # proposed, never carried out
    for person, number in (("proposer", 3), ("approver", 3), ("viewer", 0)):
        assert len(found(f"person={person}")) == number
    assert len(found("registry=seed")) == 3
    assert found("registry=shop") == []
    first = Run.objects.filter(kind="apply").earliest("pk")
    Run.objects.filter(pk=first.pk).update(finished_at=timezone.now() - timedelta(days=10))
    week_ago = (timezone.now() - timedelta(days=7)).date()
    assert found(f"from={week_ago}") == ["library/seed-1:version1"]
    assert found(f"to={week_ago}") == ["library/seed-2:version1", "c2" * 32]
    assert len(found("from=nonsense&to=9999-12-31")) == 3


def test_it_goes_into_a_spreadsheet(cleaned, client_of):
    body = b"".join(client_of("viewer").get("/history/deletions/?format=csv")).decode()
    rows = list(csv.DictReader(io.StringIO(body)))
    assert [row["outcome"] for row in rows] == ["undone", "deleted", "deleted"]


def test_what_a_run_skipped_was_not_deleted(cleaned, client_of):
    run = Run.objects.filter(kind="apply").earliest("pk")
    run.skipped = [{"item": "library/seed-2:version1", "reason": "it moved"}]
    run.save()
    rows = exported(client_of("viewer"), "/history/deletions/?q=library/seed-2:version1")
    assert [row["outcome"] for row in rows] == ["skipped"]


def test_the_plan_and_its_graphs_are_there_as_they_were(cleaned, client_of):
    client = client_of("viewer")
    run, other = Run.objects.filter(kind="apply").order_by("pk")
    page = client.get(f"/proposals/{run.proposal_id}/plans/{run.plan_id}/").content.decode()
    assert page.count("<svg") >= 2
    assert "c2c2c2c2c2c2" in page
    assert "approver" in page
    assert client.get(f"/proposals/{other.proposal_id}/plans/{run.plan_id}/").status_code == 404
    assert client.get(f"/proposals/{run.proposal_id}/plans/99999/").status_code == 404


def test_what_tags_did(shop, client_of):
    root = Path(shop.source.removeprefix("storage:"))
    base = root / "docker/registry/v2/repositories/shop/web/_manifests/tags"
    old, new = ((base / f"1.{minor}/current/link").read_text() for minor in (0, 1))
    (base / "1.0/current/link").write_text(new)
    shutil.rmtree(base / "1.2")
    scan(shop)
    client = client_of("viewer")
    rows = exported(client, "/history/tags/?q=shop/web:1.0")
    assert [(row["from"], row["to"], bool(row["until"])) for row in rows] == [(old, new, False), ("", old, True)]
    (gone,) = exported(client, "/history/tags/?q=shop/web:1.2")
    assert gone["until"]
    assert len(exported(client, f"/history/tags/?q={new}")) == 2
    assert exported(client, "/history/tags/?registry=none") == []
    page = client.get("/history/tags/").content.decode()
    assert "moved from" in page
    tomorrow = (timezone.now() + timedelta(days=1)).date()
    assert exported(client, f"/history/tags/?from={tomorrow}") == []
    repository = client.get("/r/shop/repositories/shop/web/?tab=history&q=1.0").content.decode()
    assert "moved from" in repository


def test_the_record_is_filtered_by_day_and_person(cleaned, client_of):
    client = client_of("viewer")
    tomorrow = (timezone.now() + timedelta(days=1)).date()
    assert exported(client, f"/history/?from={tomorrow}") == []
    assert {row["actor_name"] for row in exported(client, "/history/?actor_name=approver")} == {"approver"}
    assert 'href="?actor_name=approver"' in client.get("/history/").content.decode()


def test_before_anything_was_deleted_it_says_where_deletions_come_from(seed, client_of):
    page = client_of("viewer").get("/history/deletions/").content.decode()
    assert "Nothing was deleted yet" in page
