"""What a plan should hold, computed the slow and obvious way: by trying every set of manifests.

Nothing here is shared with the planner. A set of manifests may go when nothing that would stay holds any of them;
the union of two such sets is such a set again, so the largest one is what the contract asks for.
"""

from itertools import chain, combinations

from prune.model.snapshot import Snapshot

SUFFIXES = ("", ".sig", ".att", ".sbom")


def companions(repository, digest):
    base = digest.replace(":", "-")
    return {base + suffix for suffix in SUFFIXES if base + suffix in repository.tags}


def expected_v2(snapshot: Snapshot, refs):
    """Return (tags, manifests, blobs, refused) as sets, for requests without ``--sweep``."""
    gone_tags, gone_manifests, refused = set(), set(), set()
    for name, repository in snapshot.repositories.items():
        if name in refs:
            gone_tags |= {(name, tag) for tag in repository.tags}
            gone_manifests |= {(name, d) for d in repository.revisions}
            continue
        tags = {ref.split(":", 1)[1] for ref in refs if ref.startswith(name + ":") and "@" not in ref}
        digests = {ref.split("@", 1)[1] for ref in refs if ref.startswith(name + "@")}
        while True:
            going = _largest(snapshot, repository, tags, digests)
            bad = {
                d
                for d in digests
                if any(
                    d in {c.digest for c in snapshot.manifests[p].children}
                    for p in repository.revisions
                    if p not in going
                )
            }
            if not bad:
                break
            digests -= bad
            refused |= {(name, d) for d in bad}
        gone_manifests |= {(name, d) for d in going}
        for tag, target in repository.tags.items():
            if tag in tags or target in going or any(tag in companions(repository, d) for d in going):
                gone_tags.add((name, tag))
    return gone_tags, gone_manifests, _blobs(snapshot, gone_manifests), refused


def _largest(snapshot, repository, tags, digests):
    present = set(repository.revisions)
    related = set()
    start = {repository.tags[t] for t in tags} | digests
    while start - related:
        related |= start
        for d in set(related):
            start |= {c.digest for c in snapshot.manifests[d].children} & present
            start |= {r for r in present if snapshot.manifests[r].subject == d}
            start |= {repository.tags[t] for t in companions(repository, d)}
    everything = sorted(related)
    best = set()
    for chosen in chain.from_iterable(combinations(everything, n) for n in range(len(everything) + 1)):
        going = set(chosen)
        if len(going) > len(best) and _may_go(snapshot, repository, tags, digests & going, going):
            best = going
    return best


def _may_go(snapshot, repository, tags, digests, going):
    dying = {t for d in going for t in companions(repository, d)}
    for digest in going - digests:
        if any(target == digest and t not in tags and t not in dying for t, target in repository.tags.items()):
            return False
        for other in set(repository.revisions) - going:
            if digest in {c.digest for c in snapshot.manifests[other].children}:
                return False
        subject = snapshot.manifests[digest].subject
        if subject in repository.revisions and subject not in going:
            return False
    # A companion tag of something that stays holds what it points at.
    for other in set(repository.revisions) - going:
        if any(repository.tags[t] in going - digests and t not in tags for t in companions(repository, other)):
            return False
    return True


def needed(snapshot, digest):
    """Return every blob that a manifest needs, itself included."""
    manifest = snapshot.manifests[digest]
    found = {digest} | {layer.digest for layer in manifest.layers}
    if manifest.config:
        found.add(manifest.config.digest)
    for child in manifest.children:
        found |= needed(snapshot, child.digest)
    return found


def _blobs(snapshot, gone):
    stays, goes = set(), set()
    for name, repository in snapshot.repositories.items():
        for digest in repository.revisions:
            (goes if (name, digest) in gone else stays).update(needed(snapshot, digest))
    return goes - stays


def expected_v1(snapshot: Snapshot, refs):
    """Return (tags, images) that go, by taking one image after the other as the seed's text allows it."""
    tags = {
        (name, tag)
        for name, repository in snapshot.repositories.items()
        for tag in repository.tags
        if name in refs or f"{name}:{tag}" in refs
    }
    left = [i for n, r in snapshot.repositories.items() for t, i in r.tags.items() if (n, t) not in tags]
    reached = set()
    for name, tag in tags:
        reached |= set(snapshot.images[snapshot.repositories[name].tags[tag]].ancestry)
    images = set(snapshot.images)
    while True:
        free = {
            i for i in images & reached if i not in left and not any(snapshot.images[o].parent == i for o in images)
        }
        if not free:
            return tags, set(snapshot.images) - images
        images -= free
