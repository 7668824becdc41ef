"""A real Docker Engine: what is in it, what may go, and the way back."""

import io
import json
import shutil
import subprocess
import tarfile
import time

import pytest

from prune.cli import main
from prune.model.errors import Refused, SourceError, Stale, UsageError
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.reclaim import engine as engine_runs
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.reclaim.trash import empty_trash
from prune.sources.open import open_source
from tests.engines import Engine

pytestmark = pytest.mark.real

_BUILT: list[bytes] = []


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def filled(engine) -> Engine:
    """base:1 <- … <- app:1 <- app:2 = app:latest = hub:5000/team/app:2, other:1 beside it, and one without a name."""
    if not _BUILT:
        engine.build("FROM base:1\nLABEL a=1\nCOPY one /one\n", "app:1", one=b"1" * 1000)
        engine.build("FROM app:1\nCOPY two /two\n", "app:2", "app:latest", "hub:5000/team/app:2", two=b"2" * 2000)
        engine.build("FROM base:1\nCOPY six /six\n", "other:1", six=b"6" * 6000)
        # With the steps in between, so that loading them again gives everything back, parents too.
        names = {image["Id"] for image in engine.api.images(all=True)}
        url = f"{engine.api.base_url}/v{engine.api.api_version}/images/get"
        _BUILT.append(engine.api.get(url, params={"names": [*engine.names(), *names]}).content)
    else:
        list(engine.api.load_image(_BUILT[0]) or ())
    engine.pack("lost:1", {"/lost": b"9" * 9000})
    engine.api.tag("base:1", "lost", "1")
    engine.api.remove_image("lost:1")
    return engine


def plan_of(engine: Engine, *refs: str, sweep: bool = False, later: int = 0):
    source = open_source(engine.source)
    return source, make_plan(source.scan(), Request(refs, sweep, grace=3600), now=int(time.time()) + later)


def inspected(engine: Engine) -> dict[str, dict]:
    """What the engine says of each image, but for when it was last named."""
    found = {id_: engine.api.inspect_image(id_) for id_ in engine.ids()}
    for image in found.values():
        del image["Metadata"]
        image["RepoTags"].sort()
    return found


def naive(engine: Engine, names: set[str]) -> set[str]:
    """The ids of what must go with ``names``: slowly, from what the engine says of each image alone."""
    images = {image["Id"]: image for image in engine.api.images(all=True)}
    used = {container["ImageID"] for container in engine.api.containers(all=True)}
    above = {engine.names()[name] for name in names}
    reach = set()
    for id_ in above:
        while id_:
            reach.add(id_)
            id_ = images[id_]["ParentId"]
    gone: set[str] = set()
    while True:
        more = {
            id_
            for id_ in reach - gone
            if not set(images[id_]["RepoTags"] or ()) - names - {"<none>:<none>"}
            and id_ not in used
            and not any(other["ParentId"] == id_ for other in images.values() if other["Id"] not in gone)
        }
        if not more:
            return gone
        gone |= more


def test_what_is_in_it(filled):
    filled.client.containers.create("other:1", name="sleeper", network_mode="host")
    snapshot = open_source(filled.source).scan()
    assert {f"{r.name}:{tag}": id_ for r in snapshot.repositories.values() for tag, id_ in r.tags.items()} == (
        filled.names()
    )
    assert snapshot.images.keys() == filled.ids()
    for id_, image in snapshot.images.items():
        said = filled.api.inspect_image(id_)
        assert (image.parent or "") == said["Parent"]
        assert sum(snapshot.images[one].size for one in image.ancestry) == said["Size"]
    assert snapshot.images[filled.id("other:1")].held_by == ("sleeper",)
    summary = summarise(snapshot)
    assert (summary.kind, summary.bytes) == ("docker-engine", filled.layer_bytes())
    assert (summary.tags, summary.unreferenced_bytes) == (len(filled.names()), 9000)
    assert open_source(filled.source).scan(known=snapshot) == snapshot


