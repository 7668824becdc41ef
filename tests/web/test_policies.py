"""Policies on the pages: writing, previewing, activating; and what the database itself refuses."""

import re

import pytest
from django.db import IntegrityError, transaction

from prune.policy.faults import PolicyError
from registryui.models import AuditEntry, Policy, PolicyVersion, Proposal, Run
from registryui.services import audit, policies, previews
from registryui.services.errors import NotNow

pytestmark = pytest.mark.django_db

LOOSE = "guards: {min_age: null, min_tags_left: null, max_scan_age: null}\n"
OLD = "delete: [{id: old, tag: 'version.*'}]\n" + LOOSE
LATEST = "keep: [{id: newest, tag: latest}]\n" + OLD


def write(person, text=OLD, registries="seed", title="Old ones") -> PolicyVersion:
    return policies.create(person, title, registries, text)


def previewed(client, text, **data):
    return client.post("/policies/preview/", {"text": text, "on": "seed", **data}).content.decode()


def refs(page: str) -> list[str]:
    return re.findall(r"<li><strong>(\S+?)</strong>", page)


def test_it_works(seed, people, client_of):
    client = client_of("proposer")
    saved = client.post(
        "/policies/add/", {"title": "Old ones", "registries": "seed", "text": OLD, "do": "activate", "note": "first"}
    )
    assert saved["Location"] == "/policies/p/old-ones/"
    policy = Policy.objects.get()
    assert (policy.active.number, policy.activated_by) == (1, people["proposer"])
    page = client_of("viewer").get("/policies/p/old-ones/").content.decode()
    assert "version 1 active" in page
    assert "version.*" in page
    assert [(entry.action, entry.actor_name) for entry in AuditEntry.objects.order_by("id")][-4:-1] == [
        ("user.logged_in", "proposer"),
        ("policy.written", "proposer"),
        ("policy.activated", "proposer"),
    ]
    assert audit.verify().broken_at is None


def test_the_preview_says_what_goes_and_why_and_changes_nothing(seed, people, client_of):
    before = AuditEntry.objects.count()
    page = previewed(client_of("proposer"), OLD)
    assert refs(page) == [f"library/seed-{n}:version{v}" for n in (1, 2) for v in (1, 2)]
    assert "because its tag matches &#x27;version.*&#x27;" in page
    assert "counting" in page
    freed = client_of("proposer").post("/policies/preview/?bytes=1", {"text": OLD, "on": "seed"}).content.decode()
    wanted = previews.preview(seed, OLD).freed
    assert f'value="{wanted}"' in freed
    assert wanted > 0
    logged_in = 2
    assert AuditEntry.objects.count() == before + logged_in
    assert not Proposal.objects.exists()
    assert not Run.objects.exists()


def test_it_is_compared_with_the_active_version(seed, people, client_of):
    version = write(people["proposer"], LATEST + "protect: [{id: two, tag: version2}]\n")
    policies.activate(people["proposer"], version)
    text = LATEST.replace("version.*", "latest|version2")
    page = previewed(client_of("proposer"), text, policy="old-ones")
    assert "2 more go</span>, 2 fewer" in page
    assert refs(previewed(client_of("proposer"), text, policy="old-ones", list="fewer")) == [
        "library/seed-1:version1",
        "library/seed-2:version1",
    ]


def test_faults_have_their_line_and_the_fix(seed, people, client_of):
    page = previewed(client_of("proposer"), "keep:\n  - {id: a, newst: {n: 1}}\ndelete:\n  - {tag: ''}\n")
    assert "Line 2" in page
    assert "did you mean &#x27;newest&#x27;?" in page
    assert previewed(client_of("proposer"), "delete: [{tag: '('}]").count("Line 1") == 1
    for text in ("", "a: &a [*a]", "!!python/object:os.system x", "[" * 5000, "x" * (1024 * 1024 + 1)):
        assert "This is not a policy yet" in previewed(client_of("proposer"), text)
    saved = client_of("proposer").post("/policies/add/", {"title": "x", "text": "delete: 1", "do": "save"})
    assert "must be a list of rules" in saved.content.decode()
    assert not Policy.objects.exists()


