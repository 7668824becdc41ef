"""Plans for V2 storage, OCI layouts and registries read over HTTP.

The rules are numbered in the command's contract ("What a plan contains, exactly"); each function names its own.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from prune.graph.reach import RepositoryGraph, blobs_of, held_blobs
from prune.model.digest import Digest, short
from prune.model.plan import (
    BlobItem,
    Deletions,
    Kept,
    LayerLinkItem,
    ManifestItem,
    Plan,
    Refusal,
    Request,
    TagItem,
    UploadItem,
    links_by_repository,
)
from prune.model.snapshot import Repository, Snapshot
from prune.plan import reasons
from prune.plan.selection import Selection, select
from prune.plan.summary import summarise
from prune.plan.surroundings import Surroundings, served


@dataclass
class Fate:
    """What becomes of one repository's tags and manifests."""

    graph: RepositoryGraph
    tags: set[str] = field(default_factory=set)
    manifests: set[Digest] = field(default_factory=set)
    asked: set[Digest] = field(default_factory=set)
    """Manifests that the request was about: named, or pointed at by a named tag."""
    touched: set[Digest] = field(default_factory=set)
    refused: set[Digest] = field(default_factory=set)
    """Named manifests that stay, because a surviving index contains them."""

    @property
    def survivors(self) -> set[Digest]:
        """Return the manifests that this repository still serves afterwards."""
        return self.graph.present - self.manifests


class _Needs:
    """Which blobs the manifests of each repository need: those that stay, and those that go."""

    def __init__(self, snapshot: Snapshot, fates: dict[str, Fate]) -> None:
        self._manifests = snapshot.manifests
        self._repositories = snapshot.repositories
        self._fates = fates
        self._staying: dict[str, set[Digest]] = {}
        self._going: dict[str, set[Digest]] = {}

    def staying(self, name: str) -> set[Digest]:
        """Return the blobs that what stays in a repository needs."""
        found = self._staying.get(name)
        if found is None:
            stays = self._fates[name].survivors if name in self._fates else served(self._repositories[name])
            found = self._staying[name] = held_blobs(stays, self._manifests)
        return found

    def going(self, name: str) -> set[Digest]:
        """Return the blobs that what goes from a repository needs."""
        found = self._going.get(name)
        if found is None:
            goes = self._fates[name].manifests if name in self._fates else ()
            found = self._going[name] = held_blobs(goes, self._manifests)
        return found


def make_plan(snapshot: Snapshot, request: Request, *, now: int, around: Surroundings | None = None) -> Plan:
    """Return the plan; see `prune.plan.make.make_plan`."""
    if around is not None and request.sweep:
        raise ValueError("a sweep is about every repository")
    chosen = select(snapshot, request.delete)
    fates = _fates(snapshot, chosen, request, now)
    refused = [*chosen.refused, *_refusals(fates)]
    needs = _Needs(snapshot, fates)
    blobs = _blobs(snapshot, fates, needs, request, now, around)
    gone = {blob.digest for blob in blobs}
    uploads = _uploads(snapshot, chosen, request, now)
    links = _layer_links(snapshot, needs, chosen, gone, request, now, around)
    emptied = _emptied(snapshot, fates, links, uploads) if request.sweeps_repositories else set()
    deletions = Deletions(
        tags=tuple(
            sorted(TagItem(name, tag, f.graph.repository.tags[tag]) for name, f in fates.items() for tag in f.tags)
        ),
        manifests=tuple(
            sorted(
                ManifestItem(name, digest)
                for name, fate in fates.items()
                for digest in fate.manifests & fate.graph.repository.revisions.keys()
            )
        ),
        blobs=blobs,
        # A registry's API has no way to take a name out of the catalog.
        repositories=() if snapshot.kind == "registry-v2" else tuple(sorted(chosen.folders | emptied)),
        layer_links=links,
        uploads=uploads,
    )
    return Plan(
        source=snapshot.source,
        kind=snapshot.kind,
        request=request,
        scan=summarise(snapshot) if around is None else around.summary,
        delete=deletions,
        keep=_kept(snapshot, fates, gone, around),
        refused=tuple(sorted(set(refused))),
        freed_bytes=sum(blob.size for blob in blobs) + sum(upload.size for upload in uploads),
    )


def _fates(snapshot: Snapshot, chosen: Selection, request: Request, now: int) -> dict[str, Fate]:
    names = chosen.repositories()
    if request.sweep and snapshot.store_blocked is None:
        names = sorted(name for name, repository in snapshot.repositories.items() if repository.complete)
    return {name: _fate(snapshot, chosen, name, request, now) for name in names}


