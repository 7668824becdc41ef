"""Answers that are too large, too slow or no HTTP at all: nothing goes on for ever, and nothing is made sense of."""

import asyncio
import gzip
import hashlib
import time

import pytest

from prune.model.errors import Unreadable
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from prune.sources.registry_v2 import client as client_module
from prune.sources.registry_v2.client import Unreachable
from tests.http.raw import ONE, TWO, Raw, ask, ok


def endless(first: bytes, more: bytes):
    def answer(*_):
        yield first
        while True:
            yield more

    return answer


HOPELESS = {
    "a header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000),
    "announced without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a piece of which only the name comes": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"x" * 1000
    ),
    "two lengths": lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 2\r\n\r\ntrue",
    "a length and pieces": lambda *_: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n0\r\n\r\n"
    ),
    "a length that nobody can count": lambda *_: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 5000 + b"\r\n\r\ntrue"
    ),
    "a length below nothing": lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\ntrue",
    "another language": lambda *_: (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello"
    ),
    "compressed on the way": lambda *_: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(b"true")
    ),
    "compressed in pieces": lambda *_: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n\x1f\x8b\r\n0\r\n\r\n"
    ),
    "a status that is none": lambda *_: b"HTTP/1.1 OK\r\n\r\n",
    "no HTTP": lambda *_: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
}


@pytest.mark.parametrize("name", HOPELESS)
def test_nothing_goes_on_for_ever_or_is_made_sense_of(name, monkeypatch, capsys):
    monkeypatch.setattr(client_module, "ATTEMPTS", 1)
    monkeypatch.setattr(client_module, "SLOW_ATTEMPTS", 1)
    with Raw(HOPELESS[name]) as server, pytest.raises(Unreadable):
        ask(server, ONE, timeout=2.0)
    assert capsys.readouterr().err == ""


LINE = b"X: " + b"x" * 1000 + b"\r\n"
AROUND = {
    "a head": endless(b"HTTP/1.1 200 OK\r\n", LINE),
    "a head of what is only asked about": endless(b"HTTP/1.1 200 OK\r\n", LINE),
    "a trailer": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", LINE),
    "announced": endless(b"", b"HTTP/1.1 103 Early Hints\r\n" + 50 * LINE + b"\r\n"),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_comes_around_a_body_has_its_limit(name):
    """By its bytes, long before its time is over."""
    method = "HEAD" if "asked about" in name else "GET"
    with Raw(AROUND[name]) as server, pytest.raises(Unreadable, match="more than 262144 bytes around its content"):
        ask(server, (method, "/v2/one"))


@pytest.mark.parametrize("hashing", ["", "sha256"])
def test_a_head_that_comes_byte_by_byte_has_its_time(hashing, monkeypatch):
    """Also where its body may take as long as it keeps coming."""
    monkeypatch.setattr(client_module, "SLOW_ATTEMPTS", 1)

    def answer(*_):
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X: x\r\n"
            time.sleep(0.05)

    with Raw(answer) as server, pytest.raises(Unreachable, match="did not answer within 1 seconds"):
        ask(server, ONE, timeout=1.0, hashing=hashing)


def test_the_time_of_a_request_counts_from_its_own_beginning(monkeypatch):
    """What was set to wake us for the one before comes too early for this one."""
    monkeypatch.setattr(client_module, "SLOW_ATTEMPTS", 1)
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nxx"

    async def work(client):
        await client.send(*ONE)
        await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            await client.send(*TWO)

    with Raw(lambda request, _: ok() if "/v2/one" in request else part) as server:
        source = open_source(server.url, kind="registry-v2", timeout=1.0, access=Access(Credentials()))
        with pytest.raises(Unreachable, match="did not answer within 1 seconds"):
            source.run(work)


TOO_LARGE = {
    "announced": lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
    "in pieces": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n"),
    "until it ends": endless(b"HTTP/1.1 200 OK\r\n\r\n", b"0123456789"),
}


@pytest.mark.parametrize("hashing", ["", "sha256"])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_body_has_its_limit(name, hashing):
    with Raw(TOO_LARGE[name]) as server, pytest.raises(Unreadable, match="larger than 100 bytes"):
        ask(server, ONE, limit=100, hashing=hashing)


ERROR = b"HTTP/1.1 404 Not Found\r\n"
NO_CONTENT = {
    "announced": lambda *_: ERROR + b"Content-Length: 2000000\r\n\r\n",
    "in pieces": endless(ERROR + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "until it ends": endless(ERROR + b"\r\n", b"x" * 4096),
}


@pytest.mark.parametrize("name", NO_CONTENT)
def test_what_comes_in_the_place_of_content_to_hash_is_not_kept_however_large_that_may_be(name):
    with Raw(NO_CONTENT[name]) as server, pytest.raises(Unreadable, match="larger than 1048576 bytes"):
        ask(server, ONE, limit=1 << 40, hashing="sha256")


def test_what_is_only_asked_about_may_be_large():
    with Raw(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n") as server:
        (answer,) = ask(server, ("HEAD", "/v2/one"), limit=100)
    assert answer.headers["content-length"] == "1000000000000"


def test_a_body_that_is_hashed_may_take_its_time_while_it_comes():
    def answer(*_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
        for _ in range(12):
            time.sleep(0.5)
            yield b"x"

    with Raw(answer) as server:
        (said,) = ask(server, ONE, timeout=5.0, hashing="sha256")
    assert (said.body, said.length, said.hashed) == (b"", 12, hashlib.sha256(b"x" * 12).hexdigest())


@pytest.mark.parametrize("hashing", ["", "sha256"])
def test_a_body_that_stops_coming_is_given_up(hashing, monkeypatch):
    monkeypatch.setattr(client_module, "SLOW_ATTEMPTS", 1)
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nxx"
    with Raw(lambda *_: part) as server, pytest.raises(Unreachable, match="did not answer within 1 seconds"):
        ask(server, ONE, timeout=1.0, hashing=hashing)


def test_nothing_is_decompressed():
    body = gzip.compress(b"{}")
    said = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with Raw(lambda *_: said) as server, pytest.raises(Unreadable, match="came compressed"):
        ask(server, ONE)