@pytest.mark.parametrize(
    ("refs", "freed"),
    [
        (("app:1",), 0),
        (("app:latest",), 0),
        (("app:2", "app:latest", "hub:5000/team/app:2"), 2000),
        (("app", "hub:5000/team/app"), 3000),
        (("other", "app"), 6000),
    ],
)
def test_what_goes_is_what_nothing_needs_and_comes_back(filled, refs, freed):
    names = {name for name in filled.names() if name in refs or name.rpartition(":")[0] in refs}
    before, size = inspected(filled), filled.layer_bytes()
    source, plan = plan_of(filled, *refs)
    going = {image.id for image in plan.delete.images}
    assert going == naive(filled, names)
    assert {f"{tag.repository}:{tag.tag}" for tag in plan.delete.tags} == names
    assert plan.freed_bytes == freed
    outcome = apply(source, plan, stopped=None)
    assert (outcome.state, outcome.freed_bytes, outcome.skipped) == ("done", freed, ())
    assert filled.ids() == before.keys() - going
    assert not names & filled.names().keys()
    assert size - filled.layer_bytes() == freed
    left = inspected(filled)
    for id_, image in left.items():
        gone = {tag for tag in before[id_]["RepoTags"] if tag in names}
        assert image == {**before[id_], "RepoTags": [tag for tag in before[id_]["RepoTags"] if tag not in gone]}
    assert apply(source, plan, stopped=None).message == "This plan was carried out before."
    restored = restore(source, outcome.run)
    assert (restored.state, restored.done) == ("done", outcome.done)
    assert inspected(filled) == before
    assert filled.layer_bytes() == size


def test_an_image_that_came_back_runs(filled):
    source, plan = plan_of(filled, "other:1")
    run = apply(source, plan, stopped=None).run
    restore(source, run)
    assert filled.client.containers.run("other:1", "/bin/true", network_mode="host") == b""


@pytest.mark.parametrize("start", [True, False])
def test_what_a_container_uses_is_refused(filled, start):
    container = filled.client.containers.create("other:1", name="sleeper", network_mode="host")
    if start:
        container.start()
    source, plan = plan_of(filled, "other:1", "app:1")
    assert [(refusal.ref, "the container sleeper uses it" in refusal.reason) for refusal in plan.refused] == [
        ("other:1", True)
    ]
    assert [tag.repository for tag in plan.delete.tags] == ["app"]
    (kept,) = [kept for kept in plan.keep if kept.tag == "1" and kept.repository == "other"]
    assert "sleeper" in kept.reasons[0]
    assert apply(source, plan, stopped=None).state == "done"
    assert "other:1" in filled.names()
    filled.api.tag("other:1", "other", "also")
    source, plan = plan_of(filled, "other:1")
    assert (len(plan.delete.tags), plan.delete.images, plan.refused) == (1, (), ())
    assert apply(source, plan, stopped=None).state == "done"
    assert "other:also" in filled.names()


def test_a_container_made_after_the_plan_keeps_its_image(filled):
    source, plan = plan_of(filled, "other:1", "app:latest")
    filled.client.containers.create("other:1", name="late", network_mode="host")
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "partial"
    assert "other:1" in filled.names()
    assert "app:latest" not in filled.names()
    assert {skipped.item for skipped in outcome.skipped} == {
        "other:1", *(image.id for image in plan.delete.images)
    }  # fmt: skip


def after_the_last_look(monkeypatch, action):
    look = engine_runs._Run._why_kept

    def late(self, api, id_, names):
        said = look(self, api, id_, names)
        action()
        return said

    monkeypatch.setattr(engine_runs._Run, "_why_kept", late)


def test_a_container_made_after_the_last_look_keeps_its_image(filled, monkeypatch):
    source, plan = plan_of(filled, "other:1")
    made = []
    after_the_last_look(
        monkeypatch,
        lambda: made or made.append(filled.client.containers.create("other:1", name="later", network_mode="host")),
    )
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "partial"
    assert "other:1" in filled.names()
    assert any("the engine refused" in skipped.reason for skipped in outcome.skipped)
    made[0].start()


def test_a_name_given_after_the_last_look_keeps_its_image(filled, monkeypatch):
    (lost,) = {image["Id"] for image in filled.api.images(filters={"dangling": True})}
    source = open_source(filled.source)
    time.sleep(1)
    plan = make_plan(source.scan(), Request((), True, grace=0), now=int(time.time()))
    assert [image.id for image in plan.delete.images] == [lost]
    after_the_last_look(monkeypatch, lambda: filled.api.tag(lost, "saved", "now"))
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "partial"
    assert filled.names()["saved:now"] == lost
    assert not any(name.startswith("registryui") for name in filled.names())


@pytest.mark.parametrize("refs", [("other:1",), ("app:2", "app:latest", "hub:5000/team/app:2")])
def test_a_name_given_to_another_image_after_the_last_look_keeps_that_one(filled, monkeypatch, refs):
    """As on a machine where images are built: the name is on a fresh image now, of which nobody has a copy."""
    source, plan = plan_of(filled, *refs)
    built = []

    def build():
        if not built:
            built.append(filled.build("FROM base:1\nCOPY fresh /fresh\n", refs[-1], fresh=b"fresh"))

    after_the_last_look(monkeypatch, build)
    outcome = apply(source, plan, stopped=None)
    assert filled.names()[refs[-1]] == built[0]
    assert filled.client.containers.run(refs[-1], "/bin/true", network_mode="host") == b""
    assert outcome.state in ("done", "partial")


