"""What a person names: a repository, a tag of it, or a manifest of it by digest."""

import re
from typing import Self

import msgspec

from prune.model.digest import Digest, is_digest
from prune.model.errors import UsageError

#: OCI distribution spec 1.1, "Pulling manifests": <name> and <reference> as a tag.
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
is_repository_name = _NAME.fullmatch
is_tag_name = _TAG.fullmatch

#: V1 was laxer: namespaces and names may hold capitals and a leading underscore. In a Docker Engine the name begins
#: with the registry's host, and its port.
_V1_NAME = re.compile(r"(?:[A-Za-z0-9_.-]+:[0-9]{1,5}/)?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")


class Reference(msgspec.Struct, frozen=True, order=True):
    """``repository``, ``repository:tag`` or ``repository@digest``. At most one of tag and digest is set."""

    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text`` as people write it; raise ``UsageError`` with a sentence when it is none of the three."""
        name, at, digest = text.partition("@")
        if at:
            if ":" in name.rpartition("/")[2]:
                raise UsageError(f"{text!r} names a tag and a digest; name one of them.")
            if not is_digest(digest):
                raise UsageError(f"{text!r}: after @ comes a digest such as sha256:<64 hex digits>.")
            return cls(_name(name, text), digest=digest)
        head, slash, last = name.rpartition("/")
        last, colon, tag = last.partition(":")
        if colon:
            if not is_tag_name(tag):
                raise UsageError(f"{text!r}: {tag!r} is not a tag name.")
            return cls(_name(head + slash + last, text), tag=tag)
        return cls(_name(name, text))

    def __str__(self) -> str:
        if self.tag is not None:
            return f"{self.repository}:{self.tag}"
        if self.digest is not None:
            return f"{self.repository}@{self.digest}"
        return self.repository


def _name(name: str, text: str) -> str:
    if len(name) > 255 or ".." in name.split("/") or not _V1_NAME.fullmatch(name):
        raise UsageError(f"{text!r}: {name!r} is not a repository name.")
    return name
