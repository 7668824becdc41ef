"""What is known besides the snapshot: who pulled, what runs, what images say of themselves."""

import msgspec
import pytest

from prune.model.errors import Refused
from prune.model.in_use import InUseReport
from prune.model.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, ImageConfig, Manifest, Platform
from prune.model.snapshot import Repository, Snapshot, V1Image
from prune.plan.words import listed
from prune.policy.evaluate import decide
from prune.policy.facts import Facts, Times
from prune.policy.inventory import Inventory
from prune.policy.read import parse_policy
from tests.plan.snapshots import NOW, digest, image_id, v1_snapshot
from tests.policy.worlds import LOOSE, ago, goes, judge, world

LONG_AGO = NOW - 400 * 86400


def pulls(since: str = "400d", ignore: str = "", **last: str) -> Facts:
    """Facts about tags of `app`: the last pull of each, by an agent after a slash (``3d/trivy``)."""
    tags = {}
    for tag, text in last.items():
        noticed = {}
        for word in text.split():
            age, _, agent = word.partition("/")
            noticed[agent or "containerd/1.7"] = ago(age)
        tags[tag] = Times(pulls=noticed)
    return Facts(tags={"app": tags}, pulls_since=ago(since))


ACTIVE = "keep: [{id: active, active_within: 30d}]\ndelete: [{tag: '.'}]"
UNPULLED = "delete: [{tag: '.', older_than: {age: 30d, by: pulled}}]"


@pytest.mark.parametrize(
    ("there", "policy", "facts", "gone"),
    [
        pytest.param("a@90d b@90d", ACTIVE, pulls(a="9d"), "b", id="what is pulled is active"),
        pytest.param("a@9d", ACTIVE, pulls(), "", id="what was pushed is active, pulled or not (harbor 10295)"),
        pytest.param("a@90d", ACTIVE, pulls(since="20d"), "", id="who pulled before anybody listened is not known"),
        pytest.param("a@90d", ACTIVE, pulls(since="30d"), "a", id="listening for as long is enough"),
        pytest.param("a@?", ACTIVE, pulls(), "", id="pushed nobody knows when"),
        pytest.param("a@90d", ACTIVE, pulls(a="+9d"), "", id="pulled in the future"),
        pytest.param("a@90d b=a", ACTIVE, pulls(b="9d"), "", id="a pull of one tag is a pull of its digest"),
        pytest.param("a@90d", UNPULLED, pulls(), "", id="what was never pulled has no time of a pull"),
        pytest.param("a@90d b@90d", UNPULLED, pulls(a="31d", b="29d"), "a", id="last pulled"),
        pytest.param("a@90d", UNPULLED, pulls(since="20d", a="40d"), "", id="who pulled in a gap is not known"),
        pytest.param("a@90d", UNPULLED, pulls(since="35d", a="40d"), "a", id="a gap before the window is none"),
        pytest.param(
            "a@90d b@90d c@90d",
            "keep: [{tag: 'a|b|c', newer_than: {age: 9d, by: pulled}}]\ndelete: [{tag: '.'}]",
            pulls(since="8d", a="40d", b="7d"),
            "",
            id="what may have been pulled in a gap may be newer",
        ),
        pytest.param(
            "a@90d b@90d",
            "keep: [{newer_than: {age: 9d, by: pulled}}]\ndelete: [{tag: '.'}]",
            pulls(since="9d", a="40d", b="7d"),
            "a",
            id="and is not when nothing was missed",
        ),
        pytest.param(
            "a@90d b@80d c@70d",
            "keep: [{newest: {n: 1, by: pulled}}]\ndelete: [{tag: '.'}]",
            pulls(since="5d", a="2d", b="3d", c="9d"),
            "b",
            id="what was pulled before a gap has no place among the newest",
        ),
        pytest.param(
            "a@90d b@90d",
            "ignore_pulls_by: ['(?i)trivy.*']\n" + ACTIVE,
            pulls(a="1d/Trivy/0.5", b="1d/Trivy/0.5 9d/docker"),
            "a",
            id="scanners do not count where a policy says so",
        ),
        pytest.param("a@90d", ACTIVE, pulls(a="1d/Trivy/0.5"), "", id="and do where it does not"),
        pytest.param(
            "a@90d b@80d",
            "keep: [{newest: {n: 1, by: pulled}}]\ndelete: [{tag: '.'}]",
            pulls(a="2d", b="3d"),
            "b",
            id="newest by pulls",
        ),
    ],
)
def test_pulls(there, policy, facts, gone):
    assert goes(judge(there, policy, facts)) == gone


