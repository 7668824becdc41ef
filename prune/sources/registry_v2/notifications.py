"""What a registry tells of pushes and pulls: the envelopes that it posts to the endpoints in its configuration.

The form is that of distribution 2.x and 3.x (notifications/event.go): they differ only in their media type. Every
HEAD and GET of a manifest that finds it is a pull, by tag or by digest; a GET answered with 304 is not told.
"""

import re
from datetime import datetime
from typing import Literal

import msgspec

from prune.model.digest import Digest, is_digest
from prune.model.errors import Unreadable
from prune.model.reference import is_repository_name, is_tag_name

#: In bytes. A registry posts events one by one, as they come; what lies between may put some together.
MAX_ENVELOPE = 1024 * 1024
#: More events than anybody puts into one envelope.
MAX_EVENTS = 1000

#: What a scan or a cleanup of ours calls itself; its requests are not what an image is kept for.
OUR_AGENT = "registryui-prune"

_MEDIA_TYPE = re.compile(r"application/vnd\.docker\.distribution\.events\.v[0-9]+\+json")

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)")

Action = Literal["push", "pull", ""]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. ``action`` is empty for what is not about a manifest that was pushed or pulled, and then nothing
    but ``instance``, the process of the registry that tells it, is filled in. ``at`` is when it happened, by the
    registry's clock (seconds since 1970), 0 when that cannot be read."""

    instance: str
    action: Action = ""
    id: str = ""
    repository: str = ""
    digest: Digest = ""
    tag: str = ""
    agent: str = ""
    at: int = 0

    @property
    def ours(self) -> bool:
        """Tell whether it was our own request."""
        return self.agent.partition("/")[0].partition(" ")[0] == OUR_AGENT

    @property
    def echo(self) -> str:
        """Return the word by which a request of ours is known again; empty when it has none, or is not ours."""
        return self.agent.partition("/")[2].partition(" ")[0] if self.ours else ""


class _Target(msgspec.Struct, rename="camel", gc=False):
    media_type: str = ""
    digest: str = ""
    repository: str = ""
    url: str = ""
    tag: str = ""


class _Request(msgspec.Struct, gc=False):
    useragent: str = ""


class _Source(msgspec.Struct, gc=False):
    instance: str = msgspec.field(default="", name="instanceID")


class _Event(msgspec.Struct, gc=False):
    action: str
    id: str = ""
    timestamp: str = ""
    target: _Target = msgspec.field(default_factory=_Target)
    request: _Request = msgspec.field(default_factory=_Request)
    source: _Source = msgspec.field(default_factory=_Source)


class _Envelope(msgspec.Struct, gc=False):
    events: list[_Event]


_decode = msgspec.json.Decoder(_Envelope).decode


def is_envelope(media_type: str) -> bool:
    """Tell whether a ``Content-Type`` is that of events."""
    return _MEDIA_TYPE.fullmatch(media_type.partition(";")[0].strip().lower()) is not None


def read_envelope(body: bytes) -> list[Event]:
    """Return the events in ``body``; raise ``Unreadable`` when any of them makes no sense: who leaves out what is not
    understood does not know who pulled."""
    if len(body) > MAX_ENVELOPE:
        raise Unreadable(f"the envelope has more than {MAX_ENVELOPE} bytes")
    try:
        events = _decode(body).events
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the envelope is none ({error})") from None
    if len(events) > MAX_EVENTS:
        raise Unreadable(f"the envelope has more than {MAX_EVENTS} events")
    return [_event(event) for event in events]


def _event(event: _Event) -> Event:
    target, instance = event.target, event.source.instance[:100]
    if event.action not in ("push", "pull") or _is_blob(target):
        return Event(instance)
    if not is_repository_name(target.repository) or len(target.repository) > 255:
        raise Unreadable(f"an event is about {target.repository[:80]!r}, which is no repository")
    if not is_digest(target.digest):
        raise Unreadable(f"an event is about {target.digest[:80]!r}, which is no digest")
    if target.tag and not is_tag_name(target.tag):
        raise Unreadable(f"an event is about {target.tag[:80]!r}, which is no tag")
    if not 0 < len(event.id) <= 100:
        raise Unreadable("an event has no id")
    action: Action = "push" if event.action == "push" else "pull"
    agent = event.request.useragent[:200]
    at = _seconds(event.timestamp)
    return Event(instance, action, event.id, target.repository, target.digest, target.tag, agent, at)


def _seconds(text: str) -> int:
    """Return a time of Go's, which has nanoseconds, in seconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        return 0
    try:
        return int(datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError):
        return 0


def _is_blob(target: _Target) -> bool:
    """A manifest's media type may be anything by now; the address of a blob, or else its type, gives it away."""
    kind = target.url.rpartition("/")[0].rpartition("/")[2]
    return kind == "blobs" or (kind != "manifests" and target.media_type == "application/octet-stream")
