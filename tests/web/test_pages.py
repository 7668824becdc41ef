"""Who may open what, and what stands on the pages."""

import json
import re

import pytest
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from registryui.models import InUsePlace, Registry, Run
from registryui.services import audit, drafts, policies, policy_runs, proposals, runs, standing
from tests.web.test_proposals import propose, work

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "proposer", "approver", "admin")

#: Address, method, and the first role that may.
PAGES = [
    ("registries", [], "get", "viewer"),
    ("registry", ["seed"], "get", "viewer"),
    ("scan-state", ["seed"], "get", "viewer"),
    ("registry-scan", ["seed"], "post", "viewer"),
    ("scan-call-off", ["seed"], "post", "proposer"),
    ("registry-add", [], "get", "admin"),
    ("registry-edit", ["seed"], "get", "admin"),
    ("registry-looked-after", ["seed"], "post", "admin"),
    ("space-all", [], "get", "viewer"),
    ("space", ["seed"], "get", "viewer"),
    ("scrub", ["seed"], "get", "viewer"),
    ("scrub-progress", ["seed"], "get", "viewer"),
    ("scrub-call-off", ["seed"], "post", "approver"),
    ("scrub-start", ["seed"], "post", "approver"),
    ("place-token", ["seed", 1], "post", "admin"),
    ("registry-events", ["seed"], "get", "viewer"),
    ("events-token", ["seed"], "post", "admin"),
    ("events-change", ["seed"], "post", "admin"),
    ("events-anew", ["seed"], "post", "admin"),
    ("events-stop", ["seed"], "post", "admin"),
    ("repository", ["seed", "library/seed-1"], "get", "viewer"),
    ("registry-graph", ["seed"], "get", "viewer"),
    ("registry-graph-file", ["seed", "dot"], "get", "viewer"),
    ("repository-file", ["seed", "library/seed-1", "dot"], "get", "viewer"),
    ("image", ["seed", "a1" * 32], "get", "viewer"),
    ("image-graph", ["seed", "a1" * 32], "get", "viewer"),
    ("image-file", ["seed", "a1" * 32, "dot"], "get", "viewer"),
    ("compare", ["seed"], "get", "viewer"),
    ("propose", ["seed"], "get", "proposer"),
    ("draft", ["seed", 1], "get", "proposer"),
    ("draft-progress", ["seed", 1], "get", "proposer"),
    ("selection", ["seed"], "get", "proposer"),
    ("proposals", [], "get", "viewer"),
    ("proposal", [1], "get", "viewer"),
    ("proposal-plan", [1], "get", "viewer"),
    ("proposal-items", [1], "get", "viewer"),
    ("proposal-comment", [1], "post", "viewer"),
    ("proposal-edit", [1], "get", "proposer"),
    ("proposal-refresh", [1], "post", "proposer"),
    ("proposal-withdraw", [1], "post", "proposer"),
    ("proposal-approve", [1], "post", "approver"),
    ("proposal-reject", [1], "post", "approver"),
    ("proposal-run", [1], "post", "admin"),
    ("policies", [], "get", "viewer"),
    ("policy-run", [1], "get", "viewer"),
    ("policy-override", [1], "post", "approver"),
    ("policy-dismiss", [1], "post", "approver"),
    ("policy-ask", ["old"], "post", "proposer"),
    ("standing-ask", ["old"], "post", "approver"),
    ("standing-sign", [1], "post", "approver"),
    ("standing-revoke", [1], "post", "approver"),
    ("policy", ["old"], "get", "viewer"),
    ("policy-version", ["old", 1], "get", "viewer"),
    ("policy-add", [], "get", "proposer"),
    ("policy-edit", ["old"], "get", "proposer"),
    ("policy-preview", [], "post", "proposer"),
    ("policy-change", ["old"], "post", "proposer"),
    ("policy-activate", ["old", 1], "post", "proposer"),
    ("policy-pause", ["old"], "post", "proposer"),
    ("run", [1], "get", "viewer"),
    ("run-call-off", [1], "post", "admin"),
    ("run-progress", [1], "get", "viewer"),
    ("run-restore", [1], "post", "approver"),
    ("run-empty", [1], "post", "admin"),
    ("run-accept", [1], "post", "admin"),
    ("search", [], "get", "viewer"),
    ("trash", [], "get", "viewer"),
    ("history", [], "get", "viewer"),
    ("history-deletions", [], "get", "viewer"),
    ("history-tags", [], "get", "viewer"),
    ("proposal-then", [1, 1], "get", "viewer"),
    ("before-file", [1, 1, "dot"], "get", "viewer"),
    ("after-file", [1, 1, "dot"], "get", "viewer"),
]
OPEN = {"events-receive", "login", "logout", "healthz", "password_change", "theme", "language"}


