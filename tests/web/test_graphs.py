"""The pages of graphs: what is around an image, what is folded, opened, coloured and looked at, and files to keep."""

import re
from collections import OrderedDict
from xml.etree import ElementTree

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from prune.drawing import layout
from prune.drawing.diagram import MOST_NODES, View
from prune.drawing.dot import Drawing
from registryui.models import BuildsOn, Image, Registry, TagSighting
from registryui.services import diagrams, lineage, overviews, parts, plans, proposals, scans
from tests.stores import V2Store, age
from tests.web.conftest import scan, watched

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget():
    cache.clear()


def fill(store: V2Store, versions: int) -> None:
    """An OS, a runtime on it, an application on that with so many versions, each with a signature on the first."""
    system = [store.layer(3000)]
    runtime = [*system, store.layer(2000)]
    store.image("base/os", "1", layers=system)
    store.image("base/runtime", "2", layers=runtime)
    for number in range(versions):
        store.image("team/app", f"v{number}", layers=[*runtime, store.layer(1000 + number)])
    store.image("team/other", "1", layers=[*system, store.layer(10)])


@pytest.fixture
def family(db, tmp_path) -> Registry:
    store = V2Store(tmp_path / "store")
    fill(store, 120)
    age(tmp_path)
    return watched(store.source, "family")


def digest_of(name: str, tag: str) -> str:
    return TagSighting.objects.get(repository__name=name, tag=tag, ended_at=None).digest


def links(page: str) -> dict[str, str]:
    """Where the nodes of a picture lead, by their names."""
    svg = ElementTree.fromstring(re.search(r"<svg class=\"graph\".*?</svg>", page, re.DOTALL)[0])
    return {a.get("aria-label"): a.get("href") for a in svg.iter("a")}


def test_what_is_around_an_image(family, client_of):
    client = client_of("viewer")
    digest = digest_of("base/runtime", "2")
    page = client.get(f"/r/family/images/{digest}/graph/").content.decode()
    assert "&lt;base/os:1&gt;" in page
    assert "&lt;base/runtime:2&gt;" in page
    assert "80 more" in page  # forty of a hundred and twenty are drawn
    assert "team/other" not in page
    named = links(page)
    assert [address for name, address in named.items() if "80 more" in name] == ["#base-of"]
    (other,) = [address for name, address in named.items() if "1 more" in name]
    assert other == f"/r/family/images/{digest_of('base/os', '1')}/graph/"
    assert "team/other:1" in client.get(other).content.decode()
    # The table lists all of them.
    assert '<span class="count">120</span>' in page


