"""The envelopes in which a registry tells of pushes and pulls."""

import json

import pytest

from prune.model.errors import Unreadable
from prune.sources.registry_v2.notifications import MAX_ENVELOPE, Event, is_envelope, read_envelope
from tests.plan.snapshots import digest

TARGET = {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": digest(1),
    "repository": "team/app",
    "url": f"http://hub/v2/team/app/manifests/{digest(1)}",
    "tag": "1",
}
EVENT = {
    "id": "6799c480",
    "action": "pull",
    "target": TARGET,
    "request": {"method": "HEAD", "useragent": "docker/27.3"},
    "source": {"addr": "hub:5000", "instanceID": "33637bf9"},
}
NOTHING = Event("33637bf9")


def read(**change):
    return read_envelope(json.dumps({"events": [EVENT | change]}).encode())


def test_it_works():
    assert read() == [Event("33637bf9", "pull", "6799c480", "team/app", digest(1), "1", "docker/27.3")]
    assert read_envelope(b'{"events": []}') == []


@pytest.mark.parametrize(
    "change",
    [
        {"action": "delete", "target": {"repository": "team/app", "tag": "1"}},
        {"action": "mount"},
        {"target": {"mediaType": "application/octet-stream", "digest": "x", "repository": "X"}},
        {"target": TARGET | {"mediaType": "", "url": f"http://hub/v2/team/app/blobs/{digest(1)}"}},
    ],
)
def test_what_is_not_about_a_manifest_is_left_out(change):
    assert read(**change) == [NOTHING]


@pytest.mark.parametrize(
    "target",
    [
        {"repository": "x/blobs/y", "url": f"http://hub/v2/x/blobs/y/manifests/{digest(1)}"},
        {"mediaType": "application/octet-stream"},
        {"mediaType": "application/vnd.something.new", "url": ""},
    ],
)
def test_in_doubt_it_is_a_manifest(target):
    assert read(target=TARGET | target)[0].action == "pull"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"events": 1}',
        b'{"events": [1]}',
        b'{"events": [{}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"events": [EVENT] * 1001}).encode(),
        b" " * (MAX_ENVELOPE + 1),
    ],
)
def test_what_is_no_envelope_is_refused(body):
    with pytest.raises(Unreadable):
        read_envelope(body)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "x" * 101},
        {"target": {}},
        {"target": TARGET | {"repository": "../x"}},
        {"target": TARGET | {"repository": "a/" * 128 + "a"}},
        {"target": TARGET | {"digest": "sha256:12"}},
        {"target": TARGET | {"digest": ""}},
        {"target": TARGET | {"tag": "a b"}},
    ],
)
def test_one_event_that_makes_no_sense_spoils_the_envelope(change):
    with pytest.raises(Unreadable):
        read_envelope(json.dumps({"events": [EVENT, EVENT | change]}).encode())


@pytest.mark.parametrize(
    ("agent", "ours"),
    [("registryui-prune", True), ("registryui-prune/2 x", True), ("registryui-pruned", False), ("", False)],
)
def test_our_own_requests_are_known(agent, ours):
    assert read(request={"useragent": agent})[0].ours == ours


def test_media_types():
    for version in "12":
        assert is_envelope(f"application/vnd.docker.distribution.events.v{version}+json; charset=utf-8")
    assert not is_envelope("application/json")
    assert not is_envelope("")
