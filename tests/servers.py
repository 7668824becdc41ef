"""Real servers on free loopback ports: started in a fixture, stopped by it, and nothing else."""

import base64
import contextlib
import http.client
import json
import random
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

from tests.layouts import Layout

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
)


def free_port() -> int:
    """A port that nobody listens on. It is none of those that the system gives to connections: a registry that is
    stopped for a while must find it free when it comes back, whatever others do meanwhile."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(lowest, 11_000))
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


class Registry:
    """A real docker-registry over a folder. ``start`` and ``stop`` as often as one likes."""

    def __init__(self, root: Path, folder: Path, *, extra: str = "") -> None:
        self.root = root
        self.port = free_port()
        self.config = folder / f"registry-{self.port}.yml"
        self.log = folder / f"registry-{self.port}.log"
        self.config.write_text(
            f"""version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{self.port}
{extra}"""
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["docker-registry", "serve", str(self.config)], stdout=log, stderr=log, env=self.environment
            )
        over = time.monotonic() + 60
        while time.monotonic() < over:
            with contextlib.suppress(OSError):
                if self.get("/v2/")[0] in (200, 401):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the registry did not start: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def request(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers={"Accept": ACCEPT})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def put_manifest(self, repo: str, reference: str, kind: str, body: bytes) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("PUT", f"/v2/{repo}/manifests/{reference}", body, {"Content-Type": kind})
            answer = connection.getresponse()
            assert answer.status == 201, answer.read()

    def get(self, path: str) -> tuple[int, bytes]:
        status, _, body = self.request("GET", path)
        return status, body

    def catalog(self) -> list[str]:
        return json.loads(self.get("/v2/_catalog?n=1000")[1])["repositories"]

    def tags(self, repo: str) -> list[str]:
        status, body = self.get(f"/v2/{repo}/tags/list")
        return sorted(json.loads(body)["tags"] or []) if status == 200 else []

    def pull(self, repo: str, reference: str) -> dict[str, bytes]:
        """Everything that a pull of ``reference`` fetches, by digest."""
        status, body = self.get(f"/v2/{repo}/manifests/{reference}")
        assert status == 200, (repo, reference, status, body)
        document = json.loads(body)
        found = {reference: body}
        for child in document.get("manifests", ()):
            found |= self.pull(repo, child["digest"])
        blobs = [layer["digest"] for layer in document.get("layers", ())]
        if "config" in document:
            blobs.append(document["config"]["digest"])
        for digest in blobs:
            status, content = self.get(f"/v2/{repo}/blobs/{digest}")
            assert status == 200, (repo, digest, status)
            found[digest] = content
        return found

    def pull_all(self) -> dict[tuple[str, str], dict[str, bytes]]:
        return {(repo, tag): self.pull(repo, tag) for repo in self.catalog() for tag in self.tags(repo)}


class Guarded(Registry):
    """The real registry with htpasswd and a certificate of a CA made here."""

    def __init__(self, folder) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        self.authority = authority.cert_pem.bytes().decode()
        (folder / "certs").mkdir()
        (folder / "certs/ca.crt").write_text(self.authority)
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self.password = "correct-horse"
        line = subprocess.run(
            ["htpasswd", "-Bbn", "me", self.password], capture_output=True, text=True, check=True
        ).stdout.strip()
        (folder / "htpasswd").write_text(line + "\n")
        self.certs = folder / "certs"
        extra = f"""  tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""
        super().__init__(folder / "store", folder, extra=extra)

    def request(self, method, path):
        context = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        credentials = base64.b64encode(f"me:{self.password}".encode()).decode()
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Accept": ACCEPT, "Authorization": f"Basic {credentials}"})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def push(self, layout: Layout, tag: str, target: str) -> None:
        subprocess.run(
            [
                *("skopeo", "--insecure-policy", "copy", "--dest-cert-dir", str(self.certs)),
                *("--dest-creds", f"me:{self.password}"),
                *(f"oci:{layout.root}:{tag}", f"docker://{self.host}/{target}"),
            ],
            check=True,
            capture_output=True,
        )


@contextlib.contextmanager
def registry(root: Path, folder: Path, *, extra: str = "") -> Iterator[Registry]:
    server = Registry(root, folder, extra=extra)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def skopeo(*arguments: str) -> None:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", "--src-tls-verify=false", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def push(layout: Layout, tag: str, server: Registry, target: str, *options: str) -> None:
    skopeo(*options, f"oci:{layout.root}:{tag}", f"docker://{server.host}/{target}")


def push_examples(server: Registry, folder: Path) -> Layout:
    """Shared layers, multi-arch, two tags on a digest, the same image in two repositories."""
    layout = Layout(folder / "layout")
    base, common = layout.layer("base"), layout.layer("common")
    layout.image(base, common, tag="one", version="1")
    layout.image(base, common, layout.layer("two"), tag="two", version="2")
    layout.image(layout.layer("alone"), tag="alone")
    arm, amd = (
        layout.image(base, layout.layer(architecture), architecture=architecture)
        for architecture in ("arm64", "amd64")
    )
    layout.index(arm, amd, tag="multi")
    push(layout, "one", server, "team/app:1.0")
    push(layout, "one", server, "team/app:stable")
    push(layout, "two", server, "team/app:2.0")
    push(layout, "one", server, "copy/app:1.0")
    push(layout, "alone", server, "lonely:1")
    push(layout, "multi", server, "multi:1", "--all")
    push(layout, "multi", server, "multi:2", "--all")
    return layout
