"""What a real engine has in use: its containers' images, as they were asked for and as registries know them."""

import socket
import threading
from contextlib import closing

import pytest
from docker.types import ContainerSpec, ServiceMode, TaskTemplate

from prune.model.errors import UsageError
from prune.sources.in_use.docker_engine import DockerEngineUses
from tests.engines import RegistryContainer
from tests.servers import free_port


@pytest.mark.real
def test_containers_use_tags_ids_and_manifests(engine):
    hub = RegistryContainer(engine, "hub")
    first = engine.build("FROM base:1\nLABEL a=1\n", f"{hub.host}/team/app:1", "local:1")
    pushed = engine.api.push(f"{hub.host}/team/app", tag="1", stream=True, decode=True)
    digest = next(line["aux"]["Digest"] for line in pushed if "aux" in line)
    unused = engine.build("FROM base:1\nLABEL b=1\n", "unused:1")
    engine.client.containers.run(f"{hub.host}/team/app:1", name="web", detach=True, network_mode="host")
    engine.client.containers.create(first, name="by-id", network_mode="host")
    # The tag moves on while the container stays with what it had.
    moved = engine.build("FROM base:1\nLABEL c=1\n", f"{hub.host}/team/app:1")
    report = DockerEngineUses(engine.url).read(77)
    assert (report.complete, report.problem, report.at) == (True, "", 77)
    assert report.source == f"docker:{engine.url}"
    assert {first, digest, engine.id("registry:2")} == set(report.digests)
    assert {f"{hub.host}/team/app:1", "registry:2"} <= set(report.references)
    assert report.users[digest] == ("container by-id", "container web")
    assert not {unused, moved} & set(report.digests)
    assert "unused:1" not in report.references
    # An image that was removed by force: what the container runs can no longer be told, and is not guessed.
    engine.api.remove_image("local:1", force=True)
    engine.api.stop("web", timeout=0)
    engine.api.remove_image(first, force=True)
    report = DockerEngineUses(engine.url).read(78)
    assert not report.complete
    assert "by force" in report.problem
    assert {first, f"{hub.host}/team/app:1"} <= {*report.digests, *report.references}
    engine.api.remove_image(moved, force=True)


@pytest.mark.real
def test_services_of_a_swarm_use_what_they_would_start_and_what_they_would_go_back_to(engine):
    def wants(image: str) -> dict:
        task = TaskTemplate(ContainerSpec(f"host.example/{image}"))
        return {"task_template": task, "name": "shop", "mode": ServiceMode("replicated", 0)}

    api = engine.api
    api.init_swarm(advertise_addr="127.0.0.1", listen_addr=f"127.0.0.1:{free_port()}")
    try:
        api.create_service(**wants("app:1"))
        assert DockerEngineUses(engine.url).read(5).references == ("host.example/app:1",)
        now = api.inspect_service("shop")
        api.update_service("shop", now["Version"]["Index"], **wants("app:2"))
        report = DockerEngineUses(engine.url).read(5)
    finally:
        api.leave_swarm(force=True)
    assert report.complete
    assert report.users == {f"host.example/app:{number}": ("service shop",) for number in (1, 2)}
    assert DockerEngineUses(engine.url).read(5).references == ()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"nonsense\r\n\r\n"])
def test_an_engine_that_cannot_be_asked_is_an_incomplete_report(tmp_path, answer):
    nowhere = DockerEngineUses(f"unix://{tmp_path}/none").read(1)
    assert (nowhere.complete, nowhere.digests, nowhere.at) == (False, (), 1)
    assert "does not exist" in nowhere.problem
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        odd = DockerEngineUses(f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout=2).read(1)
        server.shutdown(socket.SHUT_RDWR)
    assert not odd.complete
    assert odd.problem.startswith(("The Docker Engine", "tcp://"))


def test_what_is_no_address_of_an_engine_is_wrong_use():
    with pytest.raises(UsageError):
        DockerEngineUses("http://somewhere")
