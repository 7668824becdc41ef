"""What runs somewhere: the images that containers and pods use, as an engine or a cluster tells it."""

import re

import msgspec

from prune.model.digest import is_digest


class InUseReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one engine or cluster (``source``) had in use ``at`` a moment (seconds, UTC).

    ``digests`` are manifests, indexes and image ids (``sha256:…``); ``references`` are images as they are asked for
    (``host/name:tag``), sorted; ``users`` tells for a digest or reference who uses it. A report that is not
    ``complete`` has a ``problem`` in words, and says nothing about what it does not list: all of that may be in use.
    """

    source: str
    at: int
    complete: bool
    digests: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    problem: str = ""
    users: dict[str, tuple[str, ...]] = {}


#: Kubernetes says how it found an image: docker-pullable://name@digest, docker://digest.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/|\[[0-9a-f:]+\](?::[0-9]{1,5})?/)?[a-z0-9._/-]+", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Uses:
    """Collects who uses what, in whatever way engines and clusters write the names of images."""

    def __init__(self) -> None:
        self._digests: dict[str, set[str]] = {}
        self._references: dict[str, set[str]] = {}
        self._unclear: list[str] = []

    def add(self, user: str, *names: str) -> None:
        """Note that ``user`` (a container or pod, for people) uses the image that each of ``names`` means: a
        reference with or without tag and digest, or an image id. A name that cannot be understood makes the
        report incomplete; an empty one is passed over."""
        for name in names:
            if name and not self._add(user, _SCHEME.sub("", name, count=1)):
                self._unclear.append(f"{user} uses an image named {name[:100]!r}, which cannot be understood")

    def _add(self, user: str, name: str) -> bool:
        if _ID.fullmatch(name):
            name = f"sha256:{name}"
        if is_digest(name):
            self._digests.setdefault(name, set()).add(user)
            return True
        name, at, digest = name.partition("@")
        if at:
            if not is_digest(digest):
                return False
            self._digests.setdefault(digest, set()).add(user)
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        name = head + slash + last
        if not _NAME.fullmatch(name) or (colon and not _TAG.fullmatch(tag)):
            return False
        if colon or not at:
            self._references.setdefault(f"{name}:{tag or 'latest'}", set()).add(user)
        return True

    def report(self, source: str, at: int, problem: str = "") -> InUseReport:
        """Return what was collected; complete only without any ``problem``."""
        problem = problem or (self._unclear[0] if self._unclear else "")
        users = {name: tuple(sorted(who)) for name, who in (*self._digests.items(), *self._references.items())}
        return InUseReport(
            source=source,
            at=at,
            complete=not problem,
            digests=tuple(sorted(self._digests)),
            references=tuple(sorted(self._references)),
            problem=problem,
            users=dict(sorted(users.items())),
        )
