"""A registry in a bucket, from the form to the undo."""

import pytest

from registryui.models import AuditEntry, Registry
from registryui.services import proposals, runs
from tests.buckets import KEY, REGION, SECRET, InBucket
from tests.objects.memory import pulled
from tests.reclaim.conftest import fill
from tests.stores import V2Store
from tests.web.conftest import scan
from tests.web.test_proposals import propose, work

pytestmark = pytest.mark.django_db

FORM = {
    "title": "In a bucket",
    "slug": "bucket",
    "place": "s3",
    "control_statement": "Nobody serves it.",
    "required_approvals": 1,
    "grace_hours": 0,
    "trash_days": 14,
}


@pytest.fixture
def made(bucket, tmp_path, monkeypatch) -> InBucket:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name)
    fill(V2Store(tmp_path / "registry"))
    bucket.fill(tmp_path / "registry")
    return bucket


@pytest.fixture
def form(made):
    keys = {"username": KEY, "new_password": SECRET}
    return {**FORM, "bucket": made.name, "endpoint": made.server.url, "region": REGION, **keys}


def test_it_is_tested_added_and_changed_and_its_secret_never_shown(form, made, people, client_of):
    client = client_of("admin")
    tested = client.post("/r/add/", {**form, "check": "1"}).content.decode()
    assert "can be read: V2 storage" in tested
    assert SECRET not in tested
    assert client.post("/r/add/", form).status_code == 302
    registry = Registry.objects.get()
    assert registry.source == f"s3://{made.name}?endpoint={made.server.url}&region={REGION}"
    assert SECRET not in registry.password
    shown = client.get("/r/bucket/change/").content.decode()
    assert f'value="{made.name}"' in shown
    assert f'value="{made.server.url}"' in shown
    assert SECRET not in shown
    kept = {**form, "title": "Ours", "new_password": ""}
    assert client.post("/r/bucket/change/", kept).status_code == 302
    assert Registry.objects.get().title == "Ours"
    scan(Registry.objects.get())
    assert Registry.objects.get().last_scan.summary["complete"]
    assert SECRET not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "", "new_password": ""}, "Enter credentials for this endpoint"),
        ({"bucket": ""}, "is not the name of a bucket"),
        ({"bucket": "no-such-bucket"}, "there is no such bucket"),
        ({"folder": "some/where"}, "is no registry"),
        ({"folder": "a//b"}, "has an empty segment"),
        ({"endpoint": "ftp://host"}, "The endpoint must be like"),
        ({"region": "a b"}, "is not a region"),
        ({"place": "gs", "endpoint": "", "username": "", "new_password": "no json"}, "is a JSON document"),
        ({"place": "address", "source": ""}, "Say where the registry is"),
    ],
)
def test_what_is_wrong_is_said(form, people, client_of, change, words):
    answer = client_of("admin").post("/r/add/", {**form, **change})
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Registry.objects.exists()


def test_from_a_proposal_to_the_undo(form, made, people, client_of):
    client_of("admin").post("/r/add/", form)
    registry = Registry.objects.get()
    scan(registry)
    registry.refresh_from_db()
    before = made.objects()
    proposal = propose(people["proposer"], registry, "team/app:2.0")
    proposals.approve(people["approver"], proposal, proposal.plan.digest, "fine")
    runs.start(people["admin"], proposal, "")
    work()
    run = proposal.runs.get()
    assert (run.state, run.trash) == ("done", "held"), run.message
    assert pulled(made.objects()).keys() == pulled(before).keys() - {("team/app", "2.0")}
    runs.restore(people["admin"], run)
    work()
    assert made.objects() == before