def test_a_name_given_to_another_image_while_the_copy_is_made_keeps_both(filled, monkeypatch):
    """Saving takes minutes where images are large."""
    old = filled.id("other:1")
    source, plan = plan_of(filled, "other:1", "app:latest")
    saving = engine_runs.save_images

    def slowly(*arguments):
        saving(*arguments)
        filled.build("FROM base:1\nCOPY fresh /fresh\n", "other:1", fresh=b"fresh")

    monkeypatch.setattr(engine_runs, "save_images", slowly)
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "partial"
    assert filled.id("other:1") != old
    assert old in filled.ids()
    assert "app:latest" not in filled.names()
    assert {skipped.item for skipped in outcome.skipped} == {"other:1", old}


def test_what_could_not_go_at_first_is_saved_before_it_goes(filled, monkeypatch):
    """A container held it when the run began, and is gone when the run goes on."""
    before = inspected(filled)
    source, plan = plan_of(filled, "other:1", "app", "hub:5000/team/app:2")
    container = filled.client.containers.create("other:1", name="sleeper", network_mode="host")
    with monkeypatch.context() as patch:
        patch.setattr(engine_runs._Run, "_remove_name", interrupting(engine_runs._Run._remove_name))
        with pytest.raises(KeyboardInterrupt):
            apply(source, plan, stopped=None)
    assert "other:1" in filled.names()
    container.remove()
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    assert "other:1" not in filled.names()
    restored = restore(source, outcome.run)
    assert (restored.state, restored.skipped) == ("done", ())
    assert inspected(filled) == before
    assert empty_trash(source, older_than=None, now=int(time.time())).freed_bytes > 9000


def interrupting(method):
    """Do it once, and be interrupted when it is to be done again."""
    left = [1]

    def call(*arguments, **options):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return method(*arguments, **options)

    return call


def test_sweeping_takes_what_has_no_name_and_is_old_enough(filled):
    nameless = {image["Id"] for image in filled.api.images(filters={"dangling": True})}
    assert nameless
    assert plan_of(filled, sweep=True)[1].is_empty()
    source, plan = plan_of(filled, sweep=True, later=2 * 3600)
    assert nameless <= {image.id for image in plan.delete.images}
    assert not plan.delete.tags
    size, named = filled.layer_bytes(), filled.names()
    # The engine's clock is the plan's; apply looks at the same age again.
    with pytest.raises(Stale):
        apply(source, plan, stopped=None)
    assert filled.layer_bytes() == size
    time.sleep(1)
    plan = make_plan(source.scan(), Request((), True, grace=0), now=int(time.time()))
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "done"
    assert size - filled.layer_bytes() == plan.freed_bytes >= 9000
    assert filled.names() == named
    assert summarise(source.scan()).unreferenced_bytes == 0


def test_a_base_that_the_engine_knows_nothing_of_keeps_its_last_name(filled):
    """As after a build by BuildKit, or a pull: only the layers tell."""
    child = filled.id("app:2")
    alone = b"".join(filled.api.get_image(child))
    filled.clear("base:1", "registry:2")
    list(filled.api.load_image(alone) or ())
    filled.api.tag(child, "child", "1")
    assert filled.api.inspect_image(child)["Parent"] == ""
    source, plan = plan_of(filled, "base:1")
    assert source.scan().images[child].parent == filled.id("base:1")
    assert plan.is_empty()
    assert "is based on it" in plan.refused[0].reason
    filled.api.tag("base:1", "base", "2")
    assert [tag.tag for tag in plan_of(filled, "base:2")[1].delete.tags] == ["2"]


