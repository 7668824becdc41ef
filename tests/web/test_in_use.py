"""What a real engine runs is kept by policies, and the pages say so."""

import pytest

from registryui.models import InUsePlace, PolicyRun
from registryui.services import in_use, policies, policy_runs, proposals, registries
from tests.engines import RegistryContainer
from tests.web.conftest import watched
from tests.web.test_proposals import work

pytestmark = [pytest.mark.django_db, pytest.mark.real]

POLICY = """\
protect: [{id: running, in_use: true}]
delete: [{id: all, tag: '.*', repositories: [team/app]}]
guards: {min_age: null, min_tags_left: null}
"""


def looked(person, policy, registry) -> PolicyRun:
    run = policy_runs.ask(person, policy, registry)
    policy_runs.perform(run.pk)
    run.refresh_from_db()
    return run


def test_what_a_container_runs_stays_and_the_page_says_who(engine, people, client_of, tmp_path):
    hub = RegistryContainer(engine, "hub")
    for tag in "123":
        engine.build(f"FROM base:1\nLABEL n={tag}\n", f"{hub.host}/team/app:{tag}")
        list(engine.api.push(f"{hub.host}/team/app", tag=tag, stream=True, decode=True))
    before = {tag: hub.pull("team/app", tag) for tag in "12"}
    engine.client.containers.run(f"{hub.host}/team/app:1", name="web", detach=True, network_mode="host")
    registry = watched(
        hub.source, "hub", control_statement="test", run_on_approval=True, in_use_places=f"docker:{engine.url}"
    )
    version = policies.create(people["proposer"], "All", "hub", POLICY)
    policy = policies.activate(people["proposer"], version)
    proposal = looked(people["proposer"], policy, registry).proposal
    assert proposals.plan_of(proposal).request.delete == ("team/app:2", "team/app:3")
    page = client_of("viewer").get(f"/proposals/{proposal.pk}/").content.decode()
    assert f"container web on docker:{engine.url} runs it" in page
    page = client_of("viewer").get("/r/hub/").content.decode()
    assert "in use</span>" in page
    assert "take everything" not in page

    # Somebody deploys after the plan was made: it is seen right before anything goes.
    engine.client.containers.run(f"{hub.host}/team/app:2", name="late", detach=True, network_mode="host")
    hub.stop()
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "stale"
    assert "container late on" in proposal.runs.get().message
    proposals.refresh(people["proposer"], proposal)
    proposal.refresh_from_db()
    assert proposals.plan_of(proposal).request.delete == ("team/app:3",)
    proposals.approve(people["approver"], proposal, proposal.plan.digest)
    work()
    proposal.refresh_from_db()
    assert proposal.state == "done"
    hub.start()
    assert {tag: hub.pull("team/app", tag) for tag in "12"} == before
    assert hub.get("/v2/team/app/manifests/3")[0] == 404

    # An engine that cannot be asked runs everything, as far as anybody knows.
    registry.refresh_from_db()
    registry.in_use_places = f"docker:unix://{tmp_path}/none"
    registries.change(None, registry)
    run = looked(people["proposer"], policy, registry)
    assert run.state == "nothing"
    page = client_of("viewer").get("/r/hub/").content.decode()
    assert "could not tell" in page
    assert "take everything that they could mean as in use" in page


def test_places_are_asked_once_in_a_while(seed, engine, settings, django_capture_on_commit_callbacks):
    place = InUsePlace.objects.create(registry=seed, place=f"docker:{engine.url}")
    assert in_use.look() == 1
    assert in_use.look() == 0
    assert in_use.ask_place(place).complete
    settings.IN_USE_SECONDS = 0
    assert in_use.look() == 1