def test_the_neighbourhood_is_read_from_rows(family, client_of, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the whole registry was read")

    monkeypatch.setattr(scans, "latest_snapshot", refuse)
    monkeypatch.setattr(scans, "latest_graph", refuse)
    digest = digest_of("team/app", "v7")
    page = client_of("viewer").get(f"/r/family/images/{digest}/graph/").content.decode()
    assert "&lt;team/app:v7&gt;" in page
    assert "119 more" in page
    assert client_of("viewer").get("/r/family/images/sha256:none/graph/").status_code == 404


def test_what_the_neighbourhood_shows_is_what_the_whole_graph_has(family):
    whole = scans.latest_graph(family)
    key_of = {id_: key for key, node in whole.nodes.items() for id_ in node.ids}
    children = whole.children()
    for digest in Image.objects.filter(registry=family).values_list("digest", flat=True)[:12]:
        found = lineage.around(family, digest)
        for key, node in found.graph.nodes.items():
            if key in found.folds:
                shown = len(found.graph.children()[node.parent]) - 1
                assert found.folds[key].size + shown == len(children[node.parent])
            else:
                twin = whole.nodes[key]
                assert (node.parent, node.own, node.total, node.tags) == (
                    twin.parent, twin.own, twin.total, twin.tags,
                )  # fmt: skip
        assert key_of[digest] in found.graph.nodes


def test_many_images_on_one_base_stand_in_columns(family, shop, client_of):
    page = client_of("viewer").get(f"/r/family/images/{digest_of('base/runtime', '2')}/graph/").content.decode()
    svg = ElementTree.fromstring(re.search(r"<svg class=\"graph\".*?</svg>", page, re.DOTALL)[0])
    where = {
        float(link.find(".//text").get("x")) for link in svg.iter("a") if (link.find("g").get("data-key") or "") != ""
    }
    assert len(where) >= 5
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert height < 4 * width
    # Few are one column, and so are those that an index has its images among.
    for registry, name in ((family, "base/os"), (shop, "shop/api"), (shop, "shop/web")):
        assert "minlen" not in diagrams.of_repository(registry, name).drawing.both


def test_an_image_of_v1_stands_on_its_ancestors(seed, client_of):
    page = client_of("viewer").get(f"/r/seed/images/{'d1' * 32}/graph/").content.decode()
    for letter in "abcd":
        assert f"{letter}1" * 6 in page
    assert "&lt;version1&gt;" in page


def test_an_index_stands_beside_what_it_contains(shop, client_of):
    page = client_of("viewer").get(f"/r/shop/images/{digest_of('shop/api', '2.1')}/graph/").content.decode()
    assert page.count('class="edge edge-member"') == 2
    assert "linux/arm64" in page
    assert "<option>linux/arm64</option>" in page


def test_as_many_queries_for_many_images_as_for_few(tmp_path, client_of, django_assert_num_queries):
    client = client_of("viewer")
    counts = []
    for number, versions in enumerate((3, 90)):
        store = V2Store(tmp_path / f"store{number}")
        fill(store, versions)
        age(tmp_path)
        slug = f"r{number}"
        registry = watched(store.source, slug)
        digest = TagSighting.objects.get(repository__registry=registry, repository__name="base/runtime").digest
        for address in (f"/r/{slug}/images/{digest}/graph/", f"/r/{slug}/images/{digest}/graph/?node={digest}"):
            cache.clear()
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            counts.append(len(queries))
    assert counts[:2] == counts[2:]


def test_of_a_base_of_thousands_no_more_is_read_than_is_shown(family):
    """The database finds what comes first in its index, instead of sorting all that is based on it."""
    above = lineage.above_of(family, [digest_of("base/runtime", "2")])
    for order in ("-dependents", F("dependents").desc(nulls_last=True)):
        way = above.order_by(order, *lineage.NEWEST).values_list("pk")[:50].explain()
        assert "image_base" in way
        assert "TEMP B-TREE" not in way


def test_folds_open_one_after_the_other_and_close_again(family, client_of):
    client = client_of("viewer")
    address = "/r/family/repositories/team/app/?tab=graph"
    page = client.get(address).content.decode()
    (fold,) = [(name, href) for name, href in links(page).items() if "Folded" in name]
    hidden = int(re.search(r"(\d+) more", fold[0])[1])
    assert fold[1].startswith("?tab=graph&unfold=sha256")
    opened = client.get("/r/family/repositories/team/app/" + fold[1]).content.decode()
    assert sum("Folded" in name for name in links(opened)) <= 1
    assert f"{hidden} more" not in opened
    assert len(links(opened)) > len(links(page))
    assert 'href="?tab=graph">Fold again</a>' in opened
    every = client.get(address + "&all=1").content.decode()
    assert "Folded" not in every
    assert "v119" in every


def test_a_node_can_be_linked_to(family, client_of):
    client = client_of("viewer")
    digest = digest_of("team/app", "v3")
    page = client.get(f"/r/family/repositories/team/app/?tab=graph&node={digest}").content.decode()
    assert page.count('aria-current="true"><g id="g-n') == 1
    assert "v3" in page
    facts = re.search(r'<section id="facts".*?</section>', page, re.DOTALL)[0]
    assert f'href="/r/family/images/{digest}/graph/"' in facts
    assert "team/app:v3" in facts
    assert "base/runtime:2" in facts
    gone = client.get("/r/family/repositories/team/app/?tab=graph&node=sha256:none").content.decode()
    assert "did not see this image" in gone


def test_one_platform_and_other_colours(shop, client_of):
    client = client_of("viewer")
    address = "/r/shop/repositories/shop/api/?tab=graph"
    page = client.get(address + "&platform=linux/arm64").content.decode()
    assert "linux/amd64" not in re.search(r"<svg class=\"graph\".*</svg>", page, re.DOTALL)[0]
    assert 'class="image kept step-' in client.get(address + "&colour=age").content.decode()
    assert "under a week" in client.get(address + "&colour=age").content.decode()
    assert 'class="image kept step-' in client.get(address + "&colour=size").content.decode()
    assert client.get(address + "&colour=<b>&unfold=" + "x" * 5000).status_code == 200


@pytest.mark.parametrize(("ending", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("dot", b"digraph images {")])
def test_files_to_keep(shop, client_of, ending, magic):
    client = client_of("viewer")
    answer = client.get(f"/r/shop/repositories/shop/api/graph.{ending}?platform=linux/arm64")
    assert answer.content.startswith(magic)
    assert answer["Content-Disposition"] == f'attachment; filename="shop-shop-api.{ending}"'
    digest = digest_of("shop/api", "2.1")
    answer = client.get(f"/r/shop/images/{digest}/graph.{ending}")
    assert answer.content.startswith(magic)
    assert f'filename="shop-{digest[7:19]}.{ending}"' in answer["Content-Disposition"]
    assert client.get("/r/shop/repositories/shop/api/graph.exe").status_code == 404
    assert client.get(f"/r/shop/repositories/none/graph.{ending}").status_code == 400


def test_dot_is_asked_once_for_a_picture(family, client_of, monkeypatch):
    asked = []
    real = diagrams.run_dot
    monkeypatch.setattr(diagrams, "run_dot", lambda dot, output: asked.append(dot) or real(dot, output))
    client = client_of("viewer")
    for _ in range(2):
        for address in ("repositories/team/app/?tab=graph", f"images/{digest_of('base/os', '1')}/graph/"):
            assert '<svg class="graph"' in client.get(f"/r/family/{address}").content.decode()
    assert len(asked) == 2
    assert all(dot.count("label=") <= MOST_NODES for dot in asked)


def test_a_picture_that_was_shown_is_not_made_again(family, client_of, monkeypatch):
    made = []
    real = diagrams.render_inline
    monkeypatch.setattr(diagrams, "render_inline", lambda *a, **k: made.append(k["links"]) or real(*a, **k))
    addresses = (
        "repositories/team/app/?tab=graph",
        "repositories/team/app/?tab=graph&pick=team/app:v1",
        f"images/{digest_of('base/os', '1')}/graph/",
    )
    for role, pictures in (("proposer", 4), ("viewer", 6)):  # who may not pick has other links
        shown = [client_of(role).get(f"/r/family/{address}").content.decode() for address in addresses]
        again = [client_of(role).get(f"/r/family/{address}").content.decode() for address in addresses]
        assert list(map(links, again)) == list(map(links, shown))
        assert [page.count('<svg class="graph"') for page in shown] == [
            page.count('<svg class="graph"') for page in again
        ]
        assert len(made) == pictures


def test_what_was_decided_on_can_be_kept_as_files_when_the_images_are_gone(people, shop, client_of):
    proposal = proposals.create(people["proposer"], shop, ["shop/web:1.0"], title="", reason="", sweep=False)
    before = diagrams.of_plan(shop, proposals.plan_of(proposal)).drawing.before
    Image.objects.all().delete()
    TagSighting.objects.all().delete()
    client = client_of("viewer")
    page = client.get(f"/proposals/{proposal.pk}/").content.decode()
    files = re.findall(r'href="([^"]+)" download', page)
    assert len(files) == 6
    found = {address.rpartition("/")[2]: client.get(address).content for address in files}
    assert found["before.dot"].decode() == before
    assert "&lt;shop/web:1.0&gt;" in found["before.svg"].decode()
    assert "&lt;shop/web:1.0&gt;" not in found["after.svg"].decode()
    assert found["before.png"].startswith(b"\x89PNG")
    assert found["before.png"] != found["after.png"]
    then = client.get(f"/proposals/{proposal.pk}/plans/{proposal.plan_id}/").content.decode()
    assert re.findall(r'href="([^"]+)" download', then) == files


def test_a_plan_without_a_drawing_has_no_files(people, shop, client_of, monkeypatch):
    monkeypatch.setattr(diagrams, "packed", lambda drawing: None)  # as a version before stored it
    proposal = proposals.create(people["proposer"], shop, ["shop/web:1.0"], title="", reason="", sweep=False)
    client = client_of("viewer")
    assert " download>" not in client.get(f"/proposals/{proposal.pk}/").content.decode()
    assert client.get(f"/proposals/{proposal.pk}/plans/{proposal.plan_id}/before.svg").status_code == 400
    assert client.get(f"/proposals/{proposal.pk + 1}/plans/{proposal.plan_id}/before.svg").status_code == 404


def test_where_nothing_is_left_a_sentence_stands_for_the_picture(people, tmp_path, client_of):
    store = V2Store(tmp_path / "store")
    store.image("alone", "1", layers=[store.layer(10)])
    age(tmp_path)
    registry = watched(store.source, "alone")
    client = client_of("proposer")
    proposal = proposals.create(people["proposer"], registry, ["alone:1"], title="", reason="", sweep=False)
    for address in (
        "/r/alone/repositories/alone/?tab=graph&pick=alone:1",
        "/r/alone/propose/?ref=alone:1",
        f"/proposals/{proposal.pk}/",
    ):
        page = client.get(address).content.decode()
        assert page.count('<svg class="graph"') == 1
        assert page.count("Nothing of this is left.") == 1


def test_without_graphviz_there_is_the_table_and_a_sentence(family, client_of, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(layout, "_cache", OrderedDict())
    digest = digest_of("base/runtime", "2")
    page = client_of("viewer").get(f"/r/family/images/{digest}/graph/").content.decode()
    assert "Graphviz is not installed" in page
    assert "base/os:1" in page
    assert '<span class="count">120</span>' in page


def shown(drawing: Drawing, name: str) -> list[tuple]:
    """Everything of a drawing but the tags of other repositories."""
    shapes = drawing.shapes.values()
    return sorted((s.kind, s.image, s.tag or ()) for s in shapes if s.tag is None or s.tag[0] == name)


def test_a_repository_of_thousands_is_drawn_from_its_rows(shop, family, monkeypatch):
    for registry, name in ((shop, "shop/web"), (shop, "shop/api"), (family, "team/app")):
        exact = diagrams.of_repository(registry, name, View(everything=True)).drawing
        cache.clear()
        with monkeypatch.context() as few:
            few.setattr(parts, "MOST_TAGS", 1)
            few.setattr(parts, "of_repository", None)
            drawing = diagrams.of_repository(registry, name, View(everything=True)).drawing

        assert shown(drawing, name) == shown(exact, name)
        assert sorted(drawing.before.count(style) for style in ("solid", "dashed")) == sorted(
            exact.before.count(style) for style in ("solid", "dashed")
        )
        cache.clear()


def test_picked_tags_show_what_is_left_and_every_other_tag_picks_more(shop, client_of):
    client = client_of("proposer")
    address = "/r/shop/repositories/shop/web/?tab=graph"
    page = client.get(address).content.decode()
    first = links(page)["tag shop/web:1.0"]
    assert first == "?tab=graph&pick=shop%2Fweb%3A1.0"
    page = client.get("/r/shop/repositories/shop/web/" + first).content.decode()
    plan = plans.make(shop, ["shop/web:1.0"], sweep=False).plan
    assert f'value="{plan.freed_bytes}"' in page
    assert page.count('<svg class="graph"') == 2
    before, after = re.findall(r'<svg class="graph".*?</svg>', page, re.DOTALL)
    assert 'class="tag asked"' in before
    assert "1.0" not in "".join(ElementTree.fromstring(after).itertext()).replace("latest", "").split("shop/web:")[1:]
    where = {e.get("id")[2:]: e.find("text").attrib for e in ElementTree.fromstring(before).iter("g") if e.get("id")}
    for node in ElementTree.fromstring(after).iter("g"):
        if node.get("id"):
            assert node.find("text").attrib == where[node.get("id")[2:]]
    assert links(before)["tag shop/web:1.0 (asked to go)"] == "?tab=graph"
    assert links(before)["tag shop/web:1.1"] == "?tab=graph&pick=shop%2Fweb%3A1.0&pick=shop%2Fweb%3A1.1"
    assert links(before)["tag base/python:3.13"].startswith("/r/shop/repositories/base/python/?")
    assert '<input type="hidden" name="ref" value="shop/web:1.0">' in page
    # What htmx asks for is the graph alone.
    part = client.get(address + "&pick=shop/web:1.0", headers={"hx-request": "true", "hx-target": "graph"})
    assert part.content.decode().strip().startswith('<div id="graph">')


def test_only_who_may_propose_can_pick(shop, client_of):
    for role in ("viewer", "proposer"):
        page = client_of(role).get("/r/shop/repositories/shop/web/?tab=graph&pick=shop/web:1.0").content.decode()
        assert ("Propose to delete what is picked" in page) == (role == "proposer")
        assert ("pick=" in links(page)["tag shop/web:1.1"]) == (role == "proposer")


def test_what_cannot_be_picked_is_said(shop, client_of):
    client = client_of("proposer")
    many = "&".join(f"pick=shop/web:{number}" for number in range(101))
    assert "More than 100 tags" in client.get(f"/r/shop/repositories/shop/web/?tab=graph&{many}").content.decode()
    page = client.get("/r/shop/repositories/shop/web/?tab=graph&pick=shop/web:none").content.decode()
    assert "Nothing of this can go" in page
    assert '<svg class="graph"' in page
    page = client.get("/r/shop/repositories/shop/web/?tab=graph&pick=shop/api:2.0").content.decode()
    assert "Propose to delete what is picked" not in page


def pairs(registry: Registry) -> set[tuple[str, str, int, int]]:
    rows = BuildsOn.objects.filter(registry=registry)
    return set(rows.values_list("repository__name", "base__name", "images", "shared"))


def test_who_builds_on_whom_is_what_a_look_at_the_layers_says(family, shop):
    for registry in (family, shop):
        snapshot = scans.latest_snapshot(registry)
        layers = {
            digest: tuple(layer.digest for layer in one.layers)
            for digest, one in snapshot.manifests.items()
            if one.layers and one.subject is None and one.config and one.config.digest in snapshot.configs
        }
        sizes = {layer.digest: layer.size for one in snapshot.manifests.values() for layer in one.layers}
        held = {name: set(one.revisions) & layers.keys() for name, one in snapshot.repositories.items()}
        expected = set()
        for name, mine in held.items():
            taken: dict[str, list[str]] = {}
            for digest in mine:
                below = [
                    (len(layers[other]), where, other)
                    for where, theirs in held.items()
                    for other in theirs
                    if layers[other] == layers[digest][: len(layers[other])] and layers[other] != layers[digest]
                ]
                if below and (nearest := max(below))[1] != name:
                    taken.setdefault(nearest[1], []).append(nearest[2])
            for base, digests in taken.items():
                shared = sum(sizes[layer] for layer in {layer for one in digests for layer in layers[one]})
                expected.add((name, base, len(digests), shared))
        assert pairs(registry) == expected
        assert expected


def test_who_builds_on_whom_is_drawn_and_listed(family, client_of):
    client = client_of("viewer")
    page = client.get("/r/family/graph/").content.decode()
    assert links(page) == {
        name: f"/r/family/repositories/{name}/?tab=graph"
        for name in ("base/os", "base/runtime", "team/app", "team/other")
    }
    assert "by 120 images" in page
    assert page.count('<tr><th scope="row">') == 3
    for ending, magic in (("svg", b"<svg"), ("png", b"\x89PNG"), ("dot", b"digraph repositories")):
        assert client.get(f"/r/family/graph.{ending}").content.startswith(magic)


def test_namespaces_are_one_until_they_are_opened(family, client_of, monkeypatch):
    monkeypatch.setattr(overviews, "MOST_SINGLE", 2)
    client = client_of("viewer")
    page = client.get("/r/family/graph/").content.decode()
    assert links(page)["team/, 2 repositories"] == "?unfold=team"
    opened = client.get("/r/family/graph/?unfold=team").content.decode()
    assert {"team/app", "team/other"} <= links(opened).keys()
    assert "team/app" in links(client.get("/r/family/graph/?all=1").content.decode())


def test_a_scan_that_finds_another_base_says_so(tmp_path):
    store = V2Store(tmp_path / "store")
    fill(store, 2)
    age(tmp_path)
    registry = watched(store.source, "changing")
    kept = dict(BuildsOn.objects.filter(registry=registry).values_list("repository__name", "pk"))
    own = store.layer(50)
    store.image("team/other", "2", layers=[own])
    store.image("team/third", "1", layers=[own, store.layer(60)])
    age(tmp_path)
    scan(registry)
    assert ("team/third", "team/other") in {pair[:2] for pair in pairs(registry)}
    assert BuildsOn.objects.get(registry=registry, repository__name="team/app").pk == kept["team/app"]


def test_what_was_decided_on_is_kept_in_english_and_shown_in_german(people, shop, client_of):
    client = client_of("viewer")
    proposal = proposals.create(people["proposer"], shop, ["shop/web:1.0"], title="", reason="", sweep=False)
    assert "asked to go" in proposal.plan.before
    addresses = [f"/proposals/{proposal.pk}/", f"/proposals/{proposal.pk}/plans/{proposal.plan_id}/"]
    kept = ElementTree.fromstring(proposal.plan.before)
    for address in [*addresses, *addresses]:  # as it is made, and as it is remembered
        page = client.get(address, HTTP_ACCEPT_LANGUAGE="de").content.decode()
        assert "shop/web:1.0 (soll gehen)" in page
        assert "asked to go" not in page
        assert "asked to go" in client.get(address, HTTP_ACCEPT_LANGUAGE="en").content.decode()
        drawn = ElementTree.fromstring(re.search(r'<svg class="graph".*?</svg>', page, re.DOTALL)[0])
        assert [e.get("id") for e in drawn.iter("g")] == [e.get("id") for e in kept.iter("g")]
    scan(shop)
    for address in addresses:  # the registry may be another by now
        page = client.get(address, HTTP_ACCEPT_LANGUAGE="de").content.decode()
        assert "shop/web:1.0 (soll gehen)" in page
        assert "asked to go" not in page
