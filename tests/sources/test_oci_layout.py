"""Reading OCI layouts: names, nested indexes, and everything that a layout should not hold."""

import json
import os
import shutil

import pytest

from prune.cli import main
from prune.model.errors import SourceError
from prune.model.plan import Request
from prune.plan.make import make_plan
from prune.plan.summary import summarise
from prune.sources.oci_layout.index import IMAGE_NAME, REF_NAME, name_in
from prune.sources.open import open_source
from tests.layouts import Layout
from tests.servers import skopeo
from tests.stores import age, tree

NOW = 1_900_000_000


@pytest.fixture
def layout(tmp_path) -> Layout:
    """Shared layers, a full name, an index in an index, a referrer, an image without a name, a loose blob."""
    made = Layout(tmp_path / "shop")
    base = made.layer("base")
    one = made.image(base, tag="1.0", version="1")
    made.image(base, made.layer("two"), tag="registry.example:5000/team/app:2.0")
    arm, amd = (made.image(base, made.layer(a), architecture=a) for a in ("arm64", "amd64"))
    inner = made.index(arm, tag=None)
    made.index(inner, amd, tag="multi")
    made.artifact(one, "signature")
    made.entry(made.image(made.layer("nameless")))
    made.blob(b"loose")
    age(made.root)
    return made


def scan(layout):
    return open_source(layout.source).scan()


def index(layout):
    return json.loads((layout.root / "index.json").read_text())


def write_index(layout, document) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    (layout.root / "index.json").write_bytes(body)


