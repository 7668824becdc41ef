"""What a cluster uses, asked of a small server that answers as its API does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from prune.model.errors import UsageError
from prune.policy.facts import Facts
from prune.sources.in_use import kubernetes
from prune.sources.in_use.kubernetes import KubernetesUses
from prune.sources.in_use.open import open_in_use
from tests.policy.worlds import goes, judge

TOKEN = "a-service-account"
D, E = "sha256:" + "d" * 64, "sha256:" + "e" * 64
PATHS = {
    "pods": "/api/v1/pods",
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "replicasets": "/apis/apps/v1/replicasets",
    "controllerrevisions": "/apis/apps/v1/controllerrevisions",
    "replicationcontrollers": "/api/v1/replicationcontrollers",
    "jobs": "/apis/batch/v1/jobs",
    "cronjobs": "/apis/batch/v1/cronjobs",
}


def pod(name: str, image: str, image_id: str = "", phase: str = "Running") -> dict:
    """A pod as the API shows it, with more than anybody asked for."""
    status = {"phase": phase, "conditions": [], "qosClass": "BestEffort"}
    if image_id:
        status["containerStatuses"] = [
            {"name": "main", "image": image, "imageID": image_id, "ready": True, "restartCount": 0, "state": {}}
        ]
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": image, "resources": {}}], "nodeName": "node-1"},
        "status": status,
    }


def workload(name: str, image: str) -> dict:
    spec = {"replicas": 0, "template": {"metadata": {}, "spec": {"containers": [{"name": "main", "image": image}]}}}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec, "status": {}}


def revision(name: str, image: str) -> dict:
    """What a rollback of a DaemonSet or StatefulSet goes to, as its controller writes it."""
    data = {"spec": {"template": {"$patch": "replace", "spec": {"containers": [{"name": "main", "image": image}]}}}}
    return {"metadata": {"name": name, "namespace": "shop"}, "data": data, "revision": 3}


def status(code: int, reason: str) -> tuple[int, dict]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


class Cluster:
    """``objects`` by resource, ``page`` to an answer; ``broken`` resources answer with what is given there."""

    def __init__(self, **objects: list[dict]) -> None:
        self.objects = objects
        self.page = 500
        self.broken: dict[str, tuple[int, object]] = {}
        self.too_old = 0
        self.asked: list[str] = []

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        parts = path.split("/")
        resource = parts[-1]
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else None
        self.asked.append(path)
        if namespace is None and path != PATHS.get(resource):
            return status(404, "NotFound")
        if resource in self.broken:
            return self.broken[resource]
        begin = int(query.get("continue", ["0"])[0])
        if begin and self.too_old:
            self.too_old -= 1
            return status(410, "Expired")
        found = [
            one
            for one in self.objects.get(resource, [])
            if namespace is None or one["metadata"]["namespace"] == namespace
        ]
        end = begin + min(self.page, int(query["limit"][0]))
        metadata = {"resourceVersion": "7"}
        if end < len(found):
            metadata |= {"continue": str(end), "remainingItemCount": len(found) - end}
        return 200, {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": found[begin:end]}


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            code, body = cluster.answer(url.path, parse_qs(url.query))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                code, body = status(401, "Unauthorized")
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def read(cluster: Cluster, **options):
    with serving(cluster) as address:
        return KubernetesUses(address, token=TOKEN, timeout=5, **options).read(42)


def test_pods_and_what_makes_pods():
    cron = workload("nightly", "host/cron:1")
    cron["spec"] = {"schedule": "0 3 * * *", "jobTemplate": {"spec": cron["spec"]}}
    report = read(
        Cluster(
            pods=[
                pod("web-1", "host/team/web:1.2", f"host/team/web@{D}"),
                pod("old-1", "host/old:1", f"docker-pullable://host/old@{E}"),
                pod("starting", "host/new:3", phase="Pending"),
            ],
            deployments=[workload("asleep", "host/asleep:2")],
            replicasets=[workload("web-before", "host/team/web:1.1")],
            statefulsets=[workload("db", "host/db:9")],
            daemonsets=[workload("agent", "host/agent:4")],
            controllerrevisions=[revision("agent-1", "host/agent:3")],
            replicationcontrollers=[workload("legacy", "host/legacy:1")],
            jobs=[workload("once", "host/once")],
            cronjobs=[cron],
        )
    )
    assert (report.complete, report.problem, report.at) == (True, "", 42)
    assert report.digests == (D, E)
    assert report.references == (
        "host/agent:3", "host/agent:4", "host/asleep:2", "host/cron:1", "host/db:9", "host/legacy:1", "host/new:3",
        "host/old:1", "host/once:latest", "host/team/web:1.1", "host/team/web:1.2",
    )  # fmt: skip
    assert report.users[D] == ("pod shop/web-1",)
    assert report.users["host/cron:1"] == ("cron job shop/nightly",)
    assert report.users["host/agent:3"] == ("controller revision shop/agent-1",)


def test_images_that_are_mounted_are_used():
    mounting = pod("model", "host/app:1")
    mounting["spec"]["volumes"] = [
        {"name": "weights", "image": {"reference": "host/weights:7", "pullPolicy": "IfNotPresent"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    report = read(Cluster(pods=[mounting]))
    assert report.complete
    assert report.references == ("host/app:1", "host/weights:7")


def test_all_pages_are_read():
    cluster = Cluster(pods=[pod(f"p{number}", f"host/app:{number}") for number in range(25)])
    cluster.page = 10
    report = read(cluster)
    assert report.complete
    assert len(report.references) == 25
    assert cluster.asked.count(PATHS["pods"]) == 3


def test_a_list_that_grew_old_is_begun_again_once():
    cluster = Cluster(pods=[pod(f"p{number}", f"host/app:{number}") for number in range(25)])
    cluster.page, cluster.too_old = 10, 1
    report = read(cluster)
    assert report.complete
    assert len(report.references) == 25
    cluster.too_old = 5
    report = read(cluster)
    assert not report.complete
    assert "its lists grow old too soon" in report.problem


def test_only_some_namespaces():
    cluster = Cluster(pods=[pod("a", "host/a:1"), pod("b", "host/b:1")])
    cluster.objects["pods"][1]["metadata"]["namespace"] = "other"
    assert read(cluster, namespaces=["other"]).references == ("host/b:1",)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (status(403, "Forbidden"), "does not let this account list each deployment"),
        (status(500, "InternalError"), "refused to list each deployment (500"),
        ((200, b"<html>"), "gave no list of each deployment"),
        ((200, {"kind": "Status"}), "gave no list of each deployment"),
        ((200, {"items": [{"spec": {"template": {"spec": {"containers": "x"}}}}], "metadata": {}}), "gave no list"),
    ],
)
def test_what_one_kind_does_not_tell_makes_it_incomplete_and_the_rest_is_still_told(answer, says):
    cluster = Cluster(pods=[pod("web", "host/app:a")], jobs=[workload("job", "host/app:j")])
    cluster.broken["deployments"] = answer
    report = read(cluster)
    assert not report.complete
    assert says in report.problem
    assert TOKEN not in report.problem
    assert report.references == ("host/app:a", "host/app:j")


def test_a_wrong_token():
    with serving(Cluster()) as address:
        report = KubernetesUses(address, token="wrong", timeout=5).read(1)
    assert not report.complete
    assert report.problem == f"kubernetes:{address} does not accept the token."


def test_nobody_answers_and_everything_it_may_hold_is_kept():
    with serving(Cluster()) as address:
        pass
    report = KubernetesUses(address, token=TOKEN, timeout=2).read(1_800_000_000)
    assert not report.complete
    assert "does not answer" in report.problem
    evaluation = judge("a b", "protect: [{in_use: true}]\ndelete: [{tag: '.'}]", Facts(in_use=(report,)))
    assert goes(evaluation) == ""
    assert "does not answer" in evaluation.decisions[0].because


def test_a_server_that_lists_for_ever(monkeypatch):
    monkeypatch.setattr(kubernetes, "MOST_PAGES", 3)
    cluster = Cluster()
    cluster.broken["pods"] = (200, {"items": [], "metadata": {"continue": "1"}})
    report = read(cluster)
    assert "goes on listing each pod for ever" in report.problem


def test_an_image_that_nobody_understands_is_in_doubt():
    report = read(Cluster(pods=[pod("odd", "host/app a:1")]))
    assert not report.complete
    assert "pod shop/odd uses an image named 'host/app a:1'" in report.problem


def test_the_token_comes_anew_from_its_file(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("old\n")
    monkeypatch.setenv("PRUNE_KUBERNETES_TOKEN_FILE", str(file))
    with serving(Cluster()) as address:
        source = open_in_use(f"kubernetes:{address}", timeout=5)
        assert not source.read(1).complete
        file.write_text(f"{TOKEN}\n")
        assert source.read(1).complete
        file.unlink()
        assert "cannot be reached" in source.read(1).problem


def test_without_an_address_and_a_kubeconfig_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    report = open_in_use("kubernetes:").read(1)
    assert not report.complete
    assert "cannot be reached" in report.problem


@pytest.mark.parametrize(
    "text", ["", "x", "kubernetes:host", "kubernetes:http://example.com", "kubernetes:https://a@b"]
)
def test_what_is_no_cluster_is_wrong_use(text):
    with pytest.raises(UsageError):
        open_in_use(text)