def _fate(snapshot: Snapshot, chosen: Selection, name: str, request: Request, now: int) -> Fate:
    """Rules 1 to 5: which tags and manifests of one repository go."""
    repository = snapshot.repositories[name]
    graph = RepositoryGraph(repository, snapshot.manifests)
    if name in chosen.whole:
        return Fate(graph, set(repository.tags), set(graph.present), set(graph.present), set(graph.present))
    asked_tags = chosen.tags.get(name, set())
    condemned = set(chosen.digests.get(name, set()))
    asked = {repository.tags[tag] for tag in asked_tags} | condemned
    fresh, free_tags = _fresh(snapshot, repository, graph, request, now) if request.sweep else (set(), set())
    refused: set[Digest] = set()
    while True:
        touched = graph.touched({repository.tags[tag] for tag in asked_tags} | condemned)
        candidates = graph.present - (fresh - touched) if request.sweep else touched
        stays = graph.surviving(asked_tags, candidates, condemned, free_tags)
        held = {d for d in condemned if any(parent in stays for parent in graph.parents.get(d, ()))}
        if not held:
            break
        # Rule 2: a child of a surviving index cannot go. Without it more survives, so look again.
        refused |= held
        condemned -= held
    going = graph.present - stays
    tags = {tag for tag in repository.tags if tag in asked_tags or repository.tags[tag] in going}
    for digest in going:
        tags.update(tag for tag in graph.companions(digest) if tag not in free_tags)
    return Fate(graph, tags, going, asked, touched | refused, refused)


def _fresh(
    snapshot: Snapshot, repository: Repository, graph: RepositoryGraph, request: Request, now: int
) -> tuple[set[Digest], set[str]]:
    """Rule 7: manifests and companion tags too young, or of unknown age, to be swept as garbage. In a layout
    without a single name nothing is: there the entries themselves are what it is for."""
    if snapshot.kind == "oci-layout" and not any(one.tags for one in snapshot.repositories.values()):
        return set(graph.present), set()
    limit = now - request.grace
    fresh = set()
    for digest in graph.present:
        blob = (snapshot.blobs or {}).get(digest)
        if not _older(limit, repository.revisions.get(digest), blob.time if blob else None):
            fresh.add(digest)
    tags = {tag for tag in repository.tags if not _older(limit, repository.tag_times.get(tag))}
    return fresh, tags


def _older(limit: int, *times: int | None) -> bool:
    """Tell whether the newest of ``times`` is known and not after ``limit``."""
    known = False  # called for every blob of a sweep: no list, no maximum
    for time in times:
        if time is not None:
            if time > limit:
                return False
            known = True
    return known


def _refusals(fates: dict[str, Fate]) -> list[Refusal]:
    found = []
    for name, fate in fates.items():
        for digest in fate.refused:
            parents = [parent for parent in fate.graph.parents.get(digest, ()) if parent in fate.survivors]
            why = reasons.contained(fate.graph, parents)
            found.append(Refusal(f"{name}@{digest}", f"{short(digest)} stays: {why}"))
    return found


def _blobs(
    snapshot: Snapshot,
    fates: dict[str, Fate],
    needs: _Needs,
    request: Request,
    now: int,
    around: Surroundings | None,
) -> tuple[BlobItem, ...]:
    """Rules 6 to 8: blobs that nothing needs any more, in any repository."""
    if not snapshot.complete or snapshot.partial:
        return ()
    going: set[Digest] = set()
    for fate in fates.values():
        going |= fate.manifests
    if not going and not request.sweep:
        return ()
    held = set[Digest]().union(*map(needs.staying, snapshot.repositories))
    named = set[Digest]().union(*map(needs.going, fates))
    if around is not None:
        held |= {digest for digest in named if around.elsewhere(digest, snapshot.repositories)}
    if snapshot.blobs is None:
        # Over the API only the manifests say how large things are; what none of them names cannot be seen at all.
        sizes = _described_sizes(snapshot, going)
        return tuple(sorted(BlobItem(digest, sizes[digest]) for digest in named - held if digest in sizes))
    limit = now - request.grace
    candidates = snapshot.blobs.keys() - held if request.sweep else named - held
    links = _unexplained_links(snapshot, needs, candidates, around)
    chosen = []
    for digest in sorted(candidates):
        blob = snapshot.blobs.get(digest)
        if blob is None:
            continue
        link_times = links.get(digest, ())
        if digest in named:
            # A link that no manifest of its repository explains may be a push under way that counts on this
            # blob: rule 7 keeps it while that link is fresh.
            if not all(_older(limit, time) for time in link_times):
                continue
        elif not _older(limit, blob.time, *link_times) or None in link_times:
            continue
        chosen.append(BlobItem(digest, blob.size))
    return tuple(chosen)


def _described_sizes(snapshot: Snapshot, digests: set[Digest]) -> dict[Digest, int]:
    """Return the sizes of manifests and of what they are made of, as their descriptors say."""
    sizes: dict[Digest, int] = {}
    for digest in held_blobs(digests, snapshot.manifests):
        manifest = snapshot.manifests.get(digest)
        if manifest is not None:
            sizes[digest] = manifest.size
            for part in (manifest.config, *manifest.layers):
                if part is not None and not part.urls:
                    sizes[part.digest] = part.size
    return sizes