@pytest.mark.parametrize(
    "rule", ["delete: [{id: r, older_than: {age: 1d, by: pulled}}]", "keep: [{id: r, newest: {n: 1, by: pulled}}]"]
)
def test_rules_on_pulls_are_refused_where_nothing_reports_them(rule):
    with pytest.raises(Refused, match="The rule r asks when images were pulled, and nothing reports pulls"):
        judge("a", rule)


def test_active_where_nothing_reports_pulls_says_so():
    evaluation = judge("a@90d", ACTIVE)
    assert evaluation.decisions[0].flags == ("when it was last pulled is not known",)
    assert "nothing reports pulls" in listed(evaluation.notes)


@pytest.mark.parametrize(("since", "says"), [("29d", True), ("30d", False)])
def test_a_window_that_reaches_back_too_far_is_said(since, says):
    said = listed(judge("a@90d", ACTIVE, pulls(since)).notes)
    assert ("What active cannot tell stays: pulls are reported since 2026-12-" in said) == says


def test_pushes_and_pulls_are_added_to_an_inventory_that_is_there():
    known = Inventory(world("a@90d b@90d -@90d"), pulls(a="40d"))
    policy = parse_policy(f"{ACTIVE}\n{LOOSE}")
    assert goes(decide(known, policy, NOW)) == "a b"
    bare = known.shelves[0].items[-1].digest
    news = Facts(
        tags={"app": {"b": Times(pushed=ago("1d"))}},
        manifests={"app": {known.shelves[0].items[0].digest: Times(pulls={"x": ago("2d")}), bare: Times()}},
        pulls_since=LONG_AGO,
    )
    assert goes(decide(known.renewed(news), policy, NOW)) == ""
    assert goes(decide(known.renewed(Facts(pulls_since=LONG_AGO)), policy, NOW)) == "a b"
    assert known.shelves[0].pulls[0] == {"containerd/1.7": ago("40d")}


def test_a_pull_of_a_platform_is_a_pull_of_its_index():
    snapshot, _, child = _index()
    facts = Facts(manifests={"app": {child: Times(pulls={"x": ago("2d")})}}, pulls_since=LONG_AGO)
    assert goes(judge(snapshot, "keep: [{active_within: 9d}]\ndelete: [{tag: '.*'}]", facts)) == ""
    assert goes(judge(snapshot, "keep: [{active_within: 1d}]\ndelete: [{tag: '.*'}]", facts)) == "multi"


def test_first_seen_and_untagged_at_come_from_scans():
    facts = Facts(tags={"app": {"a": Times(first_seen=ago("9d")), "b": Times(first_seen=ago("1d"))}})
    policy = "delete: [{tag: '.*', older_than: {age: 7d, by: first_seen}}]"
    assert goes(judge("a@? b@? c@?", policy, facts)) == "a"
    snapshot = world("-@? -@?")
    one, other = sorted(snapshot.repositories["app"].revisions)
    facts = Facts(manifests={"app": {one: Times(untagged_at=ago("9d")), other: Times(untagged_at=ago("1d"))}})
    policy = "delete: [{untagged: true, older_than: {age: 7d, by: untagged_at}}]"
    assert [decision.digest for decision in judge(snapshot, policy, facts).going()] == [one]


def test_a_first_sighting_is_old_enough_for_min_age():
    facts = Facts(tags={"app": {"a": Times(first_seen=ago("9d")), "b": Times(first_seen=ago("1h"))}})
    policy = "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}"
    assert goes(judge("a@? b@? c@?", policy, facts)) == "a"
    assert goes(judge("a@+1d", policy, facts)) == ""


def test_a_notification_of_a_push_counts_besides_the_storage():
    facts = Facts(tags={"app": {"a": Times(pushed=ago("1d"))}})
    assert goes(judge("a@30d b@30d", "delete: [{older_than: {age: 7d, by: pushed}}]", facts)) == "b"


@pytest.mark.parametrize(
    ("since", "seen", "pushed", "gone"),
    [
        ("40d", "60d", None, "a"),
        ("40d", "20d", None, ""),
        ("20d", "60d", None, ""),
        ("40d", "60d", "1d", ""),
        ("40d", None, None, ""),
        ("40d", "60d", "+1d", ""),
    ],
)
def test_what_a_scan_found_before_was_pushed_before(since, seen, pushed, gone):
    times = Times(first_seen=seen and ago(seen), pushed=pushed and ago(pushed))
    facts = Facts(tags={"app": {"a": times}}, pulls_since=ago(since))
    assert goes(judge("a@?", ACTIVE, facts)) == gone


def test_a_source_that_tells_no_times_says_what_to_do():
    snapshot = world("a@? b@?", kind="registry-v2")
    said = judge(snapshot, "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}").notes
    assert "give facts, or count by created and set min_age to null" in listed(said)
    assert judge(snapshot, "delete: [{tag: '.'}]").notes == ()
    assert judge("a@9d", "delete: [{tag: '.'}]\nguards: {min_tags_left: 0}").notes == ()


