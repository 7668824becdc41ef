"""A real registry's own garbage collection: tried, compared with the plan, and only then run."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from prune.cli import main
from prune.model.errors import Refused
from prune.reclaim.apply import apply
from prune.reclaim.collection.base import CollectionFailed
from prune.reclaim.collection.docker import DockerCollector
from prune.reclaim.collection.output import Output
from prune.reclaim.control.base import WindowOver
from prune.reclaim.control.docker import DockerControl
from prune.reclaim.control.hold import held_now
from prune.reclaim.restore import restore
from tests.control.conftest import plan_for
from tests.stores import data_bytes

D, E = "sha256:" + "d" * 64, "sha256:" + "e" * 64

V2 = f"""team/app
team/app: marking manifest {E}
team/app: marking blob {E}

4 blobs marked, 1 blobs and 0 manifests eligible for deletion
blob eligible for deletion: {D}
"""
V3 = V2 + f"team/app: layer link eligible for deletion: {D}\n"


#: As 3.1 prints it with `-m`, of a store with an index and a manifest without a tag: a blank after what is marked, an
#: index's children marked as blobs before their turn comes, links of layers last.
V3_UNTAGGED = f"""multi
multi: marking manifest sha256:{"1" * 64}\x20
multi: marking blob sha256:{"2" * 64}
multi: marking manifest sha256:{"2" * 64}\x20
multi/nested
multi/nested: marking manifest sha256:{"3" * 64}\x20
team/app
manifest eligible for deletion: {{team/app {E} [1.0 stable sha256-{"1" * 64}.sig]}}