@pytest.fixture
def filled(seed, people):
    """A proposal that waits, a cleanup that can be undone, and a policy."""
    version = policies.create(people["proposer"], "Old", "seed", "delete: [{tag: 'version.*'}]")
    policy = policies.activate(people["proposer"], version)
    policy_runs.ask(people["proposer"], policy, seed)
    standing.ask(people["approver"], version, seed, "because")
    drafts.request(people["proposer"], seed, [], title="", reason="")
    propose(people["proposer"], seed, "library/seed-1:version1")
    done = propose(people["proposer"], seed, "library/seed-2:version1")
    proposals.approve(people["approver"], done, done.plan.digest)
    work()
    InUsePlace.objects.create(registry=seed, place="kubernetes:https://cluster.example")
    return seed


def test_every_address_is_in_the_table_above():
    def names(resolver):
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLPattern):
                yield pattern
            elif isinstance(pattern, URLResolver) and pattern.app_name != "admin":
                yield from names(pattern)

    for pattern in names(get_resolver()):
        if pattern.name not in OPEN:
            assert pattern.name in {page[0] for page in PAGES}
            assert hasattr(pattern.callback, "permission"), pattern.name


@pytest.mark.parametrize(("name", "args", "method", "first"), PAGES, ids=[page[0] for page in PAGES])
def test_who_may(filled, client_of, name, args, method, first):
    address = reverse(name, args=args)
    answer = getattr(client_of(None), method)(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    for role in ROLES:
        answer = getattr(client_of(role), method)(address)
        allowed = ROLES.index(role) >= ROLES.index(first)
        assert (answer.status_code != 403) == allowed, (name, role)
        if allowed:
            assert answer.status_code in (200, 302, 409)


@pytest.mark.parametrize(("name", "args", "method", "first"), PAGES, ids=[page[0] for page in PAGES])
def test_other_methods_are_refused(filled, client_of, name, args, method, first):
    client = client_of("admin")
    if method == "post":
        assert client.get(reverse(name, args=args)).status_code == 405
    assert client.delete(reverse(name, args=args)).status_code in (405, 200)


def test_a_form_from_elsewhere_is_refused(filled, people):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"])
    assert client.post(reverse("run-empty", args=[1])).status_code == 403
    assert Run.objects.get(pk=1).trash == "held"


SHOWN = [page for page in PAGES if page[2] == "get" and not page[0].endswith("-file")]


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page[0])
def test_the_policy_is_strict_and_pages_need_nothing_it_forbids(filled, client_of, page):
    name, args, _, _ = page
    data = {"ref": "library/seed-1:version1"} if name == "propose" else {}
    answer = client_of("admin").get(reverse(name, args=args), data)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    if not answer["Content-Type"].startswith("text/html"):
        assert "attachment" in answer["Content-Disposition"]
        return
    text = b"".join(answer).decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", text)


