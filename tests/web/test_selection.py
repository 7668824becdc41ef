"""What is ticked stays ticked: across pages, filters and visits, for one person in one registry, with or without a
script."""

import re

import pytest

from registryui.models import Proposal, Selected
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

pytestmark = pytest.mark.django_db

PAGE = "/r/many/repositories/team/app/"
SELECTION = "/r/many/selection/"


@pytest.fixture
def many(people, tmp_path):
    store = V2Store(tmp_path / "many")
    for number in range(120):
        store.image("team/app", f"v{number:03}", layers=[store.layer(10)])
    store.image("team/other", "only", layers=[store.layer(10)])
    age(tmp_path)
    return watched(store.source, "many")


def form(client, address: str) -> dict[str, list[str]]:
    """The fields of the table's form as a browser would send them."""
    html = client.get(address).content.decode()
    ticked = re.findall(r'<input type="checkbox" name="ref" value="([^"]+)"[^>]* checked', html)
    return {"shown": re.findall(r'name="shown" value="([^"]+)"', html), "ref": ticked, "next": [address]}


def kept(**where) -> list[str]:
    return sorted(Selected.objects.filter(**where).values_list("ref", flat=True))


def test_ticks_survive_going_to_the_next_page_without_a_script(many, client_of):
    client = client_of("proposer")
    fields = form(client, f"{PAGE}?sort=tag")
    assert len(fields["shown"]) == 50
    fields["ref"] = ["team/app:v001", "team/app:v002"]
    answer = client.post(SELECTION, {**fields, "go": "?sort=tag&page=2"})
    assert answer["Location"] == f"{PAGE}?sort=tag&page=2"
    second = form(client, answer["Location"])
    assert second["ref"] == []
    client.post(SELECTION, {**second, "ref": ["team/app:v060"]})
    assert form(client, f"{PAGE}?sort=tag")["ref"] == ["team/app:v001", "team/app:v002"]
    assert form(client, f"{PAGE}?q=v06")["ref"] == ["team/app:v060"]
    assert "<strong>3</strong> selected" in client.get(PAGE).content.decode()


def test_what_is_no_longer_ticked_is_taken_back_and_other_pages_are_left_alone(many, client_of):
    client = client_of("proposer")
    client.post(SELECTION, {"shown": ["a", "b"], "ref": ["a", "b"]})
    client.post(SELECTION, {"shown": ["b", "c"], "ref": ["c"]})
    assert kept() == ["a", "c"]


def test_a_script_gets_the_number_alone(many, client_of):
    answer = client_of("proposer").post(SELECTION, {"shown": ["a"], "ref": ["a"]}, headers={"HX-Request": "true"})
    assert "<strong>1</strong> selected" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_everything_that_a_filter_finds_can_be_selected(many, client_of):
    client = client_of("proposer")
    page = client.get(f"{PAGE}?q=v1").content.decode()
    action = re.search(r'value="every" formaction="([^"]+)"', client.get(f"{PAGE}?q=v0").content.decode())[1]
    assert 'value="every"' not in page  # all of them are on the page
    client.post(action.replace("&amp;", "&"), {"do": "every", "next": PAGE})
    assert kept() == [f"team/app:v{number:03}" for number in range(100)]
    client.post("/r/many/selection/?in=team", {"do": "every", "next": "/r/many/"})
    assert {"team/app", "team/other"} < set(kept())
    client.post(SELECTION, {"do": "clear"})
    assert kept() == []


def test_each_person_and_each_registry_has_its_own(many, shop, client_of):
    client_of("proposer").post(SELECTION, {"shown": ["team/app"], "ref": ["team/app"]})
    assert form(client_of("approver"), "/r/many/")["ref"] == []
    assert form(client_of("proposer"), "/r/many/")["ref"] == ["team/app"]
    assert kept(user__username="proposer", registry=shop) == []


def test_a_proposal_of_what_was_selected_on_many_pages(many, client_of):
    client = client_of("proposer")
    client.post(SELECTION, {"shown": [], "ref": [f"team/app:v{number:03}" for number in range(70)]})
    fields = form(client, f"{PAGE}?sort=-tag")
    fields["ref"] = ["team/app:v119"]
    preview = client.post("/r/many/propose/", fields).content.decode()
    digest = re.search(r'name="plan" value="([^"]+)"', preview)[1]
    assert 'name="ref"' not in preview
    done = client.post("/r/many/propose/", {"selected": "on", "plan": digest, "confirm": "1", "reason": "old"})
    proposal = Proposal.objects.get()
    assert done["Location"] == f"/proposals/{proposal.pk}/"
    assert proposal.plan.tags == 71
    assert kept() == []


def test_a_selection_that_changed_in_another_window_is_shown_again_before_it_is_proposed(many, client_of):
    client = client_of("proposer")
    client.post(SELECTION, {"shown": [], "ref": ["team/app:v001"]})
    preview = client.post("/r/many/propose/", {"selected": "on"}).content.decode()
    digest = re.search(r'name="plan" value="([^"]+)"', preview)[1]
    client.post(SELECTION, {"shown": [], "ref": ["team/app:v002"]})
    again = client.post("/r/many/propose/", {"selected": "on", "plan": digest, "confirm": "1"})
    assert "has changed since you looked" in again.content.decode()
    assert not Proposal.objects.exists()
    assert len(kept()) == 2


def test_nothing_of_what_could_not_be_read_is_selected_with_everything(many, client_of):
    tag = next(iter(many.repositories.get(name="team/app").tag_sightings.all()))
    root = many.source.removeprefix("storage:")
    path = f"{root}/docker/registry/v2/repositories/team/app/_manifests/tags/{tag.tag}/current/link"
    with open(path, "wb"):
        pass
    scan(many)
    client = client_of("proposer")
    client.post(f"{SELECTION}?repository=team/app&tab=tags", {"do": "every"})
    assert kept() == []
    client.post(f"{SELECTION}?in=team", {"do": "every"})
    assert kept() == ["team/other"]


def test_more_than_a_proposal_may_name_is_refused_whole(many, client_of, monkeypatch):
    monkeypatch.setattr("registryui.services.selection.MOST_REFERENCES", 100)
    client = client_of("proposer")
    answer = client.post(f"{SELECTION}?repository=team/app&tab=tags", {"do": "every", "next": PAGE}, follow=True)
    assert "may name 100 things at most" in answer.content.decode()
    assert kept() == []


def test_the_list_of_what_is_selected_gives_back(many, client_of):
    client = client_of("proposer")
    assert "Nothing is selected" in client.get(SELECTION).content.decode()
    client.post(SELECTION, {"shown": [], "ref": ["team/app:v001", "team/app:v002"]})
    assert "team/app:v002" in client.get(SELECTION).content.decode()
    client.post(SELECTION, {"do": "remove", "ref": ["team/app:v001"], "next": SELECTION})
    assert kept() == ["team/app:v002"]


def test_a_selection_leads_to_no_other_site(many, client_of):
    answer = client_of("proposer").post(SELECTION, {"next": "https://evil.example/", "go": "?x"})
    assert answer["Location"] == "/r/many/"


def test_a_viewer_sees_no_boxes(many, client_of):
    page = client_of("viewer").get(PAGE).content.decode().split("<main")[1].split("</main")[0]
    assert "checkbox" not in page
    assert "Propose" not in page
