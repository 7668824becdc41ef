"""A policy on a real registry whose images run on a real engine: what runs stays, says so, and is pulled again."""

import json

import pytest

from prune.cli import main
from tests.engines import RegistryContainer
from tests.stores import V2Store

pytestmark = pytest.mark.real

POLICY = """
protect: [{id: running, in_use: true}]
delete: [{id: all, tag: '.*'}]
guards: {min_age: null}
"""


def test_what_a_container_runs_stays_and_says_so(engine, tmp_path, capsys):
    hub = RegistryContainer(engine, "hub")
    for tag in ("1", "2", "3"):
        engine.build(f"FROM base:1\nLABEL version={tag}\n", f"{hub.host}/team/app:{tag}")
        list(engine.api.push(f"{hub.host}/team/app", tag=tag, stream=True))
    engine.client.containers.run(f"{hub.host}/team/app:2", name="web", detach=True, network_mode="host")
    before = hub.pull_all()
    policy, file = tmp_path / "policy.yaml", tmp_path / "plan.json"
    policy.write_text(POLICY)
    arguments = ["plan", hub.source, "--policy", str(policy), "--json"]

    # The engine cannot be asked: everything stays.
    assert main([*arguments, "--in-use", f"docker:unix://{tmp_path}/none"]) == 0
    assert json.loads(capsys.readouterr().out)["delete"]["tags"] == []

    assert main([*arguments, "--in-use", engine.source, "--out", str(file)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [tag["tag"] for tag in plan["delete"]["tags"]] == ["1", "3"]
    (kept,) = [one for one in plan["keep"] if one.get("tag") == "2"]
    assert f"running (because container web on {engine.source} runs it) keeps it" in kept["reasons"][0]

    hub.stop()
    assert main(["apply", hub.source, str(file), "--yes", "--registry-stopped", "by the test"]) == 0
    hub.start()
    assert hub.pull_all() == {key: what for key, what in before.items() if key == ("team/app", "2")}
    store = V2Store(hub.root)
    for tag in plan["delete"]["tags"]:
        assert not store.blob_path(tag["digest"]).exists()
    # The engine itself pulls what its container runs.
    engine.api.stop("web", timeout=0)
    engine.api.remove_container("web")
    engine.api.remove_image(f"{hub.host}/team/app:2", force=True)
    assert engine.client.images.pull(f"{hub.host}/team/app", tag="2").labels == {"version": "2"}