def test_health_is_open_and_says_nothing(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_why_nothing_is_freed_stands_on_the_page(filled, client_of):
    text = client_of("viewer").get("/proposals/1/").content.decode()
    assert "<strong>Frees nothing</strong>, because image c1c1c1c1c1c1 stays: d1d1d1d1d1d1 is based on it" in text


def test_an_approval_of_a_plan_that_changed_is_a_409_and_shows_the_new_one(seed, people, client_of):
    proposal = propose(people["proposer"], seed, "library/seed-1:version1")
    old = proposal.plan.digest
    proposals.edit(people["proposer"], proposal, ["library/seed-2:version1"], title="", reason="", sweep=False)
    answer = client_of("approver").post("/proposals/1/approve/", {"plan": old})
    assert answer.status_code == 409
    proposal.refresh_from_db()
    assert proposal.state == "proposed"
    assert proposal.plan.digest in answer.content.decode()
    assert "nothing was approved" in answer.content.decode()


def test_what_cannot_be_done_is_said(filled, client_of):
    answer = client_of("proposer").post("/r/seed/propose/", {"ref": "library/none:1"}, follow=True)
    assert "there is no repository library/none here" in answer.content.decode()
    assert client_of("proposer").post("/r/seed/propose/", follow=True).status_code == 200


def test_names_from_a_registry_are_only_text(people, client_of, tmp_path):
    from tests.stores import V1Store, age
    from tests.web.conftest import watched

    store = V1Store(tmp_path / "evil")
    store.image("A")
    for tag in ("<script>alert(1)</script>", '"><img src=x>', "'; DROP TABLE"):
        store.tag("library/evil", tag.replace("/", "\N{DIVISION SLASH}"), "A")
    age(tmp_path)
    watched(store.source, "evil")
    for tab in ("tags", "graph", "history"):
        text = client_of("admin").get(f"/r/evil/repositories/library/evil/?tab={tab}").content.decode()
        assert "<script>alert" not in text
        assert "<img" not in text
        assert "alert(1)" in text


def test_tables_sort_filter_and_page_on_the_server(people, client_of, tmp_path):
    from tests.stores import V2Store, age
    from tests.web.conftest import watched

    store = V2Store(tmp_path / "many")
    for number in range(120):
        store.image("app", f"v{number:03}")
    age(tmp_path)
    watched(store.source, "many")
    client = client_of("viewer")

    def tags(query):
        return re.findall(r'scope="row">(v\d+)<', client.get(f"/r/many/repositories/app/{query}").content.decode())

    assert tags("?sort=tag") == [f"v{n:03}" for n in range(50)]
    assert tags("?sort=-tag&page=3") == [f"v{n:03}" for n in range(19, -1, -1)]
    assert tags("?q=v11&sort=tag") == [f"v{n}" for n in range(110, 120)]
    assert tags("?sort=nonsense&page=nonsense&q=zzz") == []
    assert "10 of 120" in client.get("/r/many/repositories/app/?q=v11").content.decode()


def test_history_can_be_filtered_and_taken_along(filled, client_of):
    client = client_of("viewer")
    rows = json.loads(b"".join(client.get("/history/?format=json&action=proposal.approved")))
    assert [(row["actor_name"], row["action"]) for row in rows] == [("approver", "proposal.approved")]
    lines = b"".join(client.get("/history/?format=csv&registry=seed")).decode().splitlines()
    assert lines[0].startswith("id,at,actor_name,action")
    assert len(lines) > 5
    assert "The record is whole" in client.get("/history/?verify=1").content.decode()


def test_history_offers_every_action_in_words(people, client_of):
    client = client_of("viewer")
    page = client.get("/history/?action=proposal.approved").content.decode()
    choices = page.partition('<select id="action"')[2].partition("</select>")[0]
    offered = re.findall(r'<option value="([a-z._]+)"', choices)
    assert sorted(offered) == sorted(audit.Action)
    assert '<optgroup label="Proposals">' in choices
    assert '<option value="proposal.approved" selected>approved …</option>' in choices
    german = client.get("/history/", HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert '<optgroup label="Vorschläge">' in german
    assert "hat einen Scan verlangt von …" in german


def test_an_admin_adds_and_changes_a_registry(people, client_of, tmp_path):
    from registryui import demo

    demo.build_v1(tmp_path / "x")
    client = client_of("admin")
    form = {
        "title": "Mine",
        "slug": "mine",
        "source": f"storage:{tmp_path}/x",
        "control_statement": "",
        "required_approvals": 1,
        "grace_hours": 24,
        "trash_days": 14,
    }
    assert "can be read: V1 storage" in client.post("/r/add/", {**form, "check": "1"}).content.decode()
    wrong = client.post("/r/add/", {**form, "source": "storage:/nowhere"})
    assert "does not exist" in wrong.content.decode()
    assert "Say why nobody can push" in client.post("/r/add/", {**form, "run_on_approval": "on"}).content.decode()
    assert client.post("/r/add/", form).status_code == 302
    assert client.post("/r/mine/change/", {**form, "title": "Ours"}).status_code == 302
    assert Registry.objects.get().title == "Ours"


def test_the_theme_is_remembered_and_leads_nowhere_else(client_of):
    client = client_of("viewer")
    answer = client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert 'data-theme="dark"' in client.get("/").content.decode()


def test_the_admin_site_shows_the_record_and_changes_none_of_it(filled, people, client_of):
    people["admin"].is_staff = people["admin"].is_superuser = True
    people["admin"].save()
    client = client_of("admin")
    assert client.get("/admin/registryui/auditentry/").status_code == 200
    assert client.get("/admin/registryui/auditentry/1/change/").status_code == 200
    assert client.post("/admin/registryui/auditentry/1/change/", {"reason": "x"}).status_code == 403
    assert client.get("/admin/registryui/auditentry/add/").status_code == 403
    assert client.post("/admin/registryui/auditentry/1/delete/", {"post": "yes"}).status_code == 403
    for model in ("registry", "proposal", "run"):
        assert client.get(f"/admin/registryui/{model}/").status_code == 200
    assert client.get("/admin/auth/user/").status_code == 200
    assert client_of("viewer").get("/admin/").status_code == 302


def test_the_configuration_is_sound(settings):
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_queries_of_a_page_do_not_grow_with_its_rows(people, client_of, tmp_path, django_assert_max_num_queries):
    from tests.stores import V2Store, age
    from tests.web.conftest import watched

    store = V2Store(tmp_path / "many")
    for number in range(60):
        store.image(f"r{number}", "a", "b")
    age(tmp_path)
    watched(store.source, "many")
    client = client_of("admin")
    for address in ("/", "/r/many/", "/r/many/repositories/r1/", "/proposals/", "/history/", "/trash/"):
        with django_assert_max_num_queries(17):
            client.get(address)


def test_an_undo_and_an_emptying_by_form(filled, client_of):
    answer = client_of("approver").post("/runs/1/undo/", follow=True)
    assert "Waiting for the worker" in answer.content.decode()
    work()
    assert Run.objects.get(pk=1).trash == "restored"
    again = client_of("admin").post("/runs/1/empty/", follow=True)
    assert "no longer there" in again.content.decode()
    assert runs.Run.objects.count() == 2


def test_every_page_of_a_registry_says_in_the_menu_where_it_is(filled, client_of):
    client = client_of("admin")
    lost = []
    for name, args, method, _ in PAGES:
        if args[:1] == ["seed"] and method == "get":
            data = {"ref": "library/seed-1:version1"} if name == "propose" else {}
            page = client.get(reverse(name, args=args), data).content
            if b"<nav" in page and b'aria-current="true"' not in page.partition(b"</nav>")[0]:
                lost.append(name)
    assert lost == []


def test_a_record_without_a_match_leads_back_to_all_of_it(filled, client_of):
    page = client_of("viewer").get("/history/?q=zzzz").content.decode()
    assert '<li class="none">Nothing matches. <a href="?">Show all</a></li>' in page
