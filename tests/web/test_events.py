"""What a registry tells of pulls and pushes: taken in, relied on as far as it goes, and no further."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from prune.policy.facts import Times
from registryui import demo
from registryui.models import HeardEvent, Listening, Pull, Push, Registry
from registryui.services import events, heard, inventories, listening, policies, policy_runs, proposals, registries
from registryui.services.errors import NotNow
from registryui.views import events as view
from tests import servers
from tests.layouts import Layout
from tests.plan.snapshots import digest
from tests.web.conftest import watched

pytestmark = pytest.mark.django_db

V1 = "application/vnd.docker.distribution.events.v1+json"
V2 = "application/vnd.docker.distribution.events.v2+json"


def event(action="pull", *, number=1, tag="", agent="docker/27.3", instance="one", repository="team/app", **more):
    """An event as distribution 2.8.2 writes it."""
    url = f"http://hub/v2/{repository}/manifests/{digest(number)}"
    target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 419, "length": 419, "url": url}
    target |= {"digest": digest(number), "repository": repository} | ({"tag": tag} if tag else {})
    return {
        "id": str(uuid.uuid4()),
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.707329158Z",
        "action": action,
        "target": target,
        "request": {"id": "1", "addr": "10.0.0.1:2", "host": "hub", "method": "GET", "useragent": agent},
        "actor": {},
        "source": {"addr": "hub:5000", "instanceID": instance},
    } | more


class Teller:
    """A registry that tells: posts events to the dashboard."""

    def __init__(self, registry, token):
        self.registry, self.token = registry, token

    def post(self, body, kind=V1, **headers):
        headers = {"authorization": f"Bearer {self.token}"} | headers
        return Client(enforce_csrf_checks=True).post(
            f"/events/{self.registry.slug}/", body, content_type=kind, headers=headers
        )

    def tell(self, *told, kind=V1):
        answer = self.post(json.dumps({"events": told}), kind)
        assert answer.status_code == 204, answer.content
        return answer

    @property
    def row(self) -> Listening:
        return Listening.objects.get(registry=self.registry)

    def later(self, **ago):
        """Let everything that was heard so far have been heard so long ago."""
        by = timedelta(**ago)
        row = self.row
        row.since, row.last_at = row.since and row.since - by, row.last_at and row.last_at - by
        row.save()
        for model in (Pull, Push, HeardEvent):
            for one in model.objects.all():
                one.at -= by
                one.save()


@pytest.fixture
def hub(db) -> Registry:
    return Registry.objects.create(slug="hub", title="Hub", source="storage:/hub", kind="storage-v2")


@pytest.fixture
def teller(hub, people) -> Teller:
    _, token = listening.begin(people["admin"], hub)
    return Teller(hub, token)


def pulled(registry) -> dict:
    told = heard.of_registry(registry)
    return {(name, one): times for name, found in told.manifests.items() for one, times in found.items()}


# ---- taking it in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [V1, V2, f"{V2}; charset=utf-8"])
def test_it_works(teller, hub, kind):
    before = int(timezone.now().timestamp())
    teller.tell(event(tag="1"), event("push", number=2, tag="2"), kind=kind)
    after = int(timezone.now().timestamp())
    found = pulled(hub)
    [(agent, time)] = found["team/app", digest(1)].pulls.items()
    assert agent == "docker/27.3"
    # Our own clock counts, whatever the registry's says.
    assert before <= time <= after
    assert found["team/app", digest(2)].pushed in range(before, after + 1)
    told = heard.of_registry(hub)
    assert set(told.tags["team/app"]) == {("2", digest(2))}
    assert told.since in range(before, after + 1)
    assert Pull.objects.get().tag == "1"


def test_without_the_token_nothing_is_taken_in(teller):
    for header in ("", "Bearer", "Bearer wrong", "Basic {}", "{}", "Bearer {}x", "Bearer  ", "bearer\t{}é"):
        answer = teller.post(json.dumps({"events": [event()]}), authorization=header.format(teller.token))
        assert answer.status_code == 401
        assert not answer.cookies
    assert not Pull.objects.exists()


def test_a_registry_that_is_not_there_looks_like_one_with_another_token(teller):
    Registry.objects.create(slug="shop", title="Shop", source="storage:/shop")
    wrong = teller.post("{}", authorization="Bearer x")
    for slug in ("shop", "nowhere"):
        answer = Client().post(f"/events/{slug}/", "{}", content_type=V1, headers={"authorization": "Bearer x"})
        assert (answer.status_code, answer.content) == (wrong.status_code, wrong.content)
    other = Client().post("/events/shop/", "{}", content_type=V1, headers={"authorization": f"Bearer {teller.token}"})
    assert other.status_code == 401


def test_the_token_is_not_stored(teller):
    assert teller.token not in str(Listening.objects.values().get())


def test_only_posts_are_taken_in(teller):
    for method in ("get", "put", "delete", "head"):
        assert getattr(Client(), method)(f"/events/{teller.registry.slug}/").status_code == 405


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{}", "application/json", 415),
        ("[]", V1, 400),
        (json.dumps({"events": [event(), event() | {"target": {}}]}), V1, 400),
        (" " * (1024 * 1024 + 1), V1, 413),
    ],
)
def test_nonsense_is_refused_whole_and_counts_as_missed(teller, hub, body, kind, status):
    teller.tell(event(number=7))
    teller.later(days=40)
    assert heard.of_registry(hub).since is None  # silent for too long
    teller.tell(event(number=7))
    assert heard.of_registry(hub).since is not None
    assert teller.post(body, kind).status_code == status
    assert heard.of_registry(hub).since is None
    assert "was not understood" in teller.row.because
    assert set(pulled(hub)) == {("team/app", digest(7))}
    before = int(timezone.now().timestamp())
    teller.tell(event(number=8))
    assert heard.of_registry(hub).since >= before


def test_only_pulls_prove_that_pulls_are_told(teller, hub):
    """A registry may be told to leave pulls out (`ignore: actions: [pull]`), or manifests."""
    other = event("delete") | {"target": {"repository": "team/app", "tag": "1"}}
    teller.tell(other, event("push"))
    assert heard.of_registry(hub).since is None
    teller.tell(event(number=2))
    assert heard.of_registry(hub).since is not None
    for _ in range(5):
        teller.later(hours=6)
        teller.tell(other, event("push"))
    assert heard.of_registry(hub).since is None
    teller.tell(event(number=2))
    assert since_is_new(teller)


def test_the_same_event_counts_once(teller, hub):
    told = event()
    teller.tell(told, told)
    teller.later(minutes=30)
    [(_, first)] = pulled(hub)["team/app", digest(1)].pulls.items()
    teller.tell(told)
    assert list(pulled(hub)["team/app", digest(1)].pulls.values()) == [first]
    teller.tell(event())
    assert list(pulled(hub)["team/app", digest(1)].pulls.values()) != [first]
    assert Pull.objects.count() == 1


def test_two_events_with_one_id_are_two(teller, hub):
    one, other = event(number=1), event(number=2)
    teller.tell(one | {"id": "1"}, other | {"id": "1"})
    assert set(pulled(hub)) == {("team/app", digest(1)), ("team/app", digest(2))}
    teller.later(minutes=10)
    before = int(timezone.now().timestamp())
    teller.tell(event(number=2, tag="later") | {"id": "1"})
    assert max(pulled(hub)["team/app", digest(2)].pulls.values()) >= before


def test_a_clock_that_was_wrong_makes_nothing_look_old(teller, hub):
    teller.tell(event(), event("push", number=2, tag="2"))
    teller.later(days=-400)
    now = timezone.now()
    told = heard.of_registry(hub, now)
    assert told.since is None
    assert told.newest <= now.timestamp()
    assert max(told.manifests["team/app"][digest(1)].pulls.values()) == int(now.timestamp())
    teller.tell(event())
    assert since_is_new(teller)


def test_what_is_too_much_at_once_is_to_be_sent_again(teller, hub, monkeypatch):
    monkeypatch.setattr(view, "MOST_A_SECOND", 0)
    answer = teller.post(json.dumps({"events": [event()]}))
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert teller.row.last_at is None


def test_who_has_no_token_uses_up_nothing_of_what_a_registry_may_tell(teller, hub, monkeypatch):
    monkeypatch.setattr(view, "MOST_A_SECOND", 1)
    monkeypatch.setattr(view, "time", SimpleNamespace(time=lambda: 1_000_000_000.0))  # all in one second
    envelope = json.dumps({"events": [event()]})
    for wrong in ("Bearer guessed", "Basic x", ""):
        assert teller.post(envelope, authorization=wrong).status_code == 401
    assert teller.post(envelope).status_code == 204
    assert teller.post(envelope).status_code == 429


def test_a_busy_database_is_to_be_asked_again(teller, monkeypatch):
    from django.db import OperationalError

    def locked(*_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(events, "keep", locked)
    assert teller.post(json.dumps({"events": [event()]})).status_code == 503


def test_user_agents_are_bounded(teller, hub):
    teller.tell(*(event(agent=f"agent/{number}") for number in range(50)))
    pulls = pulled(hub)["team/app", digest(1)].pulls
    assert len(pulls) == events.MOST_AGENTS + 1
    assert "" in pulls
    teller.tell(event(agent="x" * 1000, number=2))
    assert list(pulled(hub)["team/app", digest(2)].pulls) == ["x" * 200]


# ---- who counts -----------------------------------------------------------------------------------------------


def test_scanners_do_not_count_and_we_least_of_all(teller, hub):
    for number, agent in enumerate(["Trivy/0.57", "trivy", "clair/4.8", "registryui-prune", "registryui-prune/2"]):
        teller.tell(event(agent=agent, number=number))
    assert pulled(hub) == {}
    assert heard.of_registry(hub).since is not None
    for number, agent in enumerate(["docker/27.3 go/go1.22 (trivy)", "containerd/1.7", "skopeo/1.9.3", ""]):
        teller.tell(event(agent=agent, number=number))
    assert len(pulled(hub)) == 4


def test_who_counts_can_be_changed_and_counts_backwards_too(teller, hub, client_of):
    teller.tell(event(agent="trivy/1"), event(number=2, agent="ours/1"))
    form = {"ignored_agents": "ours/.*\r\n\r\n", "quiet_hours": 12, "restart_is_gap": "on"}
    client_of("admin").post("/r/hub/events/change/", form)
    assert list(pulled(hub)) == [("team/app", digest(1))]
    assert teller.row.quiet_hours == 12
    answer = client_of("admin").post("/r/hub/events/change/", form | {"ignored_agents": "("})
    assert "errorlist" in answer.content.decode()
    answer = client_of("admin").post("/r/hub/events/change/", form | {"ignored_agents": ".*"})
    assert "matches everything or nothing; name scanners" in answer.content.decode()
    assert teller.row.ignored_agents == "ours/.*"


def test_our_own_requests_are_never_counted_whatever_the_setting(teller, hub):
    Listening.objects.update(ignored_agents="")
    teller.tell(event("push", agent="registryui-prune"), event(agent="registryui-prune"))
    assert pulled(hub) == {}


# ---- gaps -----------------------------------------------------------------------------------------------------


def since_is_new(teller) -> bool:
    return timezone.now() - teller.row.since < timedelta(minutes=1)


def test_a_silence_is_a_gap(teller, hub):
    teller.tell(event())
    teller.later(hours=23)
    teller.tell(event())
    assert not since_is_new(teller)
    teller.later(hours=25)
    assert heard.of_registry(hub).since is None
    teller.tell(event())
    assert since_is_new(teller)
    assert teller.row.because == "No pull was told for more than 24 hours before."


@pytest.mark.parametrize(("gap", "new"), [(True, True), (False, False)])
def test_a_restart_is_a_gap_unless_the_operator_says_otherwise(teller, gap, new):
    Listening.objects.update(restart_is_gap=gap)
    teller.tell(event(instance="one"))
    teller.later(hours=1)
    teller.tell(event(instance="one"))
    assert not since_is_new(teller)
    teller.tell(event(instance="two"))
    assert since_is_new(teller) == new
    teller.later(hours=1)
    teller.tell(event(instance="one"), event(instance="two"))
    assert not since_is_new(teller)


def test_a_restart_is_seen_in_what_else_it_tells(teller):
    teller.tell(event())
    teller.later(hours=1)
    teller.tell(event("delete", instance="two"))
    assert since_is_new(teller)


def test_who_does_not_say_which_process_tells_may_have_been_restarted(teller):
    teller.tell(event())
    teller.later(hours=1)
    teller.tell(event() | {"source": {}})
    assert since_is_new(teller)


def test_another_token_begins_anew(teller, hub, people):
    teller.tell(event())
    _, token = listening.begin(people["admin"], hub)
    assert teller.post(json.dumps({"events": [event()]})).status_code == 401
    assert heard.of_registry(hub).since is None
    Teller(hub, token).tell(event())
    assert since_is_new(teller)


def test_another_address_is_a_gap(shop, people, tmp_path):
    teller = Teller(shop, listening.begin(people["admin"], shop)[1])
    teller.tell(event())
    shop.title = "Shop"
    registries.change(people["admin"], shop)
    assert teller.row.since is not None
    demo.build_v2(tmp_path / "other")
    shop.source = f"storage:{tmp_path / 'other'}"
    registries.change(people["admin"], shop)
    assert (teller.row.since, teller.row.because) == (None, "The address of the registry was changed.")


@pytest.mark.parametrize(("ahead", "later"), [(0, 0), (5, 5), (60, 60), (61, 60), (10**8, 60)])
def test_a_clock_that_is_ahead_does_not_make_everything_old(shop, ahead, later):
    now = int(timezone.now().timestamp())
    known = inventories.of_registry(shop)._replace(newest=now + ahead)
    assert inventories.moment(known) in range(now + later, now + later + 60)


def test_what_is_too_old_is_forgotten_and_nothing_is_said_of_that_time(teller, hub):
    teller.tell(event(), event("push"))
    teller.later(days=1101)
    Listening.objects.update(last_at=timezone.now())
    teller.tell(event(number=2))
    events.tidy()
    assert list(pulled(hub)) == [("team/app", digest(2))]
    assert HeardEvent.objects.count() == 1
    edge = int((timezone.now() - events.KEPT).timestamp())
    assert abs(heard.of_registry(hub).since - edge) < 60


# ---- what policies make of it ---------------------------------------------------------------------------------


def test_what_was_pushed_by_a_tag_counts_for_what_it_points_at(shop, people):
    _, token = listening.begin(people["admin"], shop)
    snapshot = inventories.of_registry(shop).inventory.snapshot
    name, repository = next((name, one) for name, one in snapshot.repositories.items() if len(one.tags) > 1)
    (tag, points_at), (other, _) = sorted(repository.tags.items())[:2]
    one = event("push", tag=tag, repository=name)
    one["target"]["digest"] = points_at
    moved = event("push", tag=other, repository=name)
    Teller(shop, token).tell(one, moved)
    told = heard.of_registry(shop)
    assert told.manifests[name][points_at] == Times(pushed=told.newest)
    known = inventories.of_registry(shop, told)
    shelf = next(shelf for shelf in known.inventory.shelves if shelf.name == name)
    assert shelf._noticed(shelf.items[0]).pushed == told.newest
    assert shelf._noticed(shelf.items[1]).pushed is None
    assert known.newest >= told.newest


def test_pulls_under_another_name_count_for_what_has_the_same_manifest(shop, people):
    teller = Teller(shop, listening.begin(people["admin"], shop)[1])
    snapshot = inventories.of_registry(shop).inventory.snapshot
    name, repository = next((name, one) for name, one in snapshot.repositories.items() if one.tags)
    tag, points_at = min(repository.tags.items())
    stray = event(repository=f"behind/the-proxy/{name}")
    stray["target"]["digest"] = points_at
    teller.tell(stray)
    told = heard.of_registry(shop)
    known = inventories.of_registry(shop, told)
    assert known.inventory.facts.pulls_since == told.since is not None
    shelf = next(shelf for shelf in known.inventory.shelves if shelf.name == name)
    [pulls] = [pulls for item, pulls in zip(shelf.items, shelf.pulls, strict=True) if item.tag == tag]
    assert pulls == {"docker/27.3": told.newest}


def test_what_can_only_be_of_another_registry_is_not_relied_on(shop, people):
    teller = Teller(shop, listening.begin(people["admin"], shop)[1])
    teller.tell(event(number=77))
    told = heard.of_registry(shop)
    assert told.since is not None
    assert inventories.of_registry(shop, told).inventory.facts.pulls_since is None


UNPULLED = """\
delete: [{id: unpulled, tag: '.*', older_than: {age: 30d, by: pulled}}]
guards: {min_age: null, min_tags_left: null}
"""


def test_a_policy_lets_go_what_was_pulled_long_ago_and_nothing_when_something_was_missed(shop, people):
    version = policies.create(people["proposer"], "Unused", "shop", UNPULLED)
    policy = policies.activate(people["proposer"], version)

    def outcome():
        run = policy_runs.ask(people["proposer"], policy, shop)
        policy_runs.perform(run.pk)
        run.refresh_from_db()
        return run

    run = outcome()
    assert run.state == "failed"
    assert "nothing reports pulls of this registry" in run.message

    snapshot = inventories.of_registry(shop).inventory.snapshot
    name, repository = next(
        (name, one) for name, one in snapshot.repositories.items() if len({*one.tags.values()}) > 1
    )
    first, second = sorted({*repository.tags.values()})[:2]
    teller = Teller(shop, listening.begin(people["admin"], shop)[1])

    def pull(digest, **more):
        told = event(repository=name, **more)
        told["target"]["digest"] = digest
        teller.tell(told)

    pull(first)
    pull(second)
    teller.later(days=40)
    Listening.objects.update(last_at=timezone.now())
    pull(second)
    pull(first, agent="Trivy/0.57")
    run = outcome()
    assert run.state == "proposed"
    plan = proposals.plan_of(run.proposal)
    assert {snapshot.repositories[name].tags[ref.partition(":")[2]] for ref in plan.request.delete} == {first}

    pull(second, instance="restarted")
    assert outcome().state == "nothing"


@pytest.mark.real
def test_a_registry_that_does_not_tell_of_what_we_ask_is_not_believed(people, tmp_path):
    with servers.registry(tmp_path / "store", tmp_path) as server:
        layout = Layout(tmp_path / "layout")
        layout.image(layout.layer("a"), tag="a")
        servers.push(layout, "a", server, "team/app:a")
        silent = watched(f"http://{server.host}", "silent")
        assert not listening.confirm(silent)
        listening.begin(people["admin"], silent)
        assert not listening.confirm(silent)
        Listening.objects.update(since=timezone.now(), last_at=timezone.now())
        assert not listening.confirm(silent, patience=0.3)
        server.stop()
        assert not listening.confirm(silent, patience=0.3)


def test_a_registry_that_cannot_be_asked_is_believed_when_nothing_waits_to_be_told(teller, hub):
    held_up = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.707329158Z"
    for when in (held_up, "", "yesterday", "2026-13-45T99:00:00Z"):
        teller.tell(event(timestamp=when))
        assert not listening.confirm(hub), when
    teller.tell(event("push"))
    assert not listening.confirm(hub)
    teller.tell(event())
    assert listening.confirm(hub)
    Listening.objects.update(prompt_at=timezone.now() - listening.LATELY)
    assert not listening.confirm(hub)
    Listening.objects.update(prompt_at=timezone.now() + timedelta(days=300))  # the clock was wrong for a while
    assert not listening.confirm(hub)


@pytest.mark.parametrize("late", ["pull", "push"])
def test_nor_is_one_believed_that_tells_what_was_waiting_whatever_it_told_in_time_before(teller, hub, late):
    """The dashboard was away: what comes first when it is back was waiting, and there is more behind it."""
    teller.tell(event())
    assert listening.confirm(hub)
    held_up = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.707329158Z"
    teller.tell(event(late, timestamp=held_up))
    assert not listening.confirm(hub)
    teller.tell(event())
    assert listening.confirm(hub)


def test_nor_is_what_was_told_before_the_dashboard_was_started(teller, hub):
    """It may have been away for long, and what was waiting comes only now."""
    teller.tell(event())
    assert listening.confirm(hub)
    listening.started()
    assert not listening.confirm(hub)
    teller.tell(event())
    assert listening.confirm(hub)


def test_who_was_not_heard_of_for_an_hour_is_asked_once(teller, hub):
    type(hub).objects.update(kind="registry-v2")
    teller.tell(event())
    assert listening.look() == 0
    teller.later(minutes=61)
    assert listening.look() == 1
    assert listening.look() == 0
    type(hub).objects.update(kind="storage-v2")
    Listening.objects.update(asked_at=None)
    assert listening.look() == 0


def test_pages(teller, client_of, hub):
    admin, viewer = client_of("admin"), client_of("viewer")
    assert "No event has come yet" in viewer.get("/r/hub/").content.decode()
    assert "waiting for the first event" in viewer.get("/r/hub/events/").content.decode()
    teller.tell(event())
    assert "Every pull</a> is known since" in viewer.get("/r/hub/").content.decode()
    page = viewer.get("/r/hub/events/").content.decode()
    assert "Make another token" not in page
    assert "<form" not in page.split("<main")[1].split("</main")[0]
    answer = admin.post("/r/hub/events/token/")
    assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert 'Authorization: ["Bearer ' in answer.content.decode().replace("&quot;", '"')
    assert "Bearer" not in admin.get("/r/hub/events/").content.decode()
    admin.post("/r/hub/events/anew/")
    assert "Somebody said so." in admin.get("/r/hub/events/").content.decode()
    admin.post("/r/hub/events/stop/")
    assert "Make a token" in admin.get("/r/hub/events/").content.decode()
    assert teller.post("{}").status_code == 401
    words = admin.get("/history/").content.decode()
    assert "made a token for events of" in words
    assert "no longer listens to events of" in words


def test_patterns_are_checked():
    assert listening.checked_agents(" a.* \r\n\r\nb\r\n") == "a.*\nb"
    with pytest.raises(NotNow, match="matches everything or nothing"):
        listening.checked_agents("a*")


def test_an_echo_of_an_earlier_request_does_not_confirm_what_may_wait_behind_it(teller, hub, monkeypatch):
    hub.kind = "registry-v2"
    hub.save()
    teller.tell(event())
    told = []

    def late(registry, word=""):
        """The registry was held up: it tells of our scan only now, and what others pulled since comes after."""
        told.append(word)
        teller.tell(event(agent="registryui-prune"))
        return True

    monkeypatch.setattr(listening, "_touch", late)
    assert not listening.confirm(hub, patience=0.3)

    def caught_up(registry, word=""):
        teller.tell(event(agent="registryui-prune"), event(agent=f"registryui-prune/{word}"))
        return True

    monkeypatch.setattr(listening, "_touch", caught_up)
    assert listening.confirm(hub, patience=30)
    assert len(set(told)) == 1
    assert pulled(hub).keys() == {("team/app", digest(1))}
    [(agent, _)] = pulled(hub)["team/app", digest(1)].pulls.items()
    assert agent == "docker/27.3"
