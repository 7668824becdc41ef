"""Content digests, ``algorithm:hex``, as the OCI image spec defines them (descriptor.md, "Digests")."""

import hashlib

from prune.model.errors import Unreadable

type Digest = str

#: Hex digits of each algorithm that registries use.
HEX_LENGTH = {"sha256": 64, "sha512": 128}

HEX_DIGITS = "0123456789abcdef"


def is_digest(text: str) -> bool:
    """Tell whether ``text`` is exactly a sha256 or sha512 digest. Called for every link of a store: no regular
    expression, which takes twice as long."""
    length = HEX_LENGTH.get(text[:6]) if text[6:7] == ":" else None
    return length is not None and len(text) == 7 + length and not text[7:].strip(HEX_DIGITS)


def parse_digest(text: str) -> Digest:
    """Return ``text`` when it is exactly a sha256 or sha512 digest; raise ``Unreadable`` otherwise."""
    if is_digest(text):
        return text
    shown = text if len(text) <= 100 else text[:100] + "…"
    raise Unreadable(f"{shown!r} is not a digest")


def digest_of(body: bytes, algorithm: str = "sha256") -> Digest:
    """Return the digest of ``body`` under ``algorithm`` (sha256 or sha512)."""
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def matches(digest: Digest, body: bytes) -> bool:
    """Tell whether ``body`` is the content that ``digest`` names."""
    if digest.startswith("sha256:"):
        return hashlib.sha256(body).hexdigest() == digest[7:]
    algorithm, _, expected = digest.partition(":")
    return hashlib.new(algorithm, body).hexdigest() == expected


def short(digest: str, length: int = 12) -> str:
    """Return the first ``length`` hex digits of a digest or V1 image id, for people's eyes."""
    return digest.rpartition(":")[2][:length]


def fallback_tag(digest: Digest) -> str:
    """Return the tag that lists the referrers of ``digest`` where the referrers API is missing.

    OCI distribution spec 1.1, "Referrers Tag Schema": ``:`` becomes ``-``, cut at 32 and 64 characters.
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


#: How every tag begins that belongs to a digest.
COMPANION_PREFIXES = tuple(f"{algorithm}-" for algorithm in HEX_LENGTH)

#: cosign's tags for what belongs to an image: signature, attestation, bill of materials.
COSIGN_SUFFIXES = (".sig", ".att", ".sbom")


def companion_tags(digest: Digest) -> tuple[str, ...]:
    """Return every tag name that belongs to ``digest``: the fallback tag and cosign's three."""
    base = fallback_tag(digest)
    return (base, *(base + suffix for suffix in COSIGN_SUFFIXES))