# ---- in use ---------------------------------------------------------------------------------------------------

USED = "protect: [{id: used, in_use: true}]\ndelete: [{id: all, tag: '.*'}]"


def report(*names: str, **more) -> InUseReport:
    digests = tuple(name for name in names if name.startswith("sha256:"))
    references = tuple(name for name in names if not name.startswith("sha256:"))
    users = dict.fromkeys(names, ("pod shop/web",))
    fields = {"source": "cluster", "at": NOW, "complete": True, "users": users} | more
    return InUseReport(digests=digests, references=references, **fields)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("registry.example.com/app:a", "b"),
        ("app:a", "b"),
        ("proxy.example.com/mirror/app:b", "a"),
        ("registry.example.com/other:a", "a b"),
        ("registry.example.com/myapp:a", "a b"),
        ("registry.example.com/app:c", "a b"),
        ("registry.example.com:5000/app", "a b"),
        ("registry.example.com/app:x@DIGEST", "b"),
        ("registry.example.com/app@DIGEST", "b"),
    ],
)
def test_what_is_asked_for_by_its_name_is_in_use(name, gone):
    snapshot = world("a b")
    name = name.replace("DIGEST", snapshot.repositories["app"].tags["a"])
    assert goes(judge(snapshot, USED, Facts(in_use=(report(name),)))) == gone


def test_without_a_tag_the_latest_is_asked_for():
    assert goes(judge("a latest", USED, Facts(in_use=(report("registry.example.com:5000/app"),)))) == "a"


@pytest.mark.parametrize("name", ["hub:5000/seed:a", "hub:5000/library/seed:a", "seed:a", "library/seed:a"])
def test_what_a_v1_registry_files_below_library_is_asked_for_without_it(name):
    snapshot = world("library/seed:a library/seed:b", kind="storage-v1")
    assert goes(judge(snapshot, USED, Facts(in_use=(report(name),)))) == "library/seed:b"


def test_what_runs_by_digest_is_in_use_and_says_who_runs_it():
    snapshot = world("a b c=a")
    evaluation = judge(snapshot, USED, Facts(in_use=(report(snapshot.repositories["app"].tags["a"]),)))
    assert goes(evaluation) == "b"
    assert evaluation.decisions[0].because == (
        "It stays: used (because pod shop/web on cluster runs it) keeps it; all (because its tag matches '.*') "
        "would let it go."
    )


def test_the_id_of_an_image_is_the_digest_of_its_config():
    snapshot = world("a b")
    config = snapshot.manifests[snapshot.repositories["app"].tags["b"]].config.digest
    assert goes(judge(snapshot, USED, Facts(in_use=(report(config),)))) == "a"


def test_a_platform_in_use_keeps_its_index():
    snapshot, _, child = _index()
    assert goes(judge(snapshot, USED, Facts(in_use=(report(child),)))) == ""
    assert goes(judge(snapshot, USED, Facts(in_use=(report(digest(99)),)))) == "multi"


@pytest.mark.parametrize(
    ("reports", "says"),
    [
        ((), "nothing reports what is in use"),
        (
            (report(complete=False, problem="it refused"),),
            "cluster could not tell everything that is in use (it refused)",
        ),
        ((report(at=NOW - 2 * 3600),), "what cluster told is in use is too old to rely on"),
        ((report(at=NOW + 60),), "what cluster told is in use is too old to rely on"),
        ((report(source="a"), report(source="b", complete=False)), "b could not tell everything that is in use"),
    ],
)
def test_what_may_be_in_use_stays(reports, says):
    evaluation = judge("a b", USED, Facts(in_use=reports))
    assert goes(evaluation) == ""
    assert evaluation.decisions[0].flags[0].startswith(says)
    assert says in listed(evaluation.notes)


def test_a_stale_report_still_tells_who_uses_what_it_lists():
    evaluation = judge("a b", USED, Facts(in_use=(report("app:a", at=NOW - 9000),)))
    assert "pod shop/web on cluster asks for it by its name" in evaluation.decisions[0].because


def test_a_delete_rule_may_ask_for_what_is_not_in_use():
    policy = "delete: [{tag: '.', in_use: false}]"
    assert goes(judge("a b", policy, Facts(in_use=(report("app:a"),)))) == "b"
    assert goes(judge("a b", policy, Facts(in_use=(report("app:a", complete=False),)))) == ""


def test_in_v1_an_image_in_use_is_known_by_its_id():
    snapshot = v1_snapshot({"A": None, "B": None}, {"x": {"a": "A", "b": "B"}})
    assert goes(judge(snapshot, USED, Facts(in_use=(report(f"sha256:{image_id('A')}"),)))) == "x:b"