3 blobs marked, 2 blobs and 1 manifests eligible for deletion
blob eligible for deletion: {E}
blob eligible for deletion: {D}
team/app: layer link eligible for deletion: {D}
"""


def understood(text: str):
    output = Output()
    for line in text.splitlines():
        output.line(line)
    return output.eligible()


def test_both_versions_are_understood():
    assert understood(V2).blobs == {D}
    assert not understood(V2).layer_links
    assert understood(V3).layer_links == {("team/app", D)}
    untagged = understood(V3_UNTAGGED)
    assert untagged.blobs == {D, E}
    assert untagged.layer_links == {("team/app", D)}
    assert untagged.manifests == (f"{{team/app {E} [1.0 stable sha256-{'1' * 64}.sig]}}",)


@pytest.mark.parametrize(
    "text",
    ["", "team/app\n", V2.replace("1 blobs and", "2 blobs and"), V2.replace(f"deletion: {D}", "deletion: sha256:12"),
     V2.replace("0 manifests", "1 manifests"), V2.split("4 blobs")[0], V3.replace(f"link eligible for deletion: {D}",
     "link eligible for deletion: ../../x")],
)  # fmt: skip
def test_what_does_not_add_up_is_not_understood(text):
    with pytest.raises(CollectionFailed):
        understood(text)


def collecting(contained, mode="stop") -> dict:
    control = DockerControl("main", mode, engine=contained.engine.url, seconds=60)
    return {"control": control, "collector": DockerCollector(control)}


def kept_of(contained) -> dict:
    return {key: what for key, what in contained.before.items() if key == ("team/app", "1.0")}


@pytest.mark.real
@pytest.mark.parametrize("mode", ["stop", "readonly"])
def test_it_removes_the_blobs_of_the_plan_and_the_registry_serves_again(contained, tmp_path, capsys, mode):
    _, plan = plan_for(contained.source, "team/app:2.0", "lonely")
    was, size = contained.attributes(), data_bytes(contained.root)
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    words = f"docker:main,mode={mode},engine={contained.engine.url}"
    arguments = ["apply", contained.source, str(file), "--yes", "--json", "--control", words, "--registry-gc"]
    assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["state"], said["skipped"], said["trash"]) == ("done", [], None)
    assert said["freed_bytes"] == plan.freed_bytes == size - data_bytes(contained.root) > 0
    assert not any(contained.root.glob(".registryui/runs/*/files"))
    assert contained.attributes() == was
    assert len(contained.engine.api.containers(all=True)) == 1
    assert contained.pull_all() == kept_of(contained)
    with pytest.raises(Refused, match="cannot be brought back"):
        restore(plan_for(contained.source)[0], said["run"])
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["trash"] is None


def tree_of(contained) -> dict:
    return {
        path: path.read_bytes()
        for path in contained.root.rglob("*")
        if path.is_file() and ".registryui" not in path.parts
    }


@pytest.mark.real
def test_one_blob_too_many_and_nothing_is_deleted(contained):
    """Garbage that nobody asked to sweep, and an image that this version does not see at all."""
    (contained.root / "docker/registry/v2/blobs/sha256/dd" / ("d" * 64)).mkdir(parents=True)
    (contained.root / "docker/registry/v2/blobs/sha256/dd" / ("d" * 64) / "data").write_bytes(b"fresh")
    source, plan = plan_for(contained.source, "lonely")
    before = tree_of(contained)
    outcome = apply(source, plan, **collecting(contained))
    assert (outcome.state, outcome.done, outcome.freed_bytes, outcome.trash) == ("failed", 0, 0, None)
    assert [(one.item, one.reason) for one in outcome.skipped] == [(D, "it is not in the plan, or must stay for now")]
    assert "Nothing was deleted" in outcome.message
    assert tree_of(contained) == before
    assert contained.pull_all() == contained.before
    # 2.8 knows a repository by its _layers: without them it would take all that is in it.
    layers = contained.root / "docker/registry/v2/repositories/team/app/_layers"
    shutil.move(layers, contained.root.parent / "aside")
    outcome = apply(source, plan, **collecting(contained))
    assert outcome.state == "failed"
    assert any(one.reason.startswith("team/app@") for one in outcome.skipped)
    shutil.move(contained.root.parent / "aside", layers)
    assert tree_of(contained) == before
    assert contained.pull_all() == contained.before


@pytest.mark.real
def test_one_that_fails_gives_everything_back(contained, monkeypatch):
    source, plan = plan_for(contained.source, "lonely")
    before = tree_of(contained)
    monkeypatch.setattr(
        DockerCollector, "dry_run", lambda self, former, look: self._run(former, ("--nonsense",), "trying", look)
    )
    outcome = apply(source, plan, **collecting(contained))
    assert outcome.state == "failed"
    assert "did not say how much" in outcome.message  # this version ends with 0 all the same
    assert "all tags and links are back" in outcome.message
    assert tree_of(contained) == before
    assert contained.pull_all() == contained.before


@pytest.mark.real
def test_the_window_ends_it_and_it_goes_on_another_time(contained, monkeypatch):
    source, plan = plan_for(contained.source, "lonely")

    def over(self):
        raise WindowOver("The registry was held long enough.")

    with monkeypatch.context() as patched:
        patched.setattr("prune.reclaim.collection.run.Collection._look", lambda self, what, done: over(self))
        outcome = apply(source, plan, **collecting(contained))
    assert outcome.state == "failed"
    contained.await_answer()
    assert len(contained.engine.api.containers(all=True)) == 1
    assert {key: what for key, what in contained.before.items() if key[0] == "team/app"} == contained.pull_all()
    again = apply(source, plan, **collecting(contained))
    assert (again.state, again.run, again.freed_bytes) == ("done", outcome.run, plan.freed_bytes)


KILLED = """
import os, signal, sys
from prune.reclaim.collection.docker import DockerCollector
def deadly(name, late):
    plain = getattr(DockerCollector, name)
    def dying(self, former, look):
        if late:
            plain(self, former, look)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(DockerCollector, name, dying)
deadly(sys.argv[1], sys.argv[2] == "late")
from prune.cli import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.real
@pytest.mark.parametrize(("step", "when"), [("dry_run", "late"), ("collect", "early"), ("collect", "late")])
def test_a_killed_process_loses_nothing_and_the_next_finishes(contained, tmp_path, step, when):
    source, plan = plan_for(contained.source, "team/app:2.0", "lonely")
    was, size = contained.attributes(), data_bytes(contained.root)
    file = tmp_path / "plan.json"
    file.write_bytes(plan.to_json())
    words = f"docker:main,engine={contained.engine.url}"
    arguments = ["apply", contained.source, str(file), "--yes", "--control", words, "--registry-gc"]
    done = subprocess.run([sys.executable, "-c", KILLED, step, when, *arguments], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert held_now(source.store) is not None
    outcome = apply(source, plan, **collecting(contained))
    assert (outcome.state, outcome.freed_bytes) == ("done", plan.freed_bytes)
    assert size - data_bytes(contained.root) == plan.freed_bytes
    assert contained.attributes() == was
    assert contained.pull_all() == kept_of(contained)


def test_it_needs_the_container(tmp_path, capsys):
    assert main(["apply", f"storage:{tmp_path}", "x", "--yes", "--registry-stopped", "x", "--registry-gc"]) == 2
    assert "--control docker:NAME" in capsys.readouterr().err
