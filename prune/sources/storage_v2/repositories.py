"""Reading the repositories of a V2 store: tags, revisions, layer links, uploads."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from prune.model.digest import HEX_LENGTH, Digest, is_digest
from prune.model.errors import Unreadable
from prune.model.manifest import Manifest
from prune.model.reference import is_repository_name, is_tag_name
from prune.model.snapshot import KEPT, LEFT_ALONE, Repository, Upload
from prune.sources.storage_v2 import layout
from prune.sources.storage_v2.blobs import all_hex, is_hex
from prune.sources.storage_v2.findings import Findings
from prune.sources.stores.base import Entry, Store


def find_repositories(store: Store, base: str, findings: Findings) -> Iterator[str]:
    """Yield the names of all repositories, sorted within each folder. A folder is one when it holds
    ``_manifests``, ``_layers`` or ``_uploads``; others may lie below it."""
    root = layout.under(base, "repositories")
    pending: list[tuple[str, str | None]] = [("", None)]
    while pending:
        name, around = pending.pop()
        folder = f"{root}/{name}" if name else root
        try:
            entries = store.entries(folder)
        except FileNotFoundError:
            if name:
                findings.block_store(folder, "vanished while it was read")
            elif store.kind(layout.under(base, "blobs")) is not None:
                findings.block_store(folder, "is missing although there are blobs")
            continue
        except OSError as error:
            findings.block_store(folder, f"cannot be read: {error.strerror}")
            continue
        mine = False
        below, odd = [], []
        for entry in entries:
            where = f"{folder}/{entry.name}"
            if entry.name in layout.REPOSITORY_FOLDERS and name:
                mine = True  # if it is not a folder, its reader says so
            elif entry.kind == "other":
                findings.block_store(where, "is a symbolic link or something else that is not followed")
            elif entry.kind == "file" or entry.name.startswith("_"):
                odd.append(where)
            else:
                below.append(f"{name}/{entry.name}" if name else entry.name)
        # In a folder below a repository, it is that one's: it would go with it.
        around = name if mine else around
        for where in odd:
            findings.note(where, "does not belong here", LEFT_ALONE, around)
        pending += [(one, around) for one in reversed(below)]
        if mine:
            if not is_repository_name(name):
                findings.note(folder, "has a name that no registry accepts", repository=name)
            yield name


class RepositoryReader:
    """Reads one repository after another; what it cannot read becomes a finding."""

    def __init__(self, store: Store, base: str, findings: Findings) -> None:
        self._store = store
        self._base = base
        self._findings = findings

    def read(self, name: str) -> Repository:
        """Return the repository without the times of its layer links; ``complete`` is decided by the caller."""
        folder = layout.repository_folder(self._base, name)
        tags, tag_times = self._tags(name, f"{folder}/_manifests/tags")
        return Repository(
            name=name,
            tags=tags,
            tag_times=tag_times,
            revisions=self._revisions(name, f"{folder}/_manifests/revisions"),
            layer_links=dict.fromkeys(self._layers(name, f"{folder}/_layers")),
            uploads=self._uploads(name, f"{folder}/_uploads"),
        )

    def _entries(self, name: str, folder: str) -> list[Entry]:
        """Return what a folder holds, nothing when it is not there; unreadable or a link blocks the repository."""
        try:
            return self._store.entries(folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._findings.block_repository(name, folder, f"cannot be read: {error.strerror}")
            return []

    def _folders(self, name: str, folder: str) -> Iterator[str]:
        """Yield the sub-folders of a folder that hold what counts: links in their place block the repository."""
        for entry in self._entries(name, folder):
            where = f"{folder}/{entry.name}"
            if entry.kind == "folder":
                yield entry.name
            elif entry.kind == "file":
                self._findings.note(where, "does not belong here", LEFT_ALONE, name)
            else:
                self._findings.block_repository(
                    name, where, "is a symbolic link or something else that is not followed"
                )

    def _plain(self, name: str, folder: str) -> bool:
        """Tell whether ``folder`` is a folder; absent is no problem, anything else blocks the repository."""
        kind = self._store.kind(folder)
        if kind == "folder":
            return True
        if kind is not None:
            self._findings.block_repository(name, folder, "is not a folder")
        return False

    def _tags(self, name: str, folder: str) -> tuple[dict[str, Digest], dict[str, int]]:
        tags: dict[str, Digest] = {}
        times: dict[str, int] = {}
        if not self._plain(name, folder.rpartition("/")[0]) or not self._plain(name, folder):
            return tags, times
        for tag in self._folders(name, folder):
            current = f"{folder}/{tag}/current"
            if self._store.kind(current) != "folder":
                self._findings.block_repository(name, f"{folder}/{tag}", "is a tag without a current link")
                continue
            linked = self._link(name, f"{current}/link")
            if linked is None:
                continue
            if not is_tag_name(tag):
                self._findings.note(f"{folder}/{tag}", "is no tag name that a registry accepts", repository=name)
            tags[tag], times[tag] = linked
        return tags, times

    def _link(self, name: str, path: str) -> tuple[Digest, int] | None:
        """Return what a link holds and its time; a link that cannot be read blocks the repository."""
        try:
            body, stat = self._store.read(path, layout.MAX_LINK_BYTES)
        except FileNotFoundError:
            self._findings.block_repository(name, path, "is missing")
            return None
        except (Unreadable, OSError) as error:
            self._findings.block_repository(name, path, _why(error))
            return None
        digest = body.decode("ascii", "replace")
        if not is_digest(digest):
            what = "is empty" if not body else f"holds {digest[:80]!r}, which is not a digest"
            self._findings.block_repository(name, path, what)
            return None
        return digest, stat.time

    def _revisions(self, name: str, folder: str) -> dict[Digest, int | None]:
        found: dict[Digest, int | None] = {}
        if self._store.kind(folder) is None:
            return found
        if not self._plain(name, folder):
            return found
        for algorithm in self._folders(name, folder):
            length = HEX_LENGTH.get(algorithm)
            if length is None:
                self._findings.block_repository(name, f"{folder}/{algorithm}", "is of an unknown algorithm")
                continue
            for encoded in self._folders(name, f"{folder}/{algorithm}"):
                path = f"{folder}/{algorithm}/{encoded}/link"
                digest = f"{algorithm}:{encoded}"
                if not is_hex(encoded, length):
                    if self._store.kind(path) is None:
                        self._findings.note(path[:-5], "does not belong here", LEFT_ALONE, name)
                    else:
                        self._findings.block_repository(name, path, "is the link of something that is no digest")
                    continue
                try:
                    body, stat = self._store.read(path, layout.MAX_LINK_BYTES)
                except FileNotFoundError:
                    continue  # what is left when a manifest was deleted over the API
                except (Unreadable, OSError) as error:
                    self._findings.block_repository(name, path, _why(error))
                    continue
                if body != digest.encode():
                    if self._link(name, path) is not None:
                        self._findings.block_repository(name, path, "points at another manifest than its own")
                    continue
                found[digest] = stat.time
        return found

    def _layers(self, name: str, folder: str) -> list[Digest]:
        found: list[Digest] = []
        if self._store.kind(folder) is None:
            if self._store.kind(f"{folder.rpartition('/')[0]}/_manifests") is not None:
                what = "is missing: servers of version 2 do not see this repository"
                self._findings.note(folder, what, "it is read all the same", name)
            return found
        if not self._plain(name, folder):
            return found
        for algorithm in self._entries(name, folder):
            where = f"{folder}/{algorithm.name}"
            length = HEX_LENGTH.get(algorithm.name)
            if algorithm.kind != "folder" or length is None:
                self._findings.note(where, "does not belong here", LEFT_ALONE, name)
                continue
            entries = self._entries(name, where)
            head = algorithm.name + ":"
            well_named = all_hex([entry.name for entry in entries], "", length)
            for entry in entries:
                if entry.kind == "folder" and (well_named or is_hex(entry.name, length)):
                    found.append(head + entry.name)
                else:
                    self._findings.note(f"{where}/{entry.name}", "does not belong here", LEFT_ALONE, name)
        return found

    def date_links(self, repository: Repository, manifests: Mapping[Digest, Manifest]) -> None:
        """Find out when those links to layers were made that no manifest of the repository explains."""
        digests = list(repository.layer_links.keys() - _explained(repository, manifests))
        if digests:
            links = [f"{digest.replace(':', '/', 1)}/link" for digest in digests]
            stats = self._store.stat_each(f"{layout.repository_folder(self._base, repository.name)}/_layers", links)
            for digest, stat in zip(digests, stats, strict=True):
                repository.layer_links[digest] = None if stat is None else stat.time

    def _uploads(self, name: str, folder: str) -> tuple[Upload, ...]:
        found = []
        if self._store.kind(folder) not in ("folder", None):
            self._findings.note(folder, "is not a folder", LEFT_ALONE, name)
            return ()
        for entry in self._entries(name, folder):
            if entry.kind == "folder":
                found.append(self._upload(name, f"{folder}/{entry.name}", entry.name))
            else:
                self._findings.note(f"{folder}/{entry.name}", "does not belong here", LEFT_ALONE, name)
        return tuple(found)

    def _upload(self, name: str, folder: str, id_: str) -> Upload:
        size, times = 0, []
        try:
            data = self._store.stat(f"{folder}/data")
            size = data.size
            times.append(data.time)
        except FileNotFoundError:
            pass
        except (OSError, Unreadable):
            self._findings.note(folder, "is an upload whose data cannot be read", KEPT, name)
            return Upload(id_, 0, None)
        try:
            body, started = self._store.read(f"{folder}/startedat", layout.MAX_STARTED_BYTES)
            moment = datetime.fromisoformat(body.decode("ascii").strip())
        except (OSError, Unreadable, ValueError):
            self._findings.note(folder, "is an upload of which nobody can tell when it began", KEPT, name)
            return Upload(id_, size, None)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return Upload(id_, size, max(int(moment.timestamp()), started.time, *times))


def _why(error: Unreadable | OSError) -> str:
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _explained(repository: Repository, manifests: Mapping[Digest, Manifest]) -> set[Digest]:
    """Return the configs and layers of what a repository serves: links to those need no other reason."""
    found: set[Digest] = set()
    seen: set[Digest] = set()
    pending = [*repository.revisions, *repository.tags.values()]
    while pending:
        digest = pending.pop()
        manifest = manifests.get(digest)
        if manifest is None or digest in seen:
            continue
        seen.add(digest)
        pending += [child.digest for child in manifest.children]
        found.update(manifest.blobs())
    return found
