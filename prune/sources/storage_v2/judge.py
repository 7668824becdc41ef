"""What a scan says of each repository when everything was read."""

from collections.abc import Callable, Iterable

from prune.model.digest import Digest, short
from prune.model.snapshot import Repository
from prune.sources.storage_v2.contents import MISSING
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.part import Part


class Judge:
    """Looks at repositories when everything was read: which manifests and blobs are not there?

    ``where`` says where a repository lies.
    """

    def __init__(self, part: Part, findings: Findings, where: Callable[[str], str]) -> None:
        self.part = part
        self.present = part.blobs.keys()
        self.findings = findings
        self.where = where
        self._whole = self._is_whole()

    def _is_whole(self) -> bool:
        """Tell whether everything that was read is there, with all that it needs."""
        manifests = self.part.manifests
        needed, children = set(manifests), set()
        for manifest in manifests.values():
            needed.update(manifest.blobs())
            children.update([child.digest for child in manifest.children])
        return self.present >= needed and manifests.keys() >= children

    def look(self, repository: Repository) -> None:
        """Judge the manifests of a repository."""
        served = {*repository.revisions, *repository.tags.values()}
        if not (self._whole and self.part.manifests.keys() >= served):
            self._look_closer(repository.name, served)
        for tag, digest in repository.tags.items():
            if digest not in repository.revisions and digest in self.part.manifests:
                what = "points at a manifest that this repository does not serve"
                self.findings.note(f"{self.where(repository.name)}:{tag}", what, "it is kept", repository.name)

    def _look_closer(self, name: str, served: Iterable[Digest]) -> None:
        where = self.where(name)
        needed: set[Digest] = set()
        seen: set[Digest] = set()
        pending = list(served)
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
            needed.update(manifest.blobs())
        if not self.present >= needed:
            self._missing(name, where, seen)

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
