"""Snapshots made by hand or by hypothesis, without any store behind them."""

from hypothesis import strategies as st

from prune.model.digest import fallback_tag
from prune.model.manifest import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from prune.model.snapshot import Blob, Repository, Snapshot, V1Image

NOW = 1_800_000_000
OLD = NOW - 30 * 86400
FRESH = NOW - 60


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def image_id(letter: str) -> str:
    return letter.lower() * 64


class Registry:
    """Builds a V2 snapshot piece by piece; every blob is 10 bytes, every layer 1000, unless said otherwise."""

    def __init__(self, source: str = "storage:/registry") -> None:
        self.source = source
        self.manifests: dict[str, Manifest] = {}
        self.blobs: dict[str, Blob] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tag_times: dict[str, dict[str, int]] = {}
        self.revisions: dict[str, dict[str, int | None]] = {}
        self.links: dict[str, dict[str, int | None]] = {}
        self.problems = []
        self.incomplete: set[str] = set()
        self.uploads = {}
        self._next = 1

    def new_digest(self) -> str:
        self._next += 1
        return digest(self._next)

    def layer(self, size: int = 1000, time: int = OLD) -> str:
        made = self.new_digest()
        self.blobs[made] = Blob(size, time)
        return made

    def image(self, repo: str, *tags: str, layers=(), subject=None, time: int = OLD, **more) -> str:
        config = self.layer(10, time)
        made = self.new_digest()
        self.manifests[made] = Manifest(
            digest=made,
            size=100,
            kind="image",
            media_type=OCI_MANIFEST if subject else DOCKER_MANIFEST,
            config=Descriptor(config, 10),
            layers=tuple(Descriptor(layer, self.blobs[layer].size) for layer in layers),
            subject=subject,
            **more,
        )
        self.blobs[made] = Blob(100, time)
        self.link(repo, made, *tags, time=time)
        return made

    def index(self, repo: str, *tags: str, children=(), time: int = OLD, subject=None) -> str:
        made = self.new_digest()
        self.manifests[made] = Manifest(
            digest=made,
            size=50,
            kind="index",
            media_type=OCI_INDEX,
            children=tuple(Descriptor(child, 100) for child in children),
            subject=subject,
        )
        self.blobs[made] = Blob(50, time)
        self.link(repo, made, *tags, time=time)
        return made

    def link(self, repo: str, manifest: str, *tags: str, time: int = OLD) -> None:
        self.revisions.setdefault(repo, {})[manifest] = time
        for tag in tags:
            self.tags.setdefault(repo, {})[tag] = manifest
            self.tag_times.setdefault(repo, {})[tag] = time
        links = self.links.setdefault(repo, {})
        for blob in self.manifests[manifest].blobs():
            links.setdefault(blob, None)

    def snapshot(self) -> Snapshot:
        names = sorted({*self.tags, *self.revisions, *self.links})
        return Snapshot(
            source=self.source,
            kind="storage-v2",
            repositories={
                name: Repository(
                    name,
                    tags=self.tags.get(name, {}),
                    tag_times=self.tag_times.get(name, {}),
                    revisions=self.revisions.get(name, {}),
                    layer_links=self.links.get(name, {}),
                    uploads=self.uploads.get(name, ()),
                    complete=name not in self.incomplete,
                )
                for name in names
            },
            manifests=dict(self.manifests),
            blobs=dict(self.blobs),
            problems=tuple(self.problems),
        )


def v1_snapshot(chains: dict[str, str | None], tags: dict[str, dict[str, str]], **more) -> Snapshot:
    """A V1 store: ``chains`` maps a letter to the letter it is based on, ``tags`` repository → tag → letter."""
    images = {}
    for letter in chains:
        ancestry, at = [], letter
        while at is not None:
            ancestry.append(image_id(at))
            at = chains[at]
        images[image_id(letter)] = V1Image(image_id(letter), tuple(ancestry), size=1000, time=OLD)
    images.update(more.pop("images", {}))
    return Snapshot(
        source="storage:/v1",
        kind="storage-v1",
        repositories={
            name: Repository(name, tags={tag: image_id(letter) for tag, letter in chosen.items()})
            for name, chosen in tags.items()
        },
        images=images,
        **more,
    )


@st.composite
def v2_snapshots(draw) -> Snapshot:
    """Small registries with shared layers, indexes in indexes, referrers, fallback and cosign tags."""
    registry = Registry()
    layers = [registry.layer() for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(0, 2))):
        registry.layer(77)  # garbage
    repos = ["a", "a/b", "c"][: draw(st.integers(1, 3))]
    made: dict[str, list[str]] = {repo: [] for repo in repos}
    for number in range(draw(st.integers(1, 7))):
        repo = draw(st.sampled_from(repos))
        here = made[repo]
        tags = draw(st.sampled_from([(), (), (f"t{number}",), (f"t{number}", f"u{number}")]))
        kind = draw(st.sampled_from(["image", "image", "index", "referrer", "again"]))
        others = [m for r in repos for m in made[r]]
        if kind == "index" and here:
            subject = draw(st.sampled_from([None, None, *here]))
            chosen = draw(st.lists(st.sampled_from(here), unique=True, max_size=3))
            new = registry.index(repo, *tags, children=chosen, subject=subject)
        elif kind == "referrer" and here:
            subject = draw(st.sampled_from(here))
            how = draw(st.sampled_from(["subject", "cosign", "fallback"]))
            if how == "subject":
                new = registry.image(repo, *tags, subject=subject)
            elif how == "cosign":
                suffix = draw(st.sampled_from([".sig", ".att", ".sbom"]))
                new = registry.image(repo, fallback_tag(subject) + suffix)
            else:
                inner = registry.image(repo, subject=subject)
                made[repo].append(inner)
                new = registry.index(repo, fallback_tag(subject), children=[inner])
        elif kind == "again" and others:
            new = draw(st.sampled_from(others))
            if registry.manifests[new].kind == "index" or new in here:
                new = registry.image(repo, *tags, layers=layers[:1])
            else:
                registry.link(repo, new, *tags)
        else:
            chosen = draw(st.lists(st.sampled_from(layers), unique=True, max_size=3))
            new = registry.image(repo, *tags, layers=chosen)
        made[repo].append(new)
    return registry.snapshot()


@st.composite
def v1_snapshots(draw) -> Snapshot:
    """Forests of up to eight images with tags in up to two repositories."""
    letters = "abcdef01"[: draw(st.integers(1, 8))]
    chains: dict[str, str | None] = {}
    for number, letter in enumerate(letters):
        chains[letter] = draw(st.sampled_from([None, *letters[:number]])) if number else None
    tags: dict[str, dict[str, str]] = {}
    for repo in ("library/one", "team/two"):
        names = draw(st.lists(st.sampled_from(["v1", "v2", "v3", "latest"]), unique=True, max_size=4))
        if names:
            tags[repo] = {name: draw(st.sampled_from(letters)) for name in names}
    return v1_snapshot(chains, tags)


@st.composite
def requests(draw, snapshot: Snapshot) -> tuple[str, ...]:
    """References into ``snapshot``, of all three forms."""
    refs = []
    for name, repository in snapshot.repositories.items():
        refs.append(name)
        refs += [f"{name}:{tag}" for tag in repository.tags]
        refs += [f"{name}@{one}" for one in repository.revisions]
    if not refs:
        return ()
    return tuple(sorted(draw(st.lists(st.sampled_from(refs), unique=True, max_size=4))))
