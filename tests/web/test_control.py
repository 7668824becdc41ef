"""Registries that the dashboard holds for a cleanup: settings, banners, and putting right what was left."""

import re

import pytest
from django.utils.translation import override

from prune.reclaim.control.hold import HELD, held_now
from prune.reclaim.control.hold import hold as holding
from prune.reclaim.journal import LOCK
from prune.sources.stores.disk import DiskStore
from registryui.models import AuditEntry, Registry, Run
from registryui.secrets import decrypt
from registryui.services import audit, control, proposals, registries
from registryui.services.errors import NotNow
from registryui.services.sentences import said
from tests.servers import free_port
from tests.web.test_proposals import propose, root, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def operated(seed, settings, tmp_path):
    """The seed's store behind a registry that two commands stop and start; a file says that it is stopped."""
    settings.ALLOW_COMMANDS = True
    flag = tmp_path / "stopped"
    seed.control = "command"
    seed.control_statement = ""
    seed.control_commands = f"stop: [touch, {flag}]\nstart: [rm, {flag}]\ncheck: [test, -e, {flag}]\nseconds: 5\n"
    registries.change(None, seed)
    seed.flag = flag
    return seed


def carried_out(people, registry) -> Run:
    """Propose, approve and run; it starts by itself."""
    proposal = propose(people["proposer"], registry, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    return Run.objects.filter(proposal=proposal).latest("pk")


def fields_of(registry: Registry) -> dict:
    return {field.attname: getattr(registry, field.attname) for field in Registry._meta.concrete_fields}


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_it_is_held_for_the_run_and_given_back(operated, people, client_of, monkeypatch):
    seen = []
    check = control.Watched.check

    def looking(self, former):
        page = client_of("viewer").get("/proposals/").content.decode()
        seen.append((operated.flag.exists(), "is held" in page, "15 minutes at most" in page))
        check(self, former)

    monkeypatch.setattr(control.Watched, "check", looking)
    run = carried_out(people, operated)
    assert (run.state, run.message) == ("done", "")
    assert set(seen) == {(True, True, True)}
    assert not operated.flag.exists()
    assert run.held_seconds > 0
    page = client_of("viewer").get(f"/runs/{run.pk}/").content.decode()
    assert re.search(r"Registry held</dt><dd>\d+\.\d s", page)
    assert "is held" not in page
    assert "stopped by touch and started by rm" in page
    assert actions().count("registry.held") == actions().count("registry.back") == 1
    assert AuditEntry.objects.get(action="run.finished").data["held_seconds"] == round(run.held_seconds, 3)
    assert audit.verify().broken_at is None


def test_one_that_does_not_come_back_is_on_every_page_until_somebody_says_otherwise(operated, people, client_of):
    Registry.objects.update(control_commands=operated.control_commands.replace("rm,", "/bin/false,"))
    run = carried_out(people, operated)
    assert run.state == "done"
    assert "did not come back" in run.message
    pages = [
        "/",
        "/proposals/",
        "/trash/",
        "/history/",
        "/r/seed/",
        f"/runs/{run.pk}/",
        f"/proposals/{run.proposal_id}/",
    ]
    for role in ("viewer", "proposer", "approver", "admin"):
        for page in pages:
            body = client_of(role).get(page).content.decode()
            assert "did not come back" in body
            assert 'role="alert"' in body
            assert ("It runs as it should again" in body) == (role == "admin")
    # It is tried again, and stays loud, and is on the record once.
    assert control.put_all_right() == 0
    assert actions().count("registry.lost") == 1
    assert held_now(DiskStore(str(root(operated)))) is not None
    changed = Registry.objects.get()
    changed.control, changed.control_statement = "stated", "x"
    with pytest.raises(NotNow, match="as it was taken"):
        registries.change(None, changed)
    client_of("admin").post("/r/seed/looked-after/")
    assert "did not come back" not in client_of("viewer").get("/").content.decode()
    assert actions()[-2] == "registry.looked_after"  # and somebody logged in
    assert not (root(operated) / HELD).exists()
    assert "not waiting" in client_of("admin").post("/r/seed/looked-after/", follow=True).content.decode()


def test_a_worker_that_starts_gives_back_what_a_dead_one_held(operated, people, monkeypatch):
    store = DiskStore(str(root(operated)))
    watched = control.Watched(control.control_of(operated), operated, None)
    # As a killed process leaves it: taken, noted, and nobody there to give it back.
    with monkeypatch.context() as patched:
        patched.setattr("prune.reclaim.control.hold._give_back", lambda held, store: None)
        with holding(watched, store, "run-1"):
            pass
    assert operated.flag.exists()
    assert Registry.objects.get().held_since is not None
    with store.lock(LOCK):
        # A living worker has the lock: nothing is taken out of its hands.
        assert control.put_all_right() == 0
        assert operated.flag.exists()
    assert control.put_all_right() == 1
    assert not operated.flag.exists()
    assert Registry.objects.get().held_since is None
    assert held_now(store) is None
    assert actions()[-2:] == ["registry.held", "registry.back"]


def test_one_that_may_not_be_given_back_any_more_is_said(operated, settings, client_of):
    Registry.objects.update(held_since="2026-01-01T00:00Z", held_words="x")
    settings.ALLOW_COMMANDS = False
    assert [control.put_all_right(), control.put_all_right()] == [0, 0]
    assert "REGISTRYUI_ALLOW_COMMANDS" in client_of("viewer").get("/").content.decode()
    assert actions().count("registry.lost") == 1
    settings.ALLOW_COMMANDS = True
    assert control.put_all_right() == 1


def test_a_note_that_never_came_to_be_is_no_trouble(operated):
    """Killed between the database and the store: nothing was done to the registry yet."""
    Registry.objects.update(held_since="2026-01-01T00:00Z", held_words="x")
    assert control.put_all_right() == 1
    assert Registry.objects.get().held_since is None


FORM = {
    "title": "seed", "slug": "seed", "required_approvals": 1, "grace_hours": 24, "trash_days": 14,
    "control_mode": "stop", "window_minutes": 15,
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"control": "docker"}, "Name the container"),
        ({"control": "docker", "control_container": "main", "control_engine": "http://x"}, "no address of a Docker"),
        (
            {"control": "docker", "control_container": "main", "control_url": "nonsense"},
            "not the address of a registry",
        ),
        ({"control": "probe"}, "Give the address"),
        ({"control": "probe", "control_url": "storage:/x"}, "not the address of a registry"),
        ({"control": "command", "control_commands": "stop: [x]\nstart: [x]"}, "Select a valid choice"),
        ({"control": "docker", "control_container": "main", "window_minutes": 0}, "greater than or equal to 1"),
        ({"cache_url": "http://me:secret@host"}, "no address of a Redis"),
        ({"control": "stated", "run_on_approval": "on"}, "Say why nobody can push"),
    ],
)
def test_settings_that_mean_nothing_are_refused_in_words(seed, client_of, given, said):
    answer = client_of("admin").post("/r/seed/change/", {**FORM, "source": seed.source, **given})
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert Registry.objects.get().control == "stated"


