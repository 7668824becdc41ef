"""The ``index.json`` of an OCI layout: which repositories and tags are in it, and the one without what goes.

OCI image layout specification 1.1, "index.json file": its entries are the roots of everything else. An entry may have
a name (``org.opencontainers.image.ref.name``); one without belongs where its subject is, else to the layout itself.
Nothing here reads or writes files.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from prune.model.digest import Digest, is_digest
from prune.model.errors import Unreadable, UsageError
from prune.model.manifest import Descriptor, Manifest
from prune.model.reference import Reference, is_tag_name

REF_NAME = "org.opencontainers.image.ref.name"
#: The whole name, where Docker, BuildKit and containerd write the tag alone into the other.
IMAGE_NAME = "io.containerd.image.name"

type Name = tuple[str, str]
"""A repository and a tag."""


class Entry(msgspec.Struct, frozen=True):
    """One entry: its JSON as it stands there, what it points at, and its name if it has one."""

    raw: bytes
    digest: Digest
    name: Name | None

    def value(self) -> Any:
        """Return the entry as a value that can be compared, however it was written."""
        return msgspec.json.decode(self.raw)

    def nameless(self) -> "Entry":
        """Return the same entry without a name."""
        value = self.value()
        annotations = {k: v for k, v in value.get("annotations", {}).items() if k not in (REF_NAME, IMAGE_NAME)}
        value.pop("annotations", None)
        if annotations:
            value["annotations"] = annotations
        return Entry(msgspec.json.encode(value), self.digest, None)


class Index(msgspec.Struct, frozen=True):
    """A whole ``index.json``: its entries, and everything else in it as it stands there."""

    rest: dict[str, msgspec.Raw]
    entries: tuple[Entry, ...]

    def with_entries(self, entries: Iterable[Entry]) -> bytes:
        """Return the bytes of the same index with other entries."""
        listed = msgspec.Raw(b"[" + b",".join(entry.raw for entry in entries) + b"]")
        return msgspec.json.encode({**self.rest, "manifests": listed})

    def names(self) -> dict[Name, set[Digest]]:
        """Return every name with what it points at: more than one digest where the index contradicts itself."""
        found: dict[Name, set[Digest]] = {}
        for entry in self.entries:
            if entry.name is not None:
                found.setdefault(entry.name, set()).add(entry.digest)
        return found


def parse_index(body: bytes, home: str) -> Index:
    """Decode an ``index.json``; ``home`` is the repository of names that are only a tag.

    Raises ``Unreadable`` when any of it cannot be understood: behind an entry there may be anything.
    """
    try:
        rest = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        listed = msgspec.json.decode(rest.get("manifests", b"null"), type=list[msgspec.Raw] | None) or []
        entries = tuple(_entry(bytes(raw), home) for raw in listed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"is not the index of a layout: {error}") from None
    if "manifests" not in rest:
        raise Unreadable("is not the index of a layout: it has no manifests")
    return Index(rest, entries)


def _entry(raw: bytes, home: str) -> Entry:
    descriptor = msgspec.json.decode(raw, type=Descriptor)
    if not is_digest(descriptor.digest):
        raise Unreadable(f"points at {descriptor.digest[:100]!r}, which is not a digest")
    return Entry(raw, descriptor.digest, name_in(descriptor.annotations or {}, home))


def name_in(annotations: Mapping[str, str], home: str) -> Name | None:
    """Return the repository and tag that an entry's annotations name, ``None`` when they name none.

    ``1.0`` is a tag of ``home``; ``docker.io/library/app:1.0`` says its repository itself. Whatever else stands there
    is kept, letter by letter, as a tag of ``home``.
    """
    text, whole = annotations.get(REF_NAME, ""), _split(annotations.get(IMAGE_NAME, ""))
    if whole is not None and text in ("", whole[1]):
        return whole
    if not text:
        return None
    return (home, text) if is_tag_name(text) else _split(text) or (home, text)


def _split(text: str) -> Name | None:
    try:
        reference = Reference.parse(text)
    except UsageError:
        return None
    return (reference.repository, reference.tag) if reference.tag is not None else None


class Shares(msgspec.Struct, frozen=True):
    """What of a layout belongs to which repository. ``owners`` are the repositories of each digest that an entry
    without a name points at."""

    revisions: dict[str, set[Digest]]
    owners: dict[Digest, set[str]]


def share(index: Index, manifests: Mapping[Digest, Manifest], home: str) -> Shares:
    """Return which manifests each repository of a layout serves: what its tags point at, what those contain, and
    what refers to any of them. What has no name and belongs to nobody is the layout's own: ``home``'s."""
    owners: dict[Digest, set[str]] = {entry.digest: set() for entry in index.entries if entry.name is None}
    referrers: dict[Digest, list[Digest]] = {}
    # Also of those with a name elsewhere: whoever looks for what refers to an image looks at the whole layout.
    for digest in {entry.digest for entry in index.entries}:
        manifest = manifests.get(digest)
        if manifest is not None and manifest.subject is not None:
            referrers.setdefault(manifest.subject, []).append(digest)
    revisions: dict[str, set[Digest]] = {}

    def spread(repository: str, start: Iterable[Digest]) -> None:
        found = revisions.setdefault(repository, set())
        pending = list(start)
        while pending:
            digest = pending.pop()
            if digest in found:
                continue
            found.add(digest)
            manifest = manifests.get(digest)
            pending += [child.digest for child in manifest.children] if manifest is not None else []
            for referrer in referrers.get(digest, ()):
                if referrer in owners:
                    owners[referrer].add(repository)
                pending.append(referrer)

    for (repository, _), digests in index.names().items():
        spread(repository, digests)
    alone = [digest for digest, repositories in owners.items() if not repositories]
    if alone:
        for digest in alone:
            owners[digest].add(home)
        spread(home, alone)
    return Shares(revisions, owners)


def without(
    index: Index,
    tags: Collection[Name],
    gone: Collection[tuple[str, Digest]],
    manifests: Mapping[Digest, Manifest],
    home: str,
) -> bytes:
    """Return the bytes of ``index`` without the names ``tags`` and the manifests ``gone`` (repository and digest).

    A manifest that stays though its name goes (it refers to one that stays) keeps its entry, without the name: also
    when an index contains it, for whoever looks for what refers to an image looks at the entries.
    Raises ``Unreadable`` when the result would not hold exactly what is to stay.
    """
    before = share(index, manifests, home)
    kept = []
    for entry in index.entries:
        if entry.name is None:
            stays = any((repository, entry.digest) not in gone for repository in before.owners[entry.digest])
        else:
            stays = entry.name not in tags
        if stays:
            kept.append(entry)
    after = share(Index(index.rest, tuple(kept)), manifests, home)
    listed = {entry.digest for entry in kept}
    for entry in index.entries:
        if entry.name is None or entry.name not in tags:
            continue
        manifest = manifests.get(entry.digest)
        subject = manifest.subject if manifest is not None and entry.digest not in listed else None
        lost = []
        for repository, digests in before.revisions.items():
            if entry.digest in digests and (repository, entry.digest) not in gone:
                here = after.revisions.get(repository, ())
                if entry.digest not in here or subject in here:
                    lost.append(repository)
        if lost:
            kept.append(entry.nameless())
            listed.add(entry.digest)
            for repository in lost:
                after.revisions.setdefault(repository, set()).add(entry.digest)
    result = Index(index.rest, tuple(kept))
    after = share(result, manifests, home)
    for repository, digests in before.revisions.items():
        staying = {digest for digest in digests if (repository, digest) not in gone}
        if not staying <= after.revisions.get(repository, set()):
            raise Unreadable(f"would lose manifests of {repository} that are to stay")
    if result.names() != {name: digests for name, digests in index.names().items() if name not in tags}:
        raise Unreadable("would lose names that are to stay")
    return result.with_entries(kept)


def with_again(now: Index, old: Index, new: Index) -> tuple[bytes, list[Name]]:
    """Return the bytes of the index as it is ``now`` with everything again that ``new`` lacks of ``old``, and the
    names that stay as they are because they point elsewhere now."""
    lost, added = _difference(old, new), _difference(new, old)
    names = now.names()
    entries = list(now.entries)
    for extra in added:
        entries = _minus_one(entries, extra)
    taken = []
    for entry in lost:
        if entry.name is None:
            if not any(one.name is None and one.digest == entry.digest for one in entries):
                entries.append(entry)
        elif entry.name not in names:
            entries.append(entry)
        elif names[entry.name] != {entry.digest}:
            taken.append(entry.name)
    return now.with_entries(entries), taken


def none_left(now: Index, old: Index, new: Index) -> bool:
    """Tell whether nothing that ``new`` lacks of ``old`` is in ``now``."""
    there = [entry.value() for entry in now.entries]
    return not any(entry.value() in there for entry in _difference(old, new))


def _difference(one: Index, other: Index) -> list[Entry]:
    """Return the entries that ``one`` has more of than ``other``."""
    left = Counter(msgspec.json.encode(entry.value(), order="sorted") for entry in other.entries)
    found = []
    for entry in one.entries:
        key = msgspec.json.encode(entry.value(), order="sorted")
        if left[key]:
            left[key] -= 1
        else:
            found.append(entry)
    return found


def _minus_one(entries: list[Entry], extra: Entry) -> list[Entry]:
    for number, entry in enumerate(entries):
        if entry.value() == extra.value():
            return entries[:number] + entries[number + 1 :]
    return entries
