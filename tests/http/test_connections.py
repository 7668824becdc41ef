"""What servers may do to a connection: nothing of it answers another question, and nothing is endless."""

import asyncio
import contextlib
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from prune.model.errors import SourceError, Unreadable
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from prune.sources.registry_v2.notifications import OUR_AGENT
from prune.sources.registry_v2.sockets import Sockets
from tests.http.raw import ONE, TWO, Raw, ask, ok

DIGEST = "sha256:" + "a" * 64


def test_a_connection_is_used_again():
    with Raw(lambda request, _: ok(request.split()[1].encode())) as server:
        answers = ask(server, ONE, TWO, ("HEAD", "/v2/three"))
    assert [answer.body for answer in answers] == [b"/v2/one", b"/v2/two", b""]
    assert {number for number, _ in server.requests} == {1}


@pytest.mark.parametrize("again", [0.0, 0.2], ids=["with the answer", "after it"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(again):
    """A server, or whoever speaks through it, may not answer before it is asked."""

    def answer(request, number):
        if "/v2/one" not in request:
            return ok(b"true")
        if not again:
            return ok() + ok(b"forged")
        return pieces()

    def pieces():
        yield ok()
        time.sleep(again)
        yield ok(b"forged")
        time.sleep(again)

    with Raw(answer) as server:

        async def work(client):
            await client.send(*ONE)
            await asyncio.sleep(2 * again)
            return await client.send(*TWO)

        said = open_source(server.url, kind="registry-v2", access=Access(Credentials())).run(work)
    assert said.body == b"true"
    assert [number for number, _ in server.requests] == [1, 2]


def test_a_body_where_none_may_be_is_not_taken_for_the_next_answer():
    with Raw(lambda request, _: ok(ok(b"forged")) if request.startswith("HEAD") else ok(b"true")) as server:
        answers = ask(server, ("HEAD", "/v2/one"), TWO)
    assert [answer.body for answer in answers] == [b"", b"true"]


def test_what_follows_the_content_says_nothing_about_it():
    """Headers behind a body (trailers) must not change which digest was named before."""
    said = (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDocker-Content-Digest: {DIGEST}\r\n\r\n"
        "4\r\ntrue\r\n0\r\nDocker-Content-Digest: sha256:forged\r\nLink: <http://elsewhere>\r\n\r\n"
    )
    with Raw(lambda *_: said.encode()) as server:
        (answer,) = ask(server, ONE)
    assert answer.body == b"true"
    assert answer.headers["docker-content-digest"] == DIGEST
    assert "link" not in answer.headers


def test_an_answer_may_be_announced_and_may_end_with_the_connection():
    def answer(request, _):
        yield b"HTTP/1.1 103 Early Hints\r\nDocker-Content-Digest: forged\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntr"
        yield b"ue"
        raise OSError  # and closes

    class Closing(Raw):
        def _serve(self, made, number):
            super()._serve(made, number)
            made.shutdown(socket.SHUT_RDWR)

    with Closing(answer) as server:
        (said,) = ask(server, ONE)
    assert said.body == b"true"
    assert "docker-content-digest" not in said.headers


def test_a_connection_that_was_closed_meanwhile_is_opened_again_to_read():
    def answer(request, number):
        return None if "/v2/two" in request and number == 1 else ok()

    with Raw(answer) as server:
        ask(server, ONE, TWO)
    assert [number for number, _ in server.requests] == [1, 1, 2]


def test_what_changes_something_is_sent_once_only():
    """Whether it was done before the connection ended, nobody knows: it must not be asked for again unseen."""
    server = Raw(lambda request, number: None if request.startswith("DELETE") else ok())
    with server, pytest.raises(SourceError, match="broke off"):
        ask(server, ONE, ("DELETE", "/v2/two"), retry=False)
    assert len([one for _, one in server.requests if one.startswith("DELETE")]) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://{allowed}@{evil}/x",
        "http://{evil}\\@{allowed}/x",
        "http://{evil}#@{allowed}/x",
        "http://{evil}\t@{allowed}/x",
        "//{evil}/x",
        "http:///{evil}/x",
        "http://{allowed}\\.{evil}/x",
        "ftp://{allowed}/x",
        "http://{evil}%2f@{allowed}/x",
    ],
)
def test_an_odd_address_leads_nowhere_else(location):
    """Two readers of an address may see two hosts in it; the one that was allowed is the one that is asked."""
    with Raw(lambda *_: ok(b"evil")) as evil, Raw(lambda *_: ok(b"fine")) as other:
        allowed = other.url.removeprefix("http://")
        where = location.format(allowed=allowed, evil=evil.url.removeprefix("http://"))
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
        with Raw(lambda *_: moved) as server:
            source = open_source(server.url, kind="registry-v2", access=Access(Credentials(), allowed_hosts=allowed))

            async def work(client):
                return await client.send(*ONE)

            with contextlib.suppress(Unreadable, SourceError):
                assert source.run(work).body == b"fine"
        assert evil.requests == []