def test_settings_are_saved_and_on_the_record(seed, client_of):
    given = {"control": "docker", "control_container": "label=registry", "run_on_approval": "on", "window_minutes": 5}
    answer = client_of("admin").post("/r/seed/change/", {**FORM, "source": seed.source, **given})
    assert answer.status_code == 302
    seed.refresh_from_db()
    assert (seed.control, seed.window_minutes, seed.run_on_approval) == ("docker", 5, True)
    changed = AuditEntry.objects.filter(action="registry.changed").latest("id").data["changed"]
    assert changed["control"] == ["stated", "docker"]


def test_commands_need_the_word_of_the_machines_operator(operated, people, settings):
    settings.ALLOW_COMMANDS = False
    run = carried_out(people, operated)
    assert run.state == "failed"
    assert "REGISTRYUI_ALLOW_COMMANDS" in run.message
    assert not operated.flag.exists()


def test_a_form_does_not_forget_that_it_is_held(operated):
    stale = Registry.objects.get()
    Registry.objects.update(held_since="2026-01-01T00:00Z", held_words="x")
    stale.title = "Another"
    registries.change(None, stale)
    row = Registry.objects.get()
    assert (row.title, row.held_words) == ("Another", "x")
    assert row.held_since is not None


def test_a_cache_that_cannot_be_cleared_is_said_and_keeps_nothing_back(operated, people):
    registries.change(None, Registry(**{**fields_of(operated), "cache_url": f"redis://127.0.0.1:{free_port()}"}))
    run = carried_out(people, operated)
    assert run.state == "done"
    assert "Clear the registry's cache by hand" in run.message
    assert not operated.flag.exists()
    assert Registry.objects.get().held_since is None