def test_what_is_in_it(layout):
    before = tree(layout.root)
    snapshot = scan(layout)
    assert snapshot.complete
    assert snapshot.problems == ()
    assert {name: set(repository.tags) for name, repository in snapshot.repositories.items()} == {
        "shop": {"1.0", "multi"},
        "registry.example:5000/team/app": {"2.0"},
    }
    # The image, the indexes with their two, the signature, and the image without a name.
    assert len(snapshot.repositories["shop"].revisions) == 7
    summary = summarise(snapshot)
    files = list(layout.root.glob("blobs/sha256/*"))
    assert (summary.blobs, summary.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert (summary.unreferenced_blobs, summary.unreferenced_bytes) == (1, 5)
    assert open_source(layout.source).scan(known=snapshot) == snapshot
    assert tree(layout.root) == before


@pytest.mark.parametrize(
    ("ref", "image", "name"),
    [
        ("1.0", "", ("home", "1.0")),
        ("docker.io/library/app:1.0", "", ("docker.io/library/app", "1.0")),
        ("host:5000/app:1.0", "", ("host:5000/app", "1.0")),
        ("latest", "docker.io/library/app:latest", ("docker.io/library/app", "latest")),
        ("", "docker.io/library/app:latest", ("docker.io/library/app", "latest")),
        ("other", "docker.io/library/app:latest", ("home", "other")),
        ("latest", "nonsense", ("home", "latest")),
        ("library/app", "", ("home", "library/app")),
        ("1.0+build", "", ("home", "1.0+build")),
        ("../../etc:1", "", ("home", "../../etc:1")),
        ("", "", None),
    ],
)
def test_names(ref, image, name):
    given = {key: value for key, value in ((REF_NAME, ref), (IMAGE_NAME, image)) if value}
    assert name_in(given, "home") == name


@pytest.mark.parametrize(
    ("folder", "home"),
    [("My shop!", "My-shop"), ("..x", "x"), ("été", "t"), ("日本", "layout"), ("a.b_c-d", "a.b_c-d")],
)
def test_the_home_of_a_plain_tag_is_named_after_the_folder(tmp_path, folder, home):
    layout = Layout(tmp_path / folder)
    layout.image(layout.layer("x"), tag="1")
    assert set(scan(layout).repositories) == {home}
    assert main(["plan", layout.source, "--delete", f"{home}:1"]) == 0


def corrupt(layout, number=0):
    entry = index(layout)["manifests"][number]
    layout.path(entry["digest"]).write_bytes(b"{}")


def remove(layout, number=0):
    entry = index(layout)["manifests"][number]
    layout.path(entry["digest"]).unlink()


def twice(layout):
    document = index(layout)
    entry = dict(document["manifests"][0])
    entry["digest"] = document["manifests"][1]["digest"]
    write_index(layout, {**document, "manifests": [*document["manifests"], entry]})


def link(path, target):
    shutil.move(path, target)
    path.symlink_to(target)


SPOILS_A_REPOSITORY = {
    "a manifest that is not its digest": corrupt,
    "a manifest that is missing": remove,
    "a manifest behind a link": lambda s: link(
        s.path(index(s)["manifests"][0]["digest"]), s.root.parent / "elsewhere"
    ),
    "a child that is missing": lambda s: s.path(
        json.loads(s.path(index(s)["manifests"][2]["digest"]).read_bytes())["manifests"][0]["digest"]
    ).unlink(),
    "a name of two images": twice,
}


@pytest.mark.parametrize("name", SPOILS_A_REPOSITORY)
def test_what_cannot_be_read_keeps_its_repository_and_every_blob(layout, name, capsys):
    SPOILS_A_REPOSITORY[name](layout)
    snapshot = scan(layout)
    assert not snapshot.complete
    assert not snapshot.repositories["shop"].complete
    plan = make_plan(snapshot, Request(("shop", "registry.example:5000/team/app:2.0"), sweep=True, grace=60), now=NOW)
    assert [refusal.ref for refusal in plan.refused] == ["shop"]
    assert {tag.repository for tag in plan.delete.tags} == {"registry.example:5000/team/app"}
    assert plan.delete.blobs == ()
    assert main(["plan", layout.source, "--delete", "shop"]) == 3


SPOILS_ALL = {
    "no index": lambda s: (s.root / "index.json").unlink(),
    "an empty index": lambda s: write_index(s, b""),
    "an index that is a list": lambda s: write_index(s, []),
    "an index without manifests": lambda s: write_index(s, {"schemaVersion": 2}),
    "manifests that are no list": lambda s: write_index(s, {"manifests": {}}),
    "an entry without a digest": lambda s: write_index(s, {"manifests": [{"size": 1}]}),
    "an entry with an odd digest": lambda s: write_index(s, {"manifests": [{"digest": "../../etc"}]}),
    "annotations that are no text": lambda s: write_index(
        s, {"manifests": [{**index(s)["manifests"][0], "annotations": {REF_NAME: 1}}]}
    ),
    "deep JSON": lambda s: write_index(s, b"[" * 200_000),
    "an index behind a link": lambda s: link(s.root / "index.json", s.root.parent / "elsewhere"),
    "no blobs": lambda s: shutil.rmtree(s.root / "blobs"),
    "blobs behind a link": lambda s: link(s.root / "blobs", s.root.parent / "elsewhere"),
    "an algorithm behind a link": lambda s: link(s.root / "blobs/sha256", s.root.parent / "elsewhere"),
    "an archive of docker save": lambda s: (s.root / "manifest.json").write_text("[]"),
}


@pytest.mark.parametrize("name", SPOILS_ALL)
def test_what_could_hide_anything_keeps_everything(layout, name):
    SPOILS_ALL[name](layout)
    snapshot = scan(layout)
    assert snapshot.store_blocked is not None
    plan = make_plan(snapshot, Request(("shop", "shop:1.0"), sweep=True, grace=60), now=NOW)
    assert plan.is_empty()


def test_a_folder_that_cannot_be_read_keeps_everything(layout, monkeypatch):
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("sha256"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert scan(layout).store_blocked is not None


def test_strangers_are_left_alone(layout):
    (layout.root / "oci-put-blob123").write_bytes(b"x" * 99)
    (layout.root / "blobs/sha256/short").write_bytes(b"x")
    (layout.root / "blobs/md5").mkdir()
    snapshot = scan(layout)
    assert snapshot.complete
    assert {problem.where for problem in snapshot.problems} == {"oci-put-blob123", "blobs/sha256/short", "blobs/md5"}
    plan = make_plan(snapshot, Request(sweep=True, grace=60), now=NOW)
    assert {blob.size for blob in plan.delete.blobs} >= {5}
    assert not {blob.size for blob in plan.delete.blobs} & {99, 1}


@pytest.mark.parametrize(
    ("mark", "said"), [(None, "no file oci-layout"), ("{}", "cannot be read"), ('{"imageLayoutVersion":"2"}', "1.0")]
)
def test_what_is_no_layout_says_so(layout, mark, said):
    path = layout.root / "oci-layout"
    path.unlink() if mark is None else path.write_text(mark)
    with pytest.raises(SourceError, match=said):
        open_source(layout.source)


def test_a_folder_of_layouts_says_to_give_one_of_them(layout, tmp_path):
    with pytest.raises(SourceError, match=f"oci:{layout.root} is one"):
        open_source(f"oci:{tmp_path}")


def test_in_a_layout_without_any_name_nothing_is_swept(layout):
    document = index(layout)
    for entry in document["manifests"]:
        entry.pop("annotations", None)
    write_index(layout, document)
    plan = make_plan(scan(layout), Request(sweep=True, grace=60), now=NOW)
    assert plan.delete.manifests == ()
    assert [blob.size for blob in plan.delete.blobs] == [5]


@pytest.mark.real
def test_layouts_that_skopeo_wrote(tmp_path):
    """A tag written twice leaves the first image without a name; an image may have several names."""
    layout = Layout(tmp_path / "layout")
    base = layout.layer("base")
    one = layout.image(base, tag="one")["digest"]
    two = layout.image(base, layout.layer("two"), tag="two")["digest"]
    arm, amd = (layout.image(base, layout.layer(a), architecture=a) for a in ("arm64", "amd64"))
    multi = layout.index(arm, amd, tag="multi")["digest"]
    target = tmp_path / "copied"
    for name, to in (("one", "app"), ("two", "app"), ("two", "docker.io/library/app:1"), ("two", "twin")):
        skopeo(f"{layout.source}:{name}", f"oci:{target}:{to}")
    skopeo("--all", f"{layout.source}:multi", f"oci:{target}:multi")
    snapshot = open_source(f"oci:{target}").scan()
    assert snapshot.complete
    assert snapshot.problems == ()
    copied = snapshot.repositories["copied"]
    assert copied.tags == {"app": two, "twin": two, "multi": multi}
    assert copied.revisions.keys() == {one, two, multi, arm["digest"], amd["digest"]}
    assert snapshot.repositories["docker.io/library/app"].tags == {"1": two}
    assert summarise(snapshot).unreferenced_blobs == 0