def test_nothing_that_is_named_becomes_a_second_header():
    def answer(request, _):
        if "/v2/one" not in request:
            return ok()
        return b"HTTP/1.1 307 Moved\r\nLocation: /v2/two?x=\xc3\xa9 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"

    with Raw(answer) as server:
        ask(server, ONE)
        with pytest.raises(Unreadable):
            ask(server, TWO, headers={"X": "a\r\nX-Forged: yes"})
    assert [one.split("\r\n")[0] for _, one in server.requests] == [
        "GET /v2/one HTTP/1.1",
        "GET /v2/two?x=%C3%83%C2%A9%20HTTP/1.1 HTTP/1.1",
    ]
    assert not [one for _, one in server.requests if "forged" in one.lower()]


def headers(request: str) -> dict[str, str]:
    return {name.lower(): value for name, _, value in (one.partition(": ") for one in request.split("\r\n")[1:])}


def test_nothing_of_whoever_runs_it_goes_along(tmp_path, monkeypatch):
    """No proxy, no password file, no cookie, and no header but ours."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Raw(lambda *_: ok(b"proxied")) as proxy, Raw(lambda *_: ok(b"{}", "Set-Cookie: a=b; Path=/")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        answers = ask(server, ONE, TWO)
        ask(server, ("PUT", "/v2/three"), body=bytes(2 << 20), retry=False)
        ask(server, ("POST", "/v2/four"), ("DELETE", "/v2/five"), retry=False)
        assert proxy.requests == []
    assert [answer.body for answer in answers] == [b"{}", b"{}"]
    host = server.url.removeprefix("http://")
    sent = [headers(request.rstrip("\r\n")) for _, request in server.requests]
    assert {one.pop("user-agent") for one in sent} == {OUR_AGENT}
    assert {one.pop("accept-encoding") for one in sent} == {"identity"}
    assert {one.pop("host") for one in sent} == {host}
    assert sent == [{}, {}, {"content-length": str(2 << 20)}, {"content-length": "0"}, {}]


def test_a_path_is_asked_for_as_it_stands():
    with Raw(lambda *_: ok()) as server:
        ask(server, ("GET", "/v2/a/../b/./c%2F?n=1&last=%20"))
    assert server.requests[0][1].startswith("GET /v2/a/../b/./c%2F?n=1&last=%20 HTTP/1.1\r\n")


def test_a_redirect_is_an_answer():
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /v2/two\r\nContent-Length: 0\r\n\r\n"
    with Raw(lambda *_: moved) as server:
        (answer,) = ask(server, ("DELETE", "/v2/one"), retry=False)
    assert answer.status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "PATCH"])
def test_no_kind_of_change_is_sent_again(method):
    server = Raw(lambda request, number: ok() if request.startswith("GET") else None)
    with server, pytest.raises(SourceError, match="broke off"):
        ask(server, ONE, TWO, (method, "/v2/three"), retry=False)
    assert len([one for _, one in server.requests if one.startswith(method)]) == 1


def test_what_one_request_says_is_not_said_by_the_next():
    """They share connections, and what libcurl remembers of them."""
    with Raw(lambda *_: ok()) as server:

        async def work(client):
            for method, given in (
                ("GET", {"Authorization": "Basic secret", "Accept": "a/b"}),
                ("GET", None),
                ("HEAD", {"X-Other": "1"}),
                ("GET", {"Accept": "c/d"}),
                ("GET", {"Accept": "c/d"}),
            ):
                await client.send(method, "/v2/", headers=given)
            await client.send("PUT", "/v2/", body=b"", headers={"Content-Type": "e/f"})
            await client.send("GET", "/v2/")

        open_source(server.url, kind="registry-v2", access=Access(Credentials())).run(work)
    always = {"host", "user-agent", "accept-encoding"}
    sent = [headers(request.rstrip("\r\n")) for _, request in server.requests]
    assert [{name: value for name, value in one.items() if name not in always} for one in sent] == [
        {"authorization": "Basic secret", "accept": "a/b"},
        {},
        {"x-other": "1"},
        {"accept": "c/d"},
        {"accept": "c/d"},
        {"content-type": "e/f", "content-length": "0"},
        {},
    ]
    methods = [request.split()[0] for _, request in server.requests]
    assert methods == ["GET", "GET", "HEAD", "GET", "GET", "PUT", "GET"]


def test_connections_to_two_servers_that_begin_at_one_port_are_told_apart():
    """Only both ends of a connection name it; something unread in one says nothing about the other."""
    sockets = Sockets(())
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ours: list[socket.socket] = []
        for server in servers:
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(ours[0].getsockname() if ours else ("127.0.0.1", 0))
            one.connect(server.getsockname())
            ours.append(one)
        ends = [(*one.getsockname(), *one.getpeername()) for one in ours]
        for one, both in zip(ours, ends, strict=True):
            sockets.remember([one.fileno()], both)
        assert [sockets.is_quiet(both) for both in ends] == [True, True]
        there, _ = servers[0].accept()
        stack.enter_context(there).sendall(b"forged")
        assert select.select([ours[0]], [], [], 30)[0]
        assert [sockets.is_quiet(both) for both in ends] == [False, True]


def test_what_is_under_way_when_everything_ends_is_called_off():
    asked = threading.Event()

    def answer(request, _):
        asked.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"

    with Raw(answer) as server:

        async def work(client):
            one = asyncio.create_task(client.send(*ONE))
            await asyncio.to_thread(asked.wait, 30)
            await client.__aexit__(None, None, None)
            with contextlib.suppress(asyncio.CancelledError):
                await one
            return one.cancelled()

        assert open_source(server.url, kind="registry-v2", access=Access(Credentials())).run(work)
        assert server.is_left()


@pytest.mark.parametrize("hashing", ["", "sha256"])
def test_a_request_that_is_given_up_ends_its_connection(hashing):
    """Its answer would otherwise be there for the next."""
    asked = threading.Event()

    def answer(request, _):
        if "/v2/one" not in request:
            return ok(b"true")
        asked.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"

    with Raw(answer) as server:

        async def work(client):
            await client.send("GET", "/v2/zero")
            one = asyncio.create_task(client.send(*ONE, hashing=hashing))
            await asyncio.to_thread(asked.wait, 30)
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one
            return one.cancelled(), await client.send(*TWO)

        cancelled, said = open_source(server.url, kind="registry-v2", access=Access(Credentials())).run(work)
        assert server.is_left()
    assert cancelled
    assert said.body == b"true"
    assert [number for number, _ in server.requests] == [1, 1, 2]


def test_many_at_once_in_several_threads_each_with_connections_of_its_own():
    with Raw(lambda request, _: ok(request.split()[1].encode())) as server:

        def some(which: int) -> bool:
            paths = [f"/v2/{which}/{number}" for number in range(40)]

            async def work(client):
                return await asyncio.gather(*(client.send("GET", path) for path in paths))

            source = open_source(server.url, kind="registry-v2", access=Access(Credentials()), concurrency=4)
            return all([one.body.decode() for one in source.run(work)] == paths for _ in range(2))

        with ThreadPoolExecutor(4) as threads:
            assert all(threads.map(some, range(4)))
        assert server.is_left()
    assert 8 <= len({number for number, _ in server.requests}) <= 32
