"""The source `storage-v2`."""

from prune.model.digest import Digest, parse_digest, short
from prune.model.snapshot import Repository, Snapshot, SourceKind
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.storage_v2.blobs import blob_prefixes
from prune.sources.storage_v2.contents import MISSING, Contents
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.layout import repository_folder
from prune.sources.storage_v2.part import Part, read_parts
from prune.sources.storage_v2.repositories import RepositoryReader, find_repositories
from prune.sources.stores.base import Store


class StorageV2:
    """A V2 layout at ``base`` of ``store`` (``docker/registry/v2``, or empty), read with ``workers`` processes."""

    kind: SourceKind = "storage-v2"
    capabilities = Capabilities(
        lists_untagged=True,
        lists_blobs=True,
        deletes_tags=True,
        deletes_manifests=True,
        sweeps=True,
        has_trash=True,
        knows_push_times=True,
        needs_control=True,
    )

    def __init__(self, store: Store, base: str, name: str, workers: int = 1) -> None:
        self.store = store
        self.base = base
        self.name = name
        self.workers = workers

    def scan(self, report: Report = silent, *, known: Snapshot | None = None, configs: bool = True) -> Snapshot:
        """See ``Source``."""
        findings = Findings()
        report(Progress("looking for repositories", 0))
        names = list(find_repositories(self.store, self.base, findings))
        prefixes = blob_prefixes(self.store, self.base, findings)
        contents = Contents(self.store, self.base, known, configs=configs)
        part = read_parts(contents, names, prefixes, report, self.workers)
        if known is not None:
            # What was known and is no longer there is no more than a memory.
            blobs = part.blobs
            part.manifests = {d: m for d, m in part.manifests.items() if d in blobs and blobs[d].size == m.size}
            part.configs = {d: config for d, config in part.configs.items() if d in blobs}
        findings.problems += part.problems
        findings.blocked |= part.blocked
        report(Progress("putting it together", 0))
        judge = _Judge(part, RepositoryReader(self.store, self.base, findings), findings, self.base)
        for repository in part.repositories:
            judge.look(repository)
        for digest, what in part.odd_configs.items():
            findings.note(f"blobs/{digest}", f"(a config) {what}", "its image is shown without what it is based on")
        by_name = sorted(part.repositories, key=lambda repository: repository.name)
        return Snapshot(
            source=self.name,
            kind=self.kind,
            repositories={repository.name: _settled(repository, findings) for repository in by_name},
            manifests=part.manifests,
            configs=part.configs,
            blobs=part.blobs,
            problems=tuple(sorted(set(findings.problems))),
        )

    def read_blob(self, digest: str, limit: int) -> bytes:
        """See ``Source``."""
        return Contents(self.store, self.base, None).read(parse_digest(digest), limit)


class _Judge:
    """Looks at repositories when everything was read: which manifests and blobs are not there?"""

    def __init__(self, part: Part, reader: RepositoryReader, findings: Findings, base: str) -> None:
        self.part = part
        self.present = part.blobs.keys()
        self.reader = reader
        self.findings = findings
        self.base = base

    def look(self, repository: Repository) -> None:
        """Judge the manifests of a repository, and find the age of links that none of them explains."""
        name = repository.name
        where = repository_folder(self.base, name)
        explained: set[Digest] = set()
        seen: set[Digest] = set()
        pending = [*repository.revisions, *repository.tags.values()]
        while pending:
            digest = pending.pop()
            if digest in seen:
                continue
            seen.add(digest)
            manifest = self.part.manifests.get(digest)
            if manifest is None or digest not in self.present:
                what = self.part.unreadable.get(digest, "is not what it was" if digest in self.present else MISSING)
                self.findings.block_repository(name, f"{where}@{digest}", f"(a manifest) {what}")
                continue
            pending += [child.digest for child in manifest.children]
            explained.update(manifest.blobs())
        if not self.present >= explained:
            self._missing(name, where, seen)
        for tag, digest in repository.tags.items():
            if digest not in repository.revisions and digest in self.part.manifests:
                what = "points at a manifest that this repository does not serve"
                self.findings.note(f"{where}:{tag}", what, "it is kept", name)
        for digest in repository.layer_links.keys() - explained:
            repository.layer_links[digest] = self.reader.layer_time(name, digest)

    def _missing(self, name: str, where: str, digests: set[Digest]) -> None:
        for digest in digests:
            manifest = self.part.manifests.get(digest)
            if manifest is None:
                continue
            foreign = {layer.digest for layer in manifest.layers if layer.urls}
            for blob in dict.fromkeys(manifest.blobs()):
                if blob not in self.present and blob not in foreign:
                    what = f"needs {short(blob)}, which is missing"
                    self.findings.note(f"{where}@{digest}", what, "it cannot be pulled", name)


def _settled(repository: Repository, findings: Findings) -> Repository:
    """Return the repository with the verdict whether all of it could be read."""
    if repository.name not in findings.blocked:
        return repository
    return Repository(
        name=repository.name,
        tags=repository.tags,
        tag_times=repository.tag_times,
        revisions=repository.revisions,
        layer_links=repository.layer_links,
        uploads=repository.uploads,
        complete=False,
    )
