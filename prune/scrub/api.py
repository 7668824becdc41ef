"""Scrubbing a registry over its API: asking for everything that its manifests name."""

from collections.abc import Iterator

from prune.graph.affected import affected
from prune.model.digest import Digest
from prune.model.errors import SourceError, Unreadable
from prune.model.manifest import Descriptor, Manifest
from prune.model.snapshot import Problem, Snapshot
from prune.plan.faults import Fault, Kind, verdict, wrong_sizes
from prune.plan.verification import Depth
from prune.scrub.report import Scrubbed
from prune.sources.base import Progress, Report
from prune.sources.content import sample
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client, quoted
from prune.sources.registry_v2.listing import each
from prune.sources.registry_v2.reading import ACCEPT
from prune.sources.registry_v2.source import RegistryV2

#: What comes after this many bytes more than expected is not read.
_SLACK = 1 << 20


def scrub_registry(source: RegistryV2, depth: Depth, now: int, report: Report) -> Scrubbed:
    """See `prune.scrub.scrub.scrub`."""
    snapshot = source.scan(report, configs=False)
    scrubbing = _Scrubbing(snapshot, report)
    chosen = _chosen(snapshot, depth, str(now))
    source.run(lambda client: scrubbing.look(client, chosen))
    found = sorted(scrubbing.faults)
    return Scrubbed(
        source=source.name,
        kind=source.kind,
        state=verdict(found),
        depth=depth,
        faults=tuple(found),
        repositories=len(snapshot.repositories),
        tags=sum(len(repository.tags) for repository in snapshot.repositories.values()),
        manifests=sum(len(repository.revisions) for repository in snapshot.repositories.values()),
        blobs=sum(len(blobs) for blobs in needed_blobs(snapshot).values()),
        hashed=scrubbing.hashed,
        hashed_bytes=scrubbing.hashed_bytes,
    )


def needed_blobs(snapshot: Snapshot) -> dict[str, dict[Digest, int | None]]:
    """Return, by repository, the configs and layers that it should serve, with their sizes (``None`` where the
    manifest says none)."""
    found: dict[str, dict[Digest, int | None]] = {}
    for name, repository in snapshot.repositories.items():
        mine = found.setdefault(name, {})
        for digest in repository.revisions:
            manifest = snapshot.manifests.get(digest)
            if manifest is not None:
                for part in _parts(manifest):
                    mine.setdefault(part.digest, None if manifest.kind == "schema1" else part.size)
    return found


def _parts(manifest: Manifest) -> Iterator[Descriptor]:
    yield from (layer for layer in manifest.layers if not layer.urls)
    if manifest.config is not None:
        yield manifest.config


def _chosen(snapshot: Snapshot, depth: Depth, seed: str) -> set[Digest]:
    """Return the blobs of which the content is read, each from the first repository that serves it."""
    if depth == "sizes":
        return set()
    blobs = {digest: size or 0 for mine in needed_blobs(snapshot).values() for digest, size in mine.items()}
    return set(blobs if depth == "full" else sample(blobs, seed))


class _Scrubbing:
    def __init__(self, snapshot: Snapshot, report: Report) -> None:
        self.snapshot = snapshot
        self.report = report
        self.faults: set[Fault] = set()
        self.hashed = 0
        self.hashed_bytes = 0

    async def look(self, client: Client, chosen: set[Digest]) -> None:
        """Ask for everything."""
        for problem in self.snapshot.problems:
            if problem.blocks != "nothing":
                await self._problem(client, problem)
        snapshot = self.snapshot
        for digest, what in wrong_sizes(
            snapshot, {one.digest: one.size for one in snapshot.manifests.values()}
        ).items():
            self._blob("wrong-size", "", digest, what)
        wanted = needed_blobs(snapshot)
        total = sum(len(blobs) for blobs in wanted.values())
        unread = set(chosen)
        done = 0
        for name in sorted(wanted):
            sizes = wanted[name]
            mine = {digest for digest in sizes if digest in unread}
            unread -= mine

            async def ask(digest: Digest, name: str = name, read: set[Digest] = mine) -> None:
                await self._ask(client, name, digest, wanted[name][digest], read=digest in read)

            await each(ask, list(sizes), 4 * client.options.concurrency)
            done += len(sizes)
            self.report(Progress("asking for blobs", done, total))

    async def _ask(self, client: Client, name: str, digest: Digest, size: int | None, *, read: bool) -> None:
        algorithm, _, expected = digest.partition(":")
        try:
            answer = await client.send(
                "GET" if read else "HEAD",
                f"/v2/{name}/blobs/{digest}",
                scope=f"repository:{name}:pull",
                limit=_SLACK if size is None else size + _SLACK,
                hashing=algorithm if read else "",
            )
        except Denied as error:
            self._blob("unreadable", name, digest, str(error))
            return
        except Unreadable as error:
            if not read and "another host" in str(error):
                return  # it is there, kept where nothing is asked for
            self._blob("wrong-size" if "larger" in str(error) else "unreadable", name, digest, str(error))
            return
        if answer.status == 404:
            self._blob("missing-blob", name, digest, "is missing")
        elif answer.status != 200:
            self._blob("unreadable", name, digest, f"was answered with status {answer.status}")
        else:
            length = answer.length if read else _number(answer.headers.get("content-length", ""))
            wrong = size is not None and length is not None and length != size
            if read:
                self.hashed += 1
                self.hashed_bytes += answer.length
            if read and answer.hashed != expected:
                what = "is not what its digest says"
                more = f"has {length} bytes in place of {size}, and " if wrong else ""
                self._blob("wrong-digest", name, digest, more + what)
            elif wrong:
                self._blob("wrong-size", name, digest, f"has {length} bytes, and its manifest says {size}")

    def _blob(self, kind: Kind, name: str, digest: Digest, what: str) -> None:
        refs = affected(self.snapshot, (digest,)).get(digest, [])
        mine = tuple(ref for ref in refs if not name or ref.startswith((f"{name}:", f"{name}@")))
        self.faults.add(Fault(kind, f"{name}@{digest}" if name else digest, what, mine))

    async def _problem(self, client: Client, problem: Problem) -> None:
        """Tell what is broken from what could not be reached: ask once more for what the scan could not read."""
        name = problem.repository or ""
        rest = problem.where.removeprefix(name)
        reference = rest[1:].split(" ")[0]
        kind: Kind = "unreadable"
        if name and rest[:1] in (":", "@") and reference:
            try:
                answer = await client.send(
                    "GET",
                    f"/v2/{name}/manifests/{quoted(reference)}",
                    scope=f"repository:{name}:pull",
                    headers={"Accept": ACCEPT},
                )
                if answer.status == 404:
                    kind = "broken-tag" if rest[0] == ":" else self._of(name, reference)
                elif answer.status == 200 and "digest" in problem.what:
                    kind = "wrong-digest"
            except (SourceError, Unreadable):
                pass
        refs = (problem.where,) if rest[:1] == ":" else ()
        self.faults.add(Fault(kind, problem.where, problem.what, refs))

    def _of(self, name: str, digest: Digest) -> Kind:
        """Return what a manifest that is not there breaks: the index that contains it, or what refers to it."""
        for parent in self.snapshot.repositories[name].revisions:
            manifest = self.snapshot.manifests.get(parent)
            if manifest is not None and any(child.digest == digest for child in manifest.children):
                return "broken-index"
        return "missing-blob"


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
