"""The source `oci-layout`."""

import os
import re

import msgspec

from prune.model.digest import HEX_LENGTH, Digest, parse_digest
from prune.model.errors import SourceError, Unreadable
from prune.model.reference import is_tag_name
from prune.model.snapshot import Blob, Repository, Snapshot, SourceKind
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.oci_layout.index import Index, parse_index, share
from prune.sources.storage_v2.blobs import is_hex
from prune.sources.storage_v2.contents import Contents
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.judge import Judge, settled
from prune.sources.storage_v2.part import Part
from prune.sources.stores.base import Entry
from prune.sources.stores.disk import DiskStore

INDEX = "index.json"
MARK = "oci-layout"
MAX_INDEX_BYTES = 64 * 1024 * 1024
MAX_MARK_BYTES = 4096

#: What `docker save` adds for older engines: it names images and blobs by path.
_DOCKER_LIST = "manifest.json"
_OURS = ".registryui"
_LEFT_ALONE = "it is left alone"


class _Mark(msgspec.Struct, rename={"version": "imageLayoutVersion"}):
    version: str


def blob_path(digest: Digest) -> str:
    """Return where a blob of a layout lies."""
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def home_of(root: str) -> str:
    """Return the repository of names that are only a tag: the folder's own name, as far as it can be one."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(root)).strip("-.")
    return name or "layout"


class OciLayout:
    """The layout in the folder ``root``. Raises ``SourceError`` when there is none."""

    kind: SourceKind = "oci-layout"
    capabilities = Capabilities(
        lists_untagged=True,
        lists_blobs=True,
        deletes_tags=True,
        deletes_manifests=True,
        sweeps=True,
        has_trash=True,
        knows_push_times=False,
        needs_control=True,
    )

    def __init__(self, root: str) -> None:
        self.store = DiskStore(root)
        self.name = f"oci:{self.store.root}"
        self.home = home_of(self.store.root)
        try:
            mark = msgspec.json.decode(self.store.read(MARK, MAX_MARK_BYTES)[0], type=_Mark)
        except FileNotFoundError:
            raise SourceError(f"{root} is no OCI layout: there is no file {MARK} in it{self._below()}.") from None
        except (OSError, Unreadable, msgspec.DecodeError) as error:
            raise SourceError(f"{root}/{MARK} cannot be read ({error}).") from None
        if not mark.version.startswith("1.0"):
            raise SourceError(f"{root} is an OCI layout of version {mark.version[:20]!r}; only 1.0 is known here.")

    def _below(self) -> str:
        """Return the rest of a sentence for a folder that holds layouts, as some registries keep one a repository."""
        for entry in self.store.entries(""):
            if entry.kind == "folder" and self.store.kind(f"{entry.name}/{MARK}") == "file":
                return f"; {self.name}/{entry.name} is one, so give that, or another one below"
        return ""

    def scan(self, report: Report = silent, *, known: Snapshot | None = None, configs: bool = True) -> Snapshot:
        """See ``Source``."""
        findings = Findings()
        self._look_around(findings)
        index = self._index(findings)
        contents = _Contents(self.store, "", known, configs=configs)
        for done, entry in enumerate(index.entries, 1):
            contents.add(entry.digest)
            report(Progress("reading manifests", done, len(index.entries)))
        # After the manifests: what is written in between shows as a blob too many, never as one missing.
        blobs = self._blobs(findings, report)
        # What was known and is no longer there is no more than a memory.
        manifests = {d: m for d, m in contents.manifests.items() if d in blobs and blobs[d].size == m.size}
        part = Part(
            self._repositories(index, contents, findings),
            blobs,
            manifests,
            {digest: config for digest, config in contents.configs.items() if digest in blobs},
            contents.unreadable,
            contents.odd_configs,
            findings.problems,
            findings.blocked,
        )
        judge = Judge(part, findings, str)
        for repository in part.repositories:
            judge.look(repository)
        for digest, what in part.odd_configs.items():
            findings.note(blob_path(digest), f"(a config) {what}", "its image is shown without what it is based on")
        return Snapshot(
            source=self.name,
            kind=self.kind,
            repositories={repository.name: settled(repository, findings) for repository in part.repositories},
            manifests=part.manifests,
            configs=part.configs,
            blobs=blobs,
            problems=tuple(sorted(set(findings.problems))),
        )

    def read_blob(self, digest: str, limit: int) -> bytes:
        """See ``Source``."""
        return _Contents(self.store, "", None).read(parse_digest(digest), limit)

    def _look_around(self, findings: Findings) -> None:
        """Look at the folder itself: what else lies in it?"""
        for entry in self._entries("", findings):
            if entry.name == _DOCKER_LIST:
                what = "makes this an archive of `docker save` as well, which names its images there too"
                findings.block_store(_DOCKER_LIST, what)
            elif entry.name not in (INDEX, MARK, "blobs", _OURS):
                findings.note(entry.name, "does not belong here", _LEFT_ALONE)

    def _index(self, findings: Findings) -> Index:
        try:
            return parse_index(self.store.read(INDEX, MAX_INDEX_BYTES)[0], self.home)
        except FileNotFoundError:
            findings.block_store(INDEX, "is missing")
        except OSError as error:
            findings.block_store(INDEX, f"cannot be read: {error.strerror}")
        except Unreadable as error:
            findings.block_store(INDEX, str(error))
        return Index({}, ())

    def _repositories(self, index: Index, contents: Contents, findings: Findings) -> list[Repository]:
        shares = share(index, contents.manifests, self.home)
        tags: dict[str, dict[str, Digest]] = {}
        for (name, tag), digests in index.names().items():
            tags.setdefault(name, {})[tag] = min(digests)
            if len(digests) > 1:
                findings.block_repository(name, f"{name}:{tag}", "is the name of several images at once")
            if not is_tag_name(tag):
                findings.note(f"{name}:{tag}", "is no tag name that a registry accepts", repository=name)
        return [
            Repository(name, tags=tags.get(name, {}), revisions=dict.fromkeys(sorted(shares.revisions[name])))
            for name in sorted(shares.revisions)
        ]

    def _blobs(self, findings: Findings, report: Report) -> dict[Digest, Blob]:
        found: dict[Digest, Blob] = {}
        kind = self.store.kind("blobs")
        if kind != "folder":
            findings.block_store("blobs", "is missing" if kind is None else "is not a folder of its own")
            return found
        for algorithm in self._entries("blobs", findings):
            folder = f"blobs/{algorithm.name}"
            if algorithm.kind == "other":
                findings.block_store(folder, "is a symbolic link or something else that is not followed")
            elif algorithm.kind == "file" or algorithm.name not in HEX_LENGTH:
                findings.note(folder, "does not belong here", _LEFT_ALONE)
            else:
                self._list(algorithm.name, folder, found, findings)
                report(Progress("listing blobs", len(found)))
        return found

    def _entries(self, folder: str, findings: Findings) -> list[Entry]:
        try:
            return self.store.entries(folder)
        except OSError as error:
            findings.block_store(folder or "the layout", f"cannot be read: {error.strerror}")
            return []

    def _list(self, algorithm: str, folder: str, found: dict[Digest, Blob], findings: Findings) -> None:
        for entry in self._entries(folder, findings):
            path = f"{folder}/{entry.name}"
            if entry.kind != "file" or not is_hex(entry.name, HEX_LENGTH[algorithm]):
                findings.note(path, "does not belong here", _LEFT_ALONE)
                continue
            try:
                stat = self.store.stat(path)
            except (OSError, Unreadable):
                findings.note(path, "cannot be looked at", _LEFT_ALONE)
                continue
            found[f"{algorithm}:{entry.name}"] = Blob(stat.size, stat.time)


class _Contents(Contents):
    """Manifests and configs of a layout: a blob is a file, not a folder."""

    def path(self, digest: Digest) -> str:
        """See ``Contents``."""
        return blob_path(digest)
