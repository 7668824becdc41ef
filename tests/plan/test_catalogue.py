"""What lists show of images, against a naive count over the same snapshot."""

from hypothesis import given, settings

from prune.model.artifact import REFERENCE_DIGEST, purposes
from prune.model.digest import fallback_tag
from prune.model.manifest import OCI_INDEX, Descriptor, ImageConfig, Manifest, Platform
from prune.model.snapshot import Snapshot
from prune.plan.catalogue import catalogue, layers_of
from tests.plan.snapshots import Registry, digest, image_id, v1_snapshot, v1_snapshots, v2_snapshots


def roots_of(snapshot: Snapshot) -> set[str]:
    """What stands on its own: everything tagged, and what is served and part of nothing."""
    contained = {child.digest for one in snapshot.manifests.values() for child in one.children}
    found = set()
    for repository in snapshot.repositories.values():
        found |= set(repository.tags.values()) | (repository.revisions.keys() - contained)
    return found


def reached(snapshot: Snapshot, digests) -> set[str]:
    pending, found = list(digests), set()
    while pending:
        one = pending.pop()
        if one in found or one not in snapshot.manifests:
            found.add(one)
            continue
        found.add(one)
        found |= set(snapshot.manifests[one].blobs())
        pending += [child.digest for child in snapshot.manifests[one].children]
    return found


@settings(max_examples=150, deadline=None)
@given(v2_snapshots())
def test_only_here_is_what_no_other_image_reaches(snapshot):
    entries = catalogue(snapshot).entries
    roots = roots_of(snapshot)
    for root in roots:
        alone = reached(snapshot, [root]) - reached(snapshot, roots - {root})
        assert entries[root].own == sum(snapshot.blobs[one].size for one in alone)


@settings(max_examples=100, deadline=None)
@given(v1_snapshots())
def test_only_here_in_v1_is_what_goes_with_the_image(snapshot):
    entries = catalogue(snapshot).entries
    tagged = {id_ for repository in snapshot.repositories.values() for id_ in repository.tags.values()}
    bases = {image.parent for image in snapshot.images.values()}
    roots = tagged | (snapshot.images.keys() - bases)
    for root in roots:
        others = {one for other in roots - {root} for one in snapshot.images[other].ancestry}
        alone = set(snapshot.images[root].ancestry) - others
        assert entries[root].own == sum(snapshot.images[one].size for one in alone)
        assert entries[root].dependents == sum(image.parent == root for image in snapshot.images.values())


@settings(max_examples=100, deadline=None)
@given(v2_snapshots())
def test_a_shared_layer_says_who_shares_it(snapshot):
    shared = catalogue(snapshot).shared
    holders: dict[str, set[str]] = {}
    for one in snapshot.manifests.values():
        for layer in layers_of(one):
            holders.setdefault(layer, set()).add(one.digest)
    assert {layer: (row.images, set(row.examples)) for layer, row in shared.items()} == {
        layer: (len(who), who) for layer, who in holders.items() if len(who) > 1
    }


def test_what_is_based_on_what():
    registry = Registry()
    base, more = registry.layer(), registry.layer(500)
    below = registry.image("base", "1", layers=[base])
    above = registry.image("app", "1", layers=[base, more])
    registry.image("app", "2", layers=[base])
    configs = {}
    for one in registry.manifests.values():
        diff_ids = tuple(layer.digest for layer in one.layers)
        configs[one.config.digest] = ImageConfig(Platform("linux", "amd64"), diff_ids, "2026-01-01T00:00:00Z")
    snapshot = registry.snapshot()
    entries = catalogue(Snapshot(**{**_fields(snapshot), "configs": configs})).entries
    assert entries[above].base in (below, entries[below].same_as)
    assert entries[below].dependents == 1
    assert entries[above].platform == "linux/amd64"
    assert entries[above].size == 100 + 10 + 1500


def _fields(snapshot: Snapshot) -> dict:
    return {field: getattr(snapshot, field) for field in snapshot.__struct_fields__}


def test_an_index_counts_all_its_platforms_once():
    registry = Registry()
    layer = registry.layer(700)
    children = [registry.image("app", layers=[layer]), registry.image("app", layers=[layer])]
    index = registry.index("app", "1", children=children)
    entry = catalogue(registry.snapshot()).entries[index]
    assert entry.size == entry.own == 50 + 2 * (100 + 10) + 700
    assert catalogue(registry.snapshot()).entries[children[0]].inside == index


def test_what_is_attached_is_known_by_its_type_wherever_it_is_told():
    registry = Registry()
    image = registry.image("app", "1", layers=[registry.layer()])
    sbom = registry.image("app", subject=image, artifact_type="application/spdx+json")
    signature = registry.image("app", fallback_tag(image) + ".sig")
    registry.manifests[signature] = Manifest(
        signature,
        100,
        "image",
        "",
        layers=(Descriptor(digest(1), 1, "application/vnd.dev.cosign.simplesigning.v1+json"),),
    )
    statement = registry.new_digest()
    registry.manifests[statement] = Manifest(
        statement,
        10,
        "image",
        "",
        layers=(
            Descriptor(
                digest(2),
                1,
                "application/vnd.in-toto+json",
                annotations={"in-toto.io/predicate-type": "https://spdx.dev/Document"},
            ),
        ),
    )
    index = registry.new_digest()
    about = Descriptor(statement, 10, annotations={REFERENCE_DIGEST: image})
    registry.manifests[index] = Manifest(index, 10, "index", OCI_INDEX, children=(Descriptor(image, 100), about))
    registry.link("app", index, "2")
    entries = catalogue(registry.snapshot()).entries
    assert {one for one, entry in entries.items() if entry.subject == image} == {sbom, signature, statement}
    assert entries[image].attached == ("attestation", "sbom", "signature")
    assert [entries[one].purpose for one in (sbom, signature, statement)] == ["sbom", "signature", "attestation+sbom"]
    assert purposes(registry.manifests[image]) == frozenset()


def test_v1_layers_stand_in_order():
    snapshot = v1_snapshot({"a": None, "b": "a", "c": "b"}, {"one": {"x": "c", "y": "b"}})
    assert layers_of(snapshot.images[image_id("c")]) == tuple(image_id(letter) for letter in "abc")
    assert catalogue(snapshot).entries[image_id("c")].size == 3000
