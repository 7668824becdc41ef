"""One part of a scan: some folders of blobs, some repositories, and the manifests that those serve.

Parts need nothing of each other, so that several processes can read at once; a store of ten thousand tags is mostly
waiting for the system to open small files.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import batched

import msgspec

from prune.model.digest import Digest
from prune.model.manifest import ImageConfig, Manifest
from prune.model.snapshot import Blob, Problem, Repository
from prune.sources.base import Progress, Report
from prune.sources.forking import forked, may_fork
from prune.sources.storage_v2.blobs import list_prefix
from prune.sources.storage_v2.contents import Contents
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.repositories import RepositoryReader

#: Manifests that a store may fetch at once, and hold until they are read.
READ_AHEAD = 512
#: Below so many repositories a second process costs more than it brings.
WORTH_IT = 8


class Part(msgspec.Struct, array_like=True, gc=False):
    """What one part holds."""

    repositories: list[Repository]
    blobs: dict[Digest, Blob]
    manifests: dict[Digest, Manifest]
    configs: dict[Digest, ImageConfig]
    unreadable: dict[Digest, str]
    odd_configs: dict[Digest, str]
    problems: list[Problem]
    blocked: set[str]
    remembered: list[Digest] = []
    """Manifests that were known before, from another process: which they are, the reader knows."""

    def absorb(self, other: "Part") -> None:
        """Take in what another part found."""
        self.repositories += other.repositories
        self.blobs.update(other.blobs)
        self.manifests.update(other.manifests)
        self.configs.update(other.configs)
        self.unreadable.update(other.unreadable)
        self.odd_configs.update(other.odd_configs)
        self.problems += other.problems
        self.blocked |= other.blocked

    def without(self, known: Mapping[Digest, Manifest]) -> "Part":
        """Return what has to be told to somebody who knows ``known``: those need not be written and read again."""
        self.remembered = [digest for digest, manifest in self.manifests.items() if known.get(digest) is manifest]
        for digest in self.remembered:
            del self.manifests[digest]
        return self


def read_part(contents: Contents, names: Sequence[str], prefixes: Sequence[tuple[str, str]], report: Report) -> Part:
    """Read the repositories ``names`` and what they serve, then list the blobs of ``prefixes``.

    Links before blobs: what is pushed in between shows as a blob too many, never as one missing.
    """
    findings = Findings()
    reader = RepositoryReader(contents.store, contents.base, findings)
    repositories = []
    for done, name in enumerate(names, 1):
        repositories.append(reader.read(name))
        report(Progress("reading repositories", done, len(names)))
    served = [digest for repository in repositories for digest in (*repository.revisions, *repository.tags.values())]
    for digests in batched(dict.fromkeys(served), READ_AHEAD):
        contents.expect(digests)
        for digest in digests:
            contents.add(digest)
    blobs: dict[Digest, Blob] = {}
    for done, (algorithm, prefix) in enumerate(prefixes, 1):
        list_prefix(contents.store, contents.base, algorithm, prefix, blobs, findings)
        report(Progress("listing blobs", done, len(prefixes)))
    # As late as can be: a link that a push touches meanwhile is fresh.
    for repository in repositories:
        reader.date_links(repository, contents.manifests)
    return Part(
        repositories,
        blobs,
        contents.manifests,
        contents.configs,
        contents.unreadable,
        contents.odd_configs,
        findings.problems,
        findings.blocked,
    )


def read_parts(
    contents: Contents,
    names: Sequence[str],
    prefixes: Sequence[tuple[str, str]],
    report: Report,
    workers: int,
) -> Part:
    """Read everything with at most ``workers`` processes."""
    if workers < 2 or len(names) < WORTH_IT or not may_fork():
        return read_part(contents, names, prefixes, report)

    known = contents.known_manifests

    def share(number: int) -> Part:
        mine = report if number == 0 else _nobody
        return read_part(contents, names[number::workers], prefixes[number::workers], mine)

    def told(number: int) -> Part:
        return share(number).without(known)

    others = [forked(partial(told, number), Part) for number in range(1, workers)]
    part = share(0)
    for number, join in enumerate(others, 1):
        other = join() or share(number)
        part.absorb(other)
        part.manifests.update((digest, known[digest]) for digest in other.remembered)
    return part


def _nobody(progress: Progress) -> None:
    """Report to nobody: only the first process speaks."""