def test_the_password_of_a_cache_is_written_and_never_shown(seed, client_of):
    given = {"cache_url": "redis://127.0.0.1:1/2", "new_cache_password": "between-us"}
    client_of("admin").post("/r/seed/change/", {**FORM, "source": seed.source, "control_statement": "x", **given})
    seed.refresh_from_db()
    assert decrypt(seed.cache_password) == "between-us"
    assert "between-us" not in client_of("admin").get("/r/seed/change/").content.decode()
    assert (
        AuditEntry.objects.filter(action="registry.changed").latest("id").data["changed"]["cache_password"]
        == "changed"
    )


def test_testing_the_connection_tells_whether_it_could_be_held(seed, client_of, tmp_path):
    given = {"control": "docker", "control_container": "main", "control_engine": f"unix://{tmp_path}/none"}
    page = client_of("admin").post("/r/seed/change/", {**FORM, "source": seed.source, **given, "check": "1"})
    assert "socket does not exist" in page.content.decode()


def test_who_starts_a_run_is_asked_for_no_word(operated, people, client_of):
    operated.run_on_approval = False
    operated.save()
    proposal = propose(people["proposer"], operated, "library/seed-2:version1")
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    page = client_of("admin").get(f"/proposals/{proposal.pk}/").content.decode()
    assert "Why can nobody push" not in page
    assert "stopped by touch" in page
    client_of("admin").post(f"/proposals/{proposal.pk}/run/", {"stopped": "my own words"})
    work()
    run = Run.objects.get()
    assert (run.state, run.stopped_reason) == ("done", "the registry is stopped by touch and started by rm")


def test_a_cleanup_that_cannot_be_undone_says_so_before_and_after(shop, people, client_of):
    shop.control, shop.control_container, shop.registry_collects = "docker", "label=team", True
    registries.change(None, shop)
    proposal = propose(people["proposer"], shop, "tools/report:0.1")
    for address in (f"/proposals/{proposal.pk}/", "/r/shop/propose/?ref=tools/report:0.1"):
        assert "This cleanup cannot be undone." in client_of("proposer").get(address).content.decode()
    shop.registry_collects = False
    registries.change(None, shop)
    assert "cannot be undone" not in client_of("proposer").get(f"/proposals/{proposal.pk}/").content.decode()
    run = Run.objects.create(
        registry=shop, proposal=proposal, kind="apply", state="done", trash="final", started_by=people["admin"]
    )
    page = client_of("viewer").get(f"/runs/{run.pk}/").content.decode()
    assert "This cleanup cannot be undone." in page
    assert "<dt>Trash</dt><dd>Gone for good</dd>" in page


def test_a_container_named_by_its_label_is_told_in_words_in_every_language(shop, client_of):
    shop.control, shop.control_container, shop.registry_collects = "docker", "label=team=shop", True
    told = "the container labelled team=shop is stopped and comes back afterwards"
    assert control.words(shop) == f"{told}; the registry's own garbage collection removes the blobs"
    with override("de"):
        assert said(control.words(shop)) == (
            "der Container mit dem Label team=shop wird angehalten und kommt danach zurück; die eigene Garbage "
            "Collection der Registry entfernt die Blobs"
        )
        shop.control_container = "labels"
        assert "der Container labels wird" in said(control.words(shop))


def test_one_that_was_made_read_only_by_hand_is_told_as_it_must_be(seed):
    seed.control, seed.control_url = "probe", "http://registry.example.com:5000"
    assert control.words(seed) == "http://registry.example.com:5000 must be seen to be read-only"
