"""A real registry tells a real dashboard who pulled, and a policy lets go what nobody did."""

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.browser.conftest import ROOT
from tests.layouts import Layout
from tests.servers import ACCEPT, Registry, push, skopeo

pytestmark = pytest.mark.real

SETUP = "import django, json, sys; django.setup()\n"

ADD = """
from registryui.models import Registry
from registryui.services import registries, scans
hub = Registry(slug="hub", title="Hub", source=sys.argv[1], run_on_approval=True, control_statement="none")
registry = registries.add(None, hub)
scans.perform(scans.request(None, registry).pk)
"""

HEARD = """
from registryui.models import Listening, Pull, Push
pulls = [[one.repository, one.tag, one.agent.partition("/")[0]] for one in Pull.objects.order_by("pk")]
print(json.dumps([pulls, [[one.repository, one.tag] for one in Push.objects.order_by("pk")]]))
"""

FORTY_DAYS_LATER = """
from datetime import timedelta
from registryui.models import Listening, Push, TagSighting
days = timedelta(days=40)
for one in Listening.objects.all():
    Listening.objects.filter(pk=one.pk).update(since=one.since - days)
for one in TagSighting.objects.filter(repository__registry__slug="hub"):
    TagSighting.objects.filter(pk=one.pk).update(first_seen=one.first_seen - days)
"""

POLICY = """
from django.contrib.auth.models import User
from registryui.models import Registry
from registryui.services import policies, policy_runs
user = User.objects.get(username="proposer")
text = '''
keep: [{id: active, active_within: 30d}]
delete: [{id: unused, tag: '.*'}]
guards: {min_tags_left: 1}
'''
policy = policies.activate(user, policies.create(user, "Unused", "hub", text))
policy_runs.ask(user, policy, Registry.objects.get(slug="hub"))
"""


def run(dashboard, script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SETUP + script, *arguments],
        env=dashboard.environment | {"DJANGO_SETTINGS_MODULE": "registryui.settings"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def heard(dashboard, pulls: int, pushes: int) -> tuple[list[list[str]], list[list[str]]]:
    """What the dashboard was told, as soon as it is so much."""
    over = time.monotonic() + 60
    while time.monotonic() < over:
        told = json.loads(run(dashboard, HEARD))
        if [len(one) for one in told] == [pulls, pushes]:
            return told
        time.sleep(0.2)
    raise AssertionError(told)


def pull_as(server: Registry, tag: str, agent: str) -> None:
    request = urllib.request.Request(f"http://{server.host}/v2/team/app/manifests/{tag}")
    request.add_header("User-Agent", agent)
    request.add_header("Accept", ACCEPT)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def test_what_nobody_pulls_goes_and_what_somebody_does_stays(visit, dashboard, tmp_path):
    layout = Layout(tmp_path / "layout")
    for tag in "abcd":
        layout.image(layout.layer(tag), tag=tag, version=tag)
    server = Registry(tmp_path / "store", tmp_path)
    server.start()
    try:
        for tag in "abc":
            push(layout, tag, server, f"team/app:{tag}")
        run(dashboard, ADD, f"http://{server.host}")

        admin = visit("admin")
        admin.page.goto("/r/hub/events/")
        admin.page.click("button:has-text('Make a token')")
        snippet = admin.page.text_content("#token pre")
        admin.shot("events-token")
        server.stop()
        # Word for word what the page says goes into the configuration.
        server.config.write_text(server.config.read_text() + snippet)
        server.start()

        skopeo(f"docker://{server.host}/team/app:a", f"dir:{tmp_path}/pulled")
        pull_as(server, "b", "Trivy/0.57")
        push(layout, "d", server, "team/app:d")
        pulls, pushes = heard(dashboard, 2, 1)
        assert pulls == [["team/app", "a", "skopeo"], ["team/app", "b", "Trivy"]]
        assert pushes == [["team/app", "d"]]
        admin.page.goto("/r/hub/events/")
        admin.page.wait_for_selector(".state.big:text-is('listening')")
        assert "Bearer" not in admin.page.content()
        admin.shot("events")

        before = {tag: server.pull("team/app", tag) for tag in "ad"}
        heard(dashboard, 4, 1)  # these were pulls as well, by nobody in particular
        run(dashboard, "from registryui.models import Pull; Pull.objects.filter(agent='').delete()")
        run(dashboard, FORTY_DAYS_LATER)
        run(dashboard, POLICY)
        proposal = _proposal(admin.page)
        main = admin.page.inner_text("main")
        assert "team/app:b" in main
        assert "team/app:c" in main

        approver = visit("approver")
        approver.page.goto(proposal)
        approver.page.click("button:has-text('Approve')")
        approver.page.wait_for_selector(".state.big.done", timeout=60_000)
        assert server.tags("team/app") == ["a", "d"]
        assert {tag: server.pull("team/app", tag) for tag in "ad"} == before
        # Its own looks at every tag were told of, and are nobody's pulls.
        agents = {agent for _, _, agent in json.loads(run(dashboard, HEARD))[0]}
        assert agents <= {"skopeo", "Trivy", ""}
    finally:
        server.stop()


def _proposal(page) -> str:
    """The address of the proposal that the policy makes, once it is there."""
    over = time.monotonic() + 90
    while time.monotonic() < over:
        page.goto("/policies/p/unused/")
        state = page.locator("h2:has-text('Runs') + div tbody tr").first.inner_text()
        if "proposed #1" in state:
            page.goto("/proposals/1/")
            return "/proposals/1/"
        assert "failed" not in state, state
        assert "nothing" not in state, state
        time.sleep(0.3)
    raise AssertionError(state)
