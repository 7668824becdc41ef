"""A store filled by real pushes: cleaned while the registry is stopped, and pulled from afterwards."""

import time

import pytest

from prune.cli import main
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.reclaim.apply import apply
from prune.reclaim.restore import restore
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.servers import push, push_examples, registry
from tests.stores import data_bytes

pytestmark = pytest.mark.real


@pytest.fixture
def server(tmp_path):
    with registry(tmp_path / "store", tmp_path) as started:
        push_examples(started, tmp_path)
        yield started


@pytest.mark.parametrize(
    ("refs", "emptied"),
    [
        (("team/app:2.0",), set()),
        (("team/app:1.0",), set()),
        (("team/app:1.0", "team/app:stable", "copy/app:1.0"), set()),
        (("multi:1",), set()),
        (("multi:1", "multi:2", "lonely"), {"lonely"}),
        (("team/app", "multi"), {"team/app", "multi"}),
    ],
)
def test_kept_images_pull_byte_for_byte_and_deleted_ones_are_gone(server, refs, emptied):
    before = server.pull_all()
    assert len(before) == 7
    source = open_source(f"storage:{server.root}")
    plan = make_plan(source.scan(), Request(refs, grace=0), now=int(time.time()) + 5)
    assert not plan.refused
    size = data_bytes(server.root)
    server.stop()
    outcome = apply(source, plan, stopped="stopped by the test")
    assert outcome.state == "done"
    server.start()
    gone = {(tag.repository, tag.tag) for tag in plan.delete.tags}
    assert gone == {key for key in before if key[0] in refs or ":".join(key) in refs}
    assert server.pull_all() == {key: what for key, what in before.items() if key not in gone}
    for repo, tag in gone:
        assert server.get(f"/v2/{repo}/manifests/{tag}")[0] == 404
    assert set(server.catalog()) == {"team/app", "copy/app", "multi", "lonely"} - emptied
    assert size - data_bytes(server.root) == plan.freed_bytes
    server.stop()
    assert restore(open_source(f"storage:{server.root}"), outcome.run).state == "done"
    server.start()
    assert server.pull_all() == before


def test_what_was_deleted_can_be_pushed_again(server, tmp_path):
    before = server.pull_all()
    server.stop()
    source = open_source(f"storage:{server.root}")
    plan = make_plan(source.scan(), Request(("team/app:2.0", "multi"), sweep=True, grace=0), now=int(time.time()) + 5)
    apply(source, plan, stopped="stopped by the test", trash=False)
    server.start()
    layout = Layout(tmp_path / "layout")
    push(layout, "two", server, "team/app:2.0")
    push(layout, "multi", server, "multi:1", "--all")
    push(layout, "multi", server, "multi:2", "--all")
    assert server.pull_all() == before


def test_a_push_between_plan_and_apply_is_not_lost(server, tmp_path):
    source = open_source(f"storage:{server.root}")
    plan = make_plan(source.scan(), Request(("team/app:2.0", "lonely:1"), grace=0), now=int(time.time()) + 5)
    layout = Layout(tmp_path / "layout")
    push(layout, "two", server, "elsewhere:new")
    push(layout, "one", server, "lonely:1")
    before = server.pull_all()
    server.stop()
    outcome = apply(source, plan, stopped="stopped by the test")
    assert outcome.state == "partial"
    server.start()
    assert server.pull_all() == {key: what for key, what in before.items() if key != ("team/app", "2.0")}


def test_the_command_from_scan_to_restore(server, tmp_path, capsys):
    before = server.pull_all()
    source = f"storage:{server.root}"
    file = str(tmp_path / "plan.json")
    assert main(["scan", source]) == 0
    assert main(["tree", source]) == 0
    assert main(["plan", source, "--delete", "team/app:2.0", "--out", file]) == 0
    assert main(["apply", source, file, "--yes"]) == 4
    server.stop()
    assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped"]) == 0
    assert main(["apply", source, file, "--yes", "--registry-stopped", "stopped"]) == 0
    capsys.readouterr()
    assert main(["restore", source, "nonsense"]) == 4
    from prune.reclaim.trash import list_runs

    (run,) = list_runs(open_source(source))
    assert main(["restore", source, run.run]) == 0
    server.start()
    assert server.pull_all() == before
    assert summarise(open_source(source).scan()).complete