def _unexplained_links(
    snapshot: Snapshot, needs: _Needs, blobs: Set[Digest], around: Surroundings | None
) -> dict[Digest, list[int | None]]:
    """Return, for each of ``blobs``, the times of layer links in repositories where no manifest refers to it."""
    found: dict[Digest, list[int | None]] = {}
    for name, repository in snapshot.repositories.items():
        linked = repository.layer_links.keys() & blobs
        if not linked:
            continue
        for digest in linked - needs.staying(name) - needs.going(name):
            found.setdefault(digest, []).append(repository.layer_links[digest])
    if around is not None:
        for digest in blobs:
            if elsewhere := around.links_elsewhere(digest, snapshot.repositories):
                found.setdefault(digest, []).extend(elsewhere.values())
    return found


def _layer_links(
    snapshot: Snapshot,
    needs: _Needs,
    chosen: Selection,
    gone: set[Digest],
    request: Request,
    now: int,
    around: Surroundings | None,
) -> tuple[LayerLinkItem, ...]:
    """Links to blobs that go; with ``--sweep`` also links that their repository no longer needs (rule 7)."""
    limit = now - request.grace
    found = []
    for name, repository in sorted(snapshot.repositories.items()):
        if name in chosen.folders:
            continue  # they go with the folder
        links = repository.layer_links
        doomed = links.keys() & gone
        if request.sweep and snapshot.complete:
            named = needs.going(name)
            doomed |= {d for d in links.keys() - needs.staying(name) if d in named or _older(limit, links[d])}
        found += [LayerLinkItem(name, digest) for digest in sorted(doomed)]
    if around is not None:
        for digest in gone:
            found += [LayerLinkItem(name, digest) for name in around.links_elsewhere(digest, snapshot.repositories)]
        found.sort()
    return tuple(found)


def _uploads(snapshot: Snapshot, chosen: Selection, request: Request, now: int) -> tuple[UploadItem, ...]:
    """Rule 7: left-over uploads, where one whose age cannot be told is kept. Rule 3: those of a repository that
    goes whole go with its folder."""
    limit = now - request.uploads_grace
    return tuple(
        sorted(
            UploadItem(name, upload.id, upload.size)
            for name, repository in snapshot.repositories.items()
            if name in chosen.whole or (request.sweep and repository.complete and snapshot.store_blocked is None)
            for upload in repository.uploads
            if name in chosen.folders or _older(limit, upload.time)
        )
    )


def _emptied(
    snapshot: Snapshot, fates: dict[str, Fate], links: tuple[LayerLinkItem, ...], uploads: tuple[UploadItem, ...]
) -> set[str]:
    """Rule 9: repositories in which nothing is left. What is fresh in one stays, and so does the repository; their
    links and uploads are in the plan like any others, so that one that comes back keeps it."""
    if snapshot.kind != "storage-v2":
        return set()
    going_links = links_by_repository(links)
    going_uploads = {(upload.repository, upload.id) for upload in uploads}
    odd = snapshot.left_alone()
    return {
        name
        for name, fate in fates.items()
        if name not in odd
        and not fate.survivors
        and fate.tags >= fate.graph.repository.tags.keys()
        and going_links.get(name, set()) >= fate.graph.repository.layer_links.keys()
        and all((name, upload.id) in going_uploads for upload in fate.graph.repository.uploads)
    }


def _kept(
    snapshot: Snapshot, fates: dict[str, Fate], gone: set[Digest], around: Surroundings | None
) -> tuple[Kept, ...]:
    kept: list[Kept] = []
    touched_blobs: dict[Digest, str] = {}
    for name in sorted(fates):
        fate = fates[name]
        survivors = fate.survivors
        for digest in sorted(fate.touched & survivors):
            why = reasons.manifest_stays(fate.graph, digest, fate.tags, survivors)
            kept.append(Kept(name, why, digest=digest))
        for digest in fate.manifests:
            for blob in blobs_of(digest, snapshot.manifests):
                touched_blobs.setdefault(blob, name)
    if snapshot.blobs is not None:
        kept += _kept_blobs(snapshot, fates, touched_blobs, gone, around)
    return tuple(sorted(kept, key=lambda k: (k.repository or "", k.tag or "", k.digest or "")))


def _kept_blobs(
    snapshot: Snapshot,
    fates: dict[str, Fate],
    touched: dict[Digest, str],
    gone: set[Digest],
    around: Surroundings | None,
) -> list[Kept]:
    """Say for each blob of what goes why it stays: who shares it."""
    blobs = snapshot.blobs or {}
    staying = {digest for digest in touched if digest in blobs and digest not in gone}
    if not staying:
        return []
    if not snapshot.complete:
        why = ("something in this registry could not be read, so no blob may go",)
        return [Kept(touched[digest], why, digest=digest) for digest in staying]
    holders = reasons.BlobHolders(snapshot, {name: fate.survivors for name, fate in fates.items()}, staying, around)
    listed = {(name, d) for name, fate in fates.items() for d in fate.touched & fate.survivors}
    return [
        Kept(touched[digest], holders.why(digest), digest=digest)
        for digest in staying
        if (touched[digest], digest) not in listed
    ]
