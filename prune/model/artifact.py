"""What is attached to an image: a signature, a bill of materials, an attestation. Told by media types alone."""

from typing import Literal

from prune.model.manifest import Manifest

Purpose = Literal["signature", "sbom", "attestation"]

_SIGNATURE = ("cosign.simplesigning", "cncf.notary.signature", "dev.sigstore.bundle", "cosign.artifact.sig")
_SBOM = ("spdx", "cyclonedx", "syft")
_ATTESTATION = ("in-toto", "dsse.envelope")
#: Where BuildKit and cosign write what an attestation is about.
_PREDICATES = ("in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType")
#: How an index of BuildKit says that one of its manifests speaks about another.
REFERENCE_TYPE = "vnd.docker.reference.type"
REFERENCE_DIGEST = "vnd.docker.reference.digest"


def purposes(manifest: Manifest) -> frozenset[Purpose]:
    """Return what a manifest is for besides being an image; an attestation that holds a bill of materials is both."""
    said = [manifest.artifact_type or "", manifest.config.media_type if manifest.config else ""]
    said += [layer.media_type for layer in manifest.layers]
    types = " ".join(said).lower()
    about = [layer.annotations or {} for layer in manifest.layers]
    predicates = " ".join(
        notes.get(name, "") for notes in (*about, manifest.annotations) for name in _PREDICATES
    ).lower()
    found: set[Purpose] = set()
    if any(word in types for word in _ATTESTATION) or ("sigstore.bundle" in types and predicates):
        found.add("attestation")
    elif any(word in types for word in _SIGNATURE):
        found.add("signature")
    if any(word in types or word in predicates for word in _SBOM):
        found.add("sbom")
    return frozenset(found)