def test_a_docker_engine_tells_itself_what_its_containers_use():
    images = {
        image_id("a"): V1Image(image_id("a"), (image_id("a"),), 1, held_by=("web",)),
        image_id("b"): V1Image(image_id("b"), (image_id("b"),), 1),
    }
    tags = {"a": image_id("a"), "b": image_id("b")}
    snapshot = Snapshot("docker:", "docker-engine", {"x": Repository("x", tags)}, images=images)
    evaluation = judge(snapshot, USED)
    assert goes(evaluation) == "x:b"
    assert "the container web uses it" in evaluation.decisions[0].because


# ---- what images say of themselves ----------------------------------------------------------------------------


def described(created: dict[str, str] | None = None, labels: dict[str, dict[str, str]] | None = None) -> Snapshot:
    """Images in `app`, each with a config that says so."""
    created, labels = created or {}, labels or {}
    snapshot = world(" ".join(dict.fromkeys([*created, *labels])))
    configs = {
        snapshot.manifests[found].config.digest: ImageConfig(
            Platform(), created=created.get(tag, ""), labels=labels.get(tag, {})
        )
        for tag, found in snapshot.repositories["app"].tags.items()
    }
    return msgspec.structs.replace(snapshot, configs=configs)


@pytest.mark.parametrize(
    ("created", "gone"),
    [
        ("2020-01-01T00:00:00Z", "a"),
        ("2020-01-01T00:00:00.123456789Z", "a"),
        ("2020-01-01T01:00:00+01:00", "a"),
        ("2027-01-14T00:00:00Z", ""),  # the day before NOW
        ("1970-01-01T00:00:00Z", ""),
        ("1980-01-01T00:00:01Z", ""),
        ("0001-01-01T00:00:00Z", ""),
        ("", ""),
        ("yesterday", ""),
        ("2020-01-01T00:00:00", ""),
        ("2999-01-01T00:00:00Z", ""),
    ],
)
def test_created(created, gone):
    policy = "delete: [{tag: a, older_than: {age: 30d, by: created}}]"
    assert goes(judge(described(created={"a": created}), policy)) == gone


def test_newest_by_created_never_counts_what_has_no_time():
    snapshot = described(
        created={"a": "2020-01-01T00:00:00Z", "b": "2021-01-01T00:00:00Z", "c": "1970-01-01T00:00:00Z"}
    )
    evaluation = judge(snapshot, "keep: [{newest: {n: 1, by: created}}]\ndelete: [{tag: '.'}]")
    assert goes(evaluation) == "a"


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ("protect: [{label: keep}]\ndelete: [{tag: '.'}]", "c"),
        ("protect: [{label: keep=true}]\ndelete: [{tag: '.'}]", "b c"),
        ("delete: [{label: keep=false}]", "b"),
        ("delete: [{label: other}]", "c"),
    ],
)
def test_labels(rule, gone):
    snapshot = described(labels={"a": {"keep": "true"}, "b": {"keep": "false"}, "c": {"other": "1"}})
    assert goes(judge(snapshot, rule)) == gone


def test_labels_that_were_not_read_keep():
    assert goes(judge("a", "protect: [{label: keep}]\ndelete: [{tag: a}]")) == ""
    assert goes(judge("a", "delete: [{label: keep}]")) == ""


def test_one_platform_with_a_label_is_enough_to_keep_and_not_to_go():
    snapshot, top, child = _index()
    other = snapshot.manifests[top].children[1].digest
    configs = {
        snapshot.manifests[child].config.digest: ImageConfig(Platform(), labels={"x": "1"}),
        snapshot.manifests[other].config.digest: ImageConfig(Platform()),
    }
    snapshot = msgspec.structs.replace(snapshot, configs=configs)
    assert goes(judge(snapshot, "protect: [{label: x}]\ndelete: [{tag: '.*'}]")) == ""
    assert goes(judge(snapshot, "delete: [{label: x}]")) == ""


def _index() -> tuple[Snapshot, str, str]:
    """`app:multi`, an index of two images."""
    one, two, top = digest(11), digest(12), digest(13)
    manifests = {
        one: Manifest(one, 1, "image", OCI_MANIFEST, Descriptor(digest(21))),
        two: Manifest(two, 1, "image", OCI_MANIFEST, Descriptor(digest(22))),
        top: Manifest(top, 1, "index", OCI_INDEX, children=(Descriptor(one), Descriptor(two))),
    }
    old = NOW - 90 * 86400
    repository = Repository("app", {"multi": top}, {"multi": old}, dict.fromkeys(manifests, old))
    return Snapshot("storage:/x", "storage-v2", {"app": repository}, manifests, blobs={}), top, one
