"""The pages in another language: chosen, kept, complete; and nothing that is stored follows it."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from registryui import demo
from registryui.models import AuditEntry, Draft, Listening, PlanItem, PlanRecord, Proposal, Registry, Run
from registryui.services import policy_runs
from registryui.services.errors import NotNow, told
from registryui.templatetags import show
from registryui.views.policy_editor import CasesForm
from registryui.views.registry_form import RegistryForm
from registryui.words import listed, script_words
from tests.web.conftest import watched
from tests.web.test_pages import PAGES, filled  # noqa: F401  # a fixture
from tests.web.test_proposals import work

pytestmark = pytest.mark.django_db

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-AT,de;q=0.8,en;q=0.5"}
READ = [page for page in PAGES if page[2] == "get" and not page[0].endswith(("-file", "-plan"))]
#: Words that nobody writes in German, and that stood on the pages.
ENGLISH = r"\b(the|and|with|which|nothing|proposed|Registries|deleted|selected|ago)\b"


def text_of(page: str) -> str:
    """What a person reads: no drawing, no code, no English that says it is."""
    for hidden in ("svg", "code", "pre", "script", "textarea", "blockquote", "select", "kbd"):
        page = re.sub(rf"<{hidden}\b.*?</{hidden}>", "", page, flags=re.S)
    page = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', "", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


@pytest.mark.parametrize(("name", "args", "method", "first"), READ, ids=[page[0] for page in READ])
def test_every_page_in_german(filled, client_of, name, args, method, first):  # noqa: F811
    data = {"ref": "library/seed-1:version1"} if name == "propose" else {}
    answer = client_of("admin").get(reverse(name, args=args), data, **GERMAN)
    assert answer.status_code == 200
    assert answer["Content-Language"] == "de"
    page = answer.content.decode()
    if "<html" in page:
        assert '<html lang="de"' in page
        assert "Zum Inhalt springen" in page
        assert "Abmelden" in page
    else:
        page = page.replace("_", " ")
    found = [text_of(page)[max(0, one.start() - 40) : one.end() + 40] for one in re.finditer(ENGLISH, text_of(page))]
    assert found == []


def test_in_english_nothing_is_carried_along(filled, client_of):  # noqa: F811
    page = client_of("admin").get("/").content.decode()
    assert '<html lang="en"' in page
    assert "script-words" not in page
    assert script_words() == {}


def test_scripts_get_their_words(filled, client_of):  # noqa: F811
    page = client_of("admin").get("/", **GERMAN).content.decode()
    words = re.search(r'<script id="script-words" type="application/json">(.*?)</script>', page)[1]
    assert json.loads(words)["Copy"] == "Kopieren"


@pytest.mark.parametrize("accepted", ["", "fr", "xx;q=nonsense", "en-GB,de;q=0.1", "*"])
def test_whoever_asks_for_neither_reads_english(db, accepted):
    page = Client().get("/login/", HTTP_ACCEPT_LANGUAGE=accepted).content.decode()
    assert '<html lang="en"' in page
    assert "Log in" in page


def test_a_choice_is_kept_whatever_the_browser_says(seed, client_of):
    client = client_of("viewer")
    page = client.get("/r/seed/?sort=-tags").content.decode()
    form = re.search(r'<form method="post" action="/language/".*?</form>', page, re.S)[0]
    assert 'name="next" value="/r/seed/?sort=-tags"' in form
    assert re.search(r'<button[^>]*name="language" value="de" lang="de">Deutsch</button>', form)
    answer = client.post("/language/", {"language": "de", "next": "/r/seed/?sort=-tags"})
    assert answer["Location"] == "/r/seed/?sort=-tags"
    cookie = answer.cookies["registryui_language"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert cookie["max-age"] > 300 * 24 * 3600
    page = client.get("/r/seed/", HTTP_ACCEPT_LANGUAGE="en").content.decode()
    assert "Jetzt scannen" in page
    assert re.search(r'value="en" lang="en">English</button>', page)
    client.post("/language/", {"language": "en"})
    assert "Scan now" in client.get("/r/seed/", **GERMAN).content.decode()


def test_one_may_choose_before_logging_in(db):
    client = Client()
    assert client.post("/language/", {"language": "de", "next": "/login/"})["Location"] == "/login/"
    page = client.get("/login/").content.decode()
    assert "Anmelden" in page
    wrong = client.post("/login/", {"username": "nobody", "password": "x"}).content.decode()
    assert "Name und Passwort passen nicht zusammen" in wrong


def test_a_choice_leads_nowhere_else_and_needs_its_token(db):
    assert Client().post("/language/", {"language": "de", "next": "https://evil.example/"})["Location"] == "/"
    assert "registryui_language" not in Client().post("/language/", {"language": "tlh"}).cookies
    assert Client(enforce_csrf_checks=True).post("/language/", {"language": "de"}).status_code == 403


def test_errors_of_pages_are_german_too(seed, client_of):
    client = client_of("viewer")
    assert "Nicht gefunden" in client.get("/r/none/", **GERMAN).content.decode()
    assert "Das ist Ihrer Rolle nicht erlaubt" in client.get("/r/add/", **GERMAN).content.decode()


def test_a_broken_policy_is_told_in_german(filled, client_of):  # noqa: F811
    client = client_of("admin")
    broken = "keep:\n- {id: a, newst: {n: 1}}\n- {tag: '('}\n- {older_than: {age: 3, by: pushed}}\n"
    told_of = [
        "Einen Schlüssel &#x27;newst&#x27; gibt es hier nicht; meinten Sie &#x27;newest&#x27;?",
        "&#x27;age&#x27; muss Text sein, nicht eine ganze Zahl; schreiben Sie eine Einheit dazu, wie in 14d oder",
    ]
    previewed = client.post("/policies/preview/", {"text": broken, "on": "seed"}, **GERMAN).content.decode()
    saved = client.post("/policies/add/", {"title": "x", "text": broken, "do": "save"}, **GERMAN).content.decode()
    for page in (previewed, saved):
        faults = re.search(r'<ol class="faults">.*?</ol>', page, re.S)[0]
        assert [one for one in told_of if one not in faults] == []
        assert "<code>keep[0].newst</code>" in faults
        assert 'lang="en"' not in faults
        assert not re.search(ENGLISH, text_of(faults))
    form = {"title": "seed", "slug": "seed", "required_approvals": 1, "grace_hours": 24, "trash_days": 14}
    protecting = {**form, "protection": "protect: [{tag: '['}]"}
    page = client.post("/r/seed/change/", protecting, **GERMAN).content.decode()
    assert "Zeile 1, protect[0].tag: &#x27;[&#x27; ist kein Muster von RE2 (es fehlt ]: [)" in page
    revoked = client_of("approver").post(reverse("standing-revoke", args=[1]), follow=True, **GERMAN).content.decode()
    assert "Widerrufen. Was diese Richtlinie vorschlägt, braucht wieder einen Menschen." in revoked
    bucket = {**form, "place": "s3", "bucket": "A!"}
    assert "kein Name eines Buckets" in client.post("/r/seed/change/", bucket, **GERMAN).content.decode()


def test_what_was_kept_of_a_draft_and_of_events_is_german(filled, client_of):  # noqa: F811
    client = client_of("admin")
    Draft.objects.filter(pk=1).update(state="running", what="reading what the last scan found")
    assert (
        "Was der letzte Scan fand, wird gelesen …"
        in client.get("/r/seed/drafts/1/progress/", **GERMAN).content.decode()
    )
    Draft.objects.filter(pk=1).update(state="failed", message="Nothing of this can go. a/b:1: it is in use")
    failed = client.get("/r/seed/drafts/1/", **GERMAN).content.decode()
    assert "Nichts davon kann gehen. a/b:1: es ist in Gebrauch" in failed
    why = "Something that it told was not understood: an event has no id."
    Listening.objects.update_or_create(registry=Registry.objects.get(slug="seed"), defaults={"because": why})
    heard = client.get("/r/seed/events/", **GERMAN).content.decode()
    assert "war nicht zu verstehen: ein Ereignis hat keine Id." in heard


@pytest.mark.parametrize("form", [RegistryForm, CasesForm])
def test_every_field_of_the_long_forms_is_german(db, form):
    with override("de"):
        german = {name: str(field.label) for name, field in form().fields.items()}
    with override("en"):
        english = {name: str(field.label) for name, field in form().fields.items()}
    same = {name for name in german if german[name] == english[name]}
    assert same <= {"bucket", "region", "control_container", "control_engine"}  # terms of the field


# ---- what is stored ------------------------------------------------------------------------------------------


def _story(tmp_path, people: dict[str, User], language: str) -> dict[str, object]:
    """Click through a whole cleanup in one language, and return everything that was written down."""
    demo.build_v1(tmp_path / language)
    slug = f"seed-{language}"
    registry = watched(f"storage:{tmp_path / language}", slug, control_statement="Nobody serves it.")
    before = AuditEntry.objects.count()
    clients = {}
    for role in ("proposer", "approver", "admin"):
        clients[role] = Client(HTTP_ACCEPT_LANGUAGE=language)
        clients[role].force_login(people[role])
    ask = {"ref": "library/seed-2:version1", "confirm": "1", "title": "", "reason": "old"}
    proposing = clients["proposer"].post(f"/r/{slug}/propose/", ask)
    proposal = Proposal.objects.get(registry=registry)
    page = f"/proposals/{proposal.pk}/"
    assert proposing["Location"] == page
    assert clients["proposer"].post(f"{page}edit/", {"refs": ask["ref"], "title": "", "reason": "older"}).url == page
    proposal.refresh_from_db()
    digest = {"plan": proposal.plan.digest}
    clients["admin"].post(f"{page}run/", {"stopped": "too early"})
    clients["approver"].post(f"{page}approve/", digest)
    clients["approver"].post(f"{page}approve/", digest)  # a second time: an error that nobody keeps
    with override(language):  # whatever the worker has left over from an answer before
        clients["admin"].post(f"{page}run/", {"stopped": ""})
        work()
    run = Run.objects.get(registry=registry, kind="apply")
    with override(language):
        clients["approver"].post(f"/runs/{run.pk}/undo/")
        work()
        clients["proposer"].post("/policies/add/", {
            "do": "activate", "title": f"Old {slug}", "registries": slug, "text": "delete: [{tag: 'version.*'}]",
        })  # fmt: skip
        clients["proposer"].post(f"/policies/p/old-{slug}/run/", {"registry": slug})
        policy_runs.perform(registry.policy_runs.get().pk)
    entries = AuditEntry.objects.order_by("pk")[before:]
    told_of = [(one.actor_name, one.action, one.label, one.reason, one.data) for one in entries]
    plans = PlanRecord.objects.filter(proposal__registry=registry).order_by("pk")
    rows = PlanItem.objects.filter(plan__in=plans).order_by("plan", "kind", "repository", "name", "digest")
    written = {
        "record": told_of,
        "titles": list(Proposal.objects.filter(registry=registry).order_by("pk").values_list("title", "reason")),
        "plans": [(bytes(one.body).decode(), one.before, one.after, one.undrawn) for one in plans],
        "items": list(rows.values_list("kind", "cause", "repository", "name", "weight", "signals")),
        "runs": list(registry.runs.order_by("pk").values_list("kind", "state", "message", "skipped", "trash")),
        "policy runs": list(registry.policy_runs.order_by("pk").values_list("state", "message", "trips")),
    }
    text = json.dumps(written, sort_keys=True, default=str).replace(f"{tmp_path / language}", "PATH")
    return json.loads(_numbered(text.replace(slug, "SLUG")))


def _numbered(text: str) -> str:
    """Take out what differs from one story to the next: keys, digests, times."""
    text = re.sub(r"#\d+", "#N", text)
    text = re.sub(r"\b(cleanup|undo) \d+", r"\1 N", text)
    text = re.sub(r"[0-9a-f]{64}|run-\w+", "DIGEST", text)
    return re.sub(r'("(?:run|proposal|made_at|held_seconds|seconds|scanned_at)": )[\d.]+', r"\g<1>0", text)


def test_what_is_written_down_is_the_same_whoever_clicks(db, people, tmp_path):
    english, german = (_story(tmp_path, people, language) for language in ("en", "de"))
    assert len(english["record"]) > 8
    assert {action for _, action, *_ in english["record"]} >= {"proposal.approved", "run.finished", "policy.ran"}
    for what, was in english.items():
        assert german[what] == was, what


def test_the_record_is_read_in_german(filled, client_of):  # noqa: F811
    page = text_of(client_of("viewer").get("/history/", **GERMAN).content.decode())
    assert "proposer hat vorgeschlagen: #2 Delete library/seed-2:version1" in page
    assert "approver hat freigegeben: #2" in page
    assert "hat beendet: Bereinigung 1" in page
    assert "cleanup" not in page


def test_an_error_is_english_for_the_record_and_german_for_the_reader():
    with override("de"):
        error = NotNow("%(registry)s was not scanned yet; scan it first.", registry="Shop")
        assert str(error) == "Shop was not scanned yet; scan it first."
        assert told(error) == "Shop wurde noch nicht gescannt; scannen Sie sie zuerst."
        outer = NotNow("What %(registry)s protects cannot be read, so no policy is used there: %(error)s",
                       registry="Shop", error=error)  # fmt: skip
        assert str(outer).endswith("used there: Shop was not scanned yet; scan it first.")
        assert told(outer).endswith("scannen Sie sie zuerst.")
        assert told(NotNow("100 % of it is %(odd)s")) == "100 % of it is %(odd)s"
    assert told(error) == str(error)


# ---- numbers and dates ---------------------------------------------------------------------------------------


def test_people_read_numbers_and_dates_as_they_are_written_where_they_live():
    with override("de"):
        assert "1,6 GB" in show.size(1_610_612_736)
        assert "1.610.612.736 Bytes" in show.size(1_610_612_736)
        assert 'value="1610612736"' in show.size(1_610_612_736)
        assert show.comma(1234567) == "1.234.567"
        assert show.counted(1234, "tag") == "1.234 Tags"
        assert show.counted(1, "repository") == "1 Repository"
        assert listed(["a", "b", "c", "d", "e"]) == "a, b, c und 2 weitere"
    assert "1.6 GB" in show.size(1_610_612_736)
    assert show.comma(1234567) == "1,234,567"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_programs_read_the_same_in_every_language(filled, client_of):  # noqa: F811
    client = client_of("admin")
    for address in (
        "/history/?format=csv",
        "/history/?format=json",
        "/history/deletions/?format=csv",
        "/history/tags/?format=json",
        "/proposals/1/plan.json",
        "/healthz",
    ):
        plain, german = client.get(address), client.get(address, **GERMAN)
        assert b"".join(plain) == b"".join(german), address
    page = client.get("/r/seed/space/", **GERMAN).content.decode()
    drawn = re.findall(r'\b(?:x|y|width|height|points|d|viewBox)="([^"]*)"', page)
    assert drawn
    assert not [one for one in drawn if re.search(r"\d,\d+,\d", one)]
    assert re.search(r'<data value="\d+" ', page)


def test_a_registry_that_tells_of_pulls_is_set_up_in_german(filled, client_of):  # noqa: F811
    client = client_of("admin")
    client.post("/r/seed/events/token/")
    page = text_of(client.get("/r/seed/events/", **GERMAN).content.decode())
    assert "Muster (RE2)" in page
    assert not re.search(ENGLISH, page)
