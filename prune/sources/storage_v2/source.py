"""The source `storage-v2`."""

from prune.model.digest import parse_digest
from prune.model.snapshot import Snapshot, SourceKind
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.storage_v2.blobs import blob_prefixes
from prune.sources.storage_v2.contents import Contents
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.judge import Judge, settled
from prune.sources.storage_v2.layout import repository_folder, under
from prune.sources.storage_v2.part import read_parts
from prune.sources.storage_v2.repositories import find_repositories
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
        try:
            with self.store.together([under(self.base, "repositories"), under(self.base, "blobs")]) as store:
                return self._scan(store, findings, report, known, configs=configs)
        except OSError as error:
            findings.block_store(self.base or "the store", f"cannot be listed: {error.strerror}")
            return Snapshot(source=self.name, kind=self.kind, problems=tuple(findings.problems))

    def _scan(
        self, store: Store, findings: Findings, report: Report, known: Snapshot | None, *, configs: bool
    ) -> Snapshot:
        names = list(find_repositories(store, self.base, findings))
        prefixes = blob_prefixes(store, self.base, findings)
        contents = Contents(store, self.base, known, configs=configs)
        part = read_parts(contents, names, prefixes, report, self.workers)
        if known is not None:
            # What was known and is no longer there is no more than a memory.
            blobs = part.blobs
            part.manifests = {d: m for d, m in part.manifests.items() if d in blobs and blobs[d].size == m.size}
            part.configs = {d: config for d, config in part.configs.items() if d in blobs}
        findings.problems += part.problems
        findings.blocked |= part.blocked
        report(Progress("putting it together", 0))
        judge = Judge(part, findings, lambda name: repository_folder(self.base, name))
        for repository in part.repositories:
            judge.look(repository)
        for digest, what in part.odd_configs.items():
            findings.note(f"blobs/{digest}", f"(a config) {what}", "its image is shown without what it is based on")
        if remark := store.remark():
            findings.note(self.name, remark)
        by_name = sorted(part.repositories, key=lambda repository: repository.name)
        return Snapshot(
            source=self.name,
            kind=self.kind,
            repositories={repository.name: settled(repository, findings) for repository in by_name},
            manifests=part.manifests,
            configs=part.configs,
            blobs=part.blobs,
            problems=tuple(sorted(set(findings.problems))),
        )

    def read_blob(self, digest: str, limit: int) -> bytes:
        """See ``Source``."""
        return Contents(self.store, self.base, None).read(parse_digest(digest), limit)