@pytest.mark.parametrize("number", range(0, 9, 2))
def test_an_interrupted_run_is_finished_by_the_next(filled, monkeypatch, number):
    before = inspected(filled)
    source, plan = plan_of(filled, "app", "hub:5000/team/app:2", "other:1")
    add, left = engine_runs.Journal.add, [number]

    def interrupted(self, *lines):
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        add(self, *lines)

    monkeypatch.setattr(engine_runs.Journal, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(source, plan, stopped=None)
    outcome = apply(source, plan, stopped=None)
    assert (outcome.state, outcome.freed_bytes) == ("done", plan.freed_bytes)
    assert filled.ids() == before.keys() - {image.id for image in plan.delete.images}
    assert restore(source, outcome.run).state == "done"
    assert inspected(filled) == before


def test_without_a_trash_there_is_no_way_back(filled, state):
    source, plan = plan_of(filled, "other:1")
    outcome = apply(source, plan, stopped=None, trash=False)
    assert (outcome.state, outcome.trash) == ("done", None)
    assert not list(state.rglob("*.tar"))
    with pytest.raises(Refused, match="cannot be brought back"):
        restore(source, outcome.run)


def test_emptying_the_trash(filled, state):
    source, plan = plan_of(filled, "other:1")
    run = apply(source, plan, stopped=None).run
    (saved,) = state.rglob("images.tar")
    size = saved.stat().st_size
    assert empty_trash(source, older_than=None, now=int(time.time())).freed_bytes == size
    with pytest.raises(Refused, match="emptied"):
        restore(source, run)


def test_a_tag_that_names_another_image_now_stays(filled):
    source, plan = plan_of(filled, "other:1")
    run = apply(source, plan, stopped=None).run
    filled.api.tag("app:1", "other", "1")
    restored = restore(source, run)
    assert restored.state == "partial"
    assert filled.id("other:1") == filled.id("app:1")
    assert {image.id for image in plan.delete.images} <= filled.ids()


@pytest.fixture
def small_disk(state):
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(state)], check=True)
    yield state
    subprocess.run(["umount", str(state)], check=True)


def test_a_full_disk_deletes_nothing(filled, small_disk, monkeypatch):
    before = inspected(filled)
    source, plan = plan_of(filled, "other:1")
    with pytest.raises(Refused, match="--no-trash"):
        apply(source, plan, stopped=None)
    assert inspected(filled) == before
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 1 << 60))
    outcome = apply(source, plan, stopped=None)
    assert outcome.state == "failed"
    assert "No space left" in outcome.message
    assert inspected(filled) == before
    assert not list(small_disk.rglob("images.tar*"))


def without_layers(body: bytes) -> bytes:
    """A saved image of which the layers are missing."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(body)) as whole, tarfile.open(fileobj=packed, mode="w") as tar:
        for member in whole.getmembers():
            if not member.name.endswith("layer.tar"):
                tar.addfile(member, whole.extractfile(member) if member.isfile() else None)
    return packed.getvalue()


def test_a_copy_that_does_not_hold_the_image_deletes_nothing(filled, monkeypatch):
    before = inspected(filled)
    source, plan = plan_of(filled, "other:1")
    wrong = b"".join(filled.api.get_image("base:1"))
    for body in (wrong, wrong[:5000], b"", without_layers(b"".join(filled.api.get_image(filled.id("other:1"))))):
        monkeypatch.setattr("prune.reclaim.saved_images._stream", lambda api, ids, file, body=body: file.write(body))
        outcome = apply(source, plan, stopped=None)
        assert outcome.state == "failed"
        assert "nothing was deleted" in outcome.message
        assert inspected(filled) == before


def test_the_command_and_docker_host(filled, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", filled.url)
    file = str(tmp_path / "plan.json")
    assert main(["check", "docker:"]) == 0
    assert "Docker Engine" in capsys.readouterr().out
    assert main(["scan", "docker:", "--json"]) == 0
    scan = json.loads(capsys.readouterr().out)
    assert (scan["kind"], scan["source"], scan["images"]) == ("docker-engine", filled.source, len(filled.ids()))
    assert main(["tree", "docker:", "--repository", "app"]) == 0
    assert "<app:latest>" in capsys.readouterr().out
    assert main(["plan", "docker:", "--delete", "other:1", "--out", file]) == 0
    assert (
        main(["draw", "docker:", "--plan", file, "--before", f"{tmp_path}/a.svg", "--after", f"{tmp_path}/b.svg"])
        == 0
    )
    capsys.readouterr()
    assert main(["apply", "docker:", file, "--yes", "--json"]) == 0
    applied = json.loads(capsys.readouterr().out)
    assert (applied["state"], applied["freed_bytes"]) == ("done", 6000)
    assert main(["restore", "docker:", applied["run"]]) == 0
    assert main(["plan", "docker:", "--delete", "nothing:1"]) == 4


def test_an_engine_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    with pytest.raises(SourceError, match="that socket does not exist"):
        open_source("docker:").scan()
    assert main(["check", "docker:"]) == 1
    with pytest.raises(SourceError, match="no Docker Engine answers"):
        open_source("docker:tcp://127.0.0.1:1").scan()
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"ca\.pem"):
        open_source("docker:tcp://127.0.0.1:1").scan()
    for text in ("docker:ssh://x", "docker:/var/run/docker.sock", "docker:unix:///"):
        with pytest.raises(UsageError, match="no address"):
            open_source(text)
