"""The source `storage-v2`."""

from prune.model.digest import Digest, parse_digest, short
from prune.model.snapshot import Blob, Repository, Snapshot, SourceKind
from prune.sources.base import Capabilities, Progress, Report, silent
from prune.sources.storage_v2.blobs import list_blobs
from prune.sources.storage_v2.contents import Contents
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.layout import repository_folder
from prune.sources.storage_v2.repositories import RepositoryReader, find_repositories
from prune.sources.stores.base import Store


class StorageV2:
    """A V2 layout at ``base`` of ``store`` (``docker/registry/v2``, or empty)."""

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

    def __init__(self, store: Store, base: str, name: str) -> None:
        self.store = store
        self.base = base
        self.name = name

    def scan(self, report: Report = silent, *, known: Snapshot | None = None) -> Snapshot:
        """See ``Source``."""
        findings = Findings()
        report(Progress("listing blobs", 0))
        # Links before blobs: what is pushed in between then shows as a blob too many, never as one missing.
        reader = RepositoryReader(self.store, self.base, findings)
        repositories: list[Repository] = []
        for name in find_repositories(self.store, self.base, findings):
            repositories.append(reader.read(name))
            report(Progress("reading repositories", len(repositories)))
        blobs = list_blobs(self.store, self.base, findings)
        contents = Contents(self.store, self.base, blobs, known)
        for done, repository in enumerate(repositories, 1):
            read_contents(repository, contents, blobs, reader, findings, self.base)
            report(Progress("reading manifests", done, len(repositories)))
        for digest, what in contents.odd_configs.items():
            findings.note(f"blobs/{digest}", f"(a config) {what}", "its image is shown without what it is based on")
        return Snapshot(
            source=self.name,
            kind=self.kind,
            repositories={r.name: settled(r, findings) for r in sorted(repositories, key=lambda r: r.name)},
            manifests=contents.manifests,
            configs=contents.configs,
            blobs=blobs,
            problems=tuple(sorted(set(findings.problems))),
        )

    def read_blob(self, digest: str, limit: int) -> bytes:
        """See ``Source``."""
        return Contents(self.store, self.base, {}, None).read(parse_digest(digest), limit)


def read_contents(
    repository: Repository,
    contents: Contents,
    blobs: dict[Digest, Blob],
    reader: RepositoryReader,
    findings: Findings,
    base: str,
) -> None:
    """Read the manifests of a repository, judge them, and find the age of links that none of them explains."""
    name = repository.name
    where = repository_folder(base, name)
    served = dict.fromkeys([*repository.revisions, *repository.tags.values()])
    explained: set[Digest] = set()
    seen: set[Digest] = set()
    pending = list(served)
    for digest in served:
        contents.add(digest)
    while pending:
        digest = pending.pop()
        if digest in seen:
            continue
        seen.add(digest)
        manifest = contents.manifests.get(digest)
        if manifest is None:
            what = contents.unreadable.get(digest, "is not among the blobs")
            findings.block_repository(name, f"{where}@{digest}", f"(a manifest) {what}")
            continue
        pending += [child.digest for child in manifest.children]
        foreign = {layer.digest for layer in manifest.layers if layer.urls}
        for blob in manifest.blobs():
            explained.add(blob)
            if blob not in blobs and blob not in foreign:
                findings.note(
                    f"{where}@{digest}", f"needs {short(blob)}, which is missing", "it cannot be pulled", name
                )
    for tag, digest in repository.tags.items():
        if digest not in repository.revisions and digest in contents.manifests:
            findings.note(
                f"{where}:{tag}", "points at a manifest that this repository does not serve", "it is kept", name
            )
    for digest in repository.layer_links.keys() - explained:
        repository.layer_links[digest] = reader.layer_time(name, digest)


def settled(repository: Repository, findings: Findings) -> Repository:
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