def test_without_javascript_the_editor_previews_pages_and_writes_rules(seed, people, client_of, monkeypatch):
    monkeypatch.setattr("registryui.views.policy_editor.PER_PAGE", 3)
    client = client_of("proposer")
    form = {"title": "t", "registries": "seed", "text": OLD, "on": "seed"}
    first = client.post("/policies/add/", {**form, "do": "preview"}).content.decode()
    assert len(refs(first)) == 3
    assert f'<data value="{previews.preview(seed, OLD).freed}"' in first
    second = client.post("/policies/add/", {**form, "list": "goes", "page": "2"}).content.decode()
    assert refs(second) == ["library/seed-2:version2"]
    cases = {"case-newest": "3", "case-older": "30", "case-latest": "on", "case-repositories": "library/**"}
    page = client.post("/policies/add/", {**form, **cases, "do": "write"}).content.decode()
    assert "newest: {n: 3, by: pushed}" in page
    assert "scope: {include: [&#x27;library/**&#x27;]}" in page
    assert not Policy.objects.exists()


@pytest.mark.parametrize("start", ["few", "branches", "releases", "untagged"])
def test_every_starter_is_a_policy(seed, people, client_of, start):
    page = client_of("proposer").get(f"/policies/add/?start={start}").content.decode()
    assert 'id="text"' in page
    from registryui.services.starters import STARTERS

    text = next(one.text for one in STARTERS if one.slug == start)
    assert previews.preview(seed, text).evaluation.decisions


def test_a_version_is_never_changed(seed, people):
    version = write(people["proposer"])
    for change in (
        lambda: PolicyVersion.objects.filter(pk=version.pk).update(text=LATEST),
        lambda: PolicyVersion.objects.filter(pk=version.pk)._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()
    following = policies.write(people["approver"], version.policy, LATEST)
    assert following.number == 2
    assert policies.write(people["admin"], version.policy, LATEST) == following
    with pytest.raises(PolicyError):
        policies.write(people["admin"], version.policy, "nonsense")


def test_versions_are_compared_line_by_line(seed, people, client_of):
    version = write(people["proposer"])
    policies.write(people["proposer"], version.policy, LATEST)
    page = client_of("viewer").get("/policies/p/old-ones/2/").content.decode()
    assert '<span class="added">+keep: [{id: newest, tag: latest}]' in page
    backwards = client_of("viewer").get("/policies/p/old-ones/1/?against=2").content.decode()
    assert '<span class="gone">-keep: [{id: newest, tag: latest}]' in backwards
    assert client_of("viewer").get("/policies/p/old-ones/3/").status_code == 404


def test_what_a_registry_protects_every_policy_obeys(seed, people, client_of):
    seed.protection = "protect: [{tag: version2}]"
    seed.save()
    page = previewed(client_of("proposer"), OLD)
    assert refs(page) == ["library/seed-1:version1", "library/seed-2:version1"]
    assert "registry:protect-1" in previewed(client_of("proposer"), OLD, list="stays")
    # What cannot be read protects everything.
    seed.protection = "protect: [{tga: x}]"
    seed.save()
    assert "no policy is used there" in previewed(client_of("proposer"), OLD)


def test_protection_and_places_are_checked_when_they_are_saved(seed, client_of):
    form = {
        "title": "seed", "slug": "seed", "source": seed.source, "required_approvals": 1, "grace_hours": 24,
        "trash_days": 14, "control_statement": seed.control_statement,
    }  # fmt: skip
    client = client_of("admin")
    for wrong, said in (
        ({"protection": "delete: [{tag: x}]"}, "only protect rules"),
        ({"in_use_places": "docker:\nhttp://x"}, "nothing that runs images"),
    ):
        assert said in client.post("/r/seed/change/", {**form, **wrong}).content.decode()
    right = {"protection": "protect: [{tag: x}]", "in_use_places": "docker:\n"}
    assert client.post("/r/seed/change/", {**form, **right}).status_code == 302
    seed.refresh_from_db()
    assert (seed.protection, seed.in_use_places) == ("protect: [{tag: x}]", "docker:")
    assert [place.place for place in seed.places.all()] == ["docker:"]
    changed = AuditEntry.objects.filter(action="registry.changed").latest("id").data["changed"]
    assert changed["protection"] == ["", "protect: [{tag: x}]"]


def test_registries_are_named_by_globs(seed, shop, people):
    version = write(people["proposer"], registries="se*, nothing")
    assert policies.registries_of(version.policy) == [seed]
    assert policies.policies_of(shop) == []
    changed = policies.change(people["proposer"], version.policy, title="Old ones", registries="**")
    assert policies.registries_of(changed) == [seed, shop]
    policies.change(people["proposer"], version.policy, title="Old ones", registries="")
    version.policy.refresh_from_db()
    assert policies.registries_of(version.policy) == []
    with pytest.raises(NotNow, match="not a glob"):
        policies.change(people["proposer"], version.policy, title="x", registries="a;b")
