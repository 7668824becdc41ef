"""What must still be there after a plan was carried out: computed from the files alone, the slow and simple way."""

import json
from pathlib import Path

from tests.stores import V2Store


def closure(store: V2Store, digest: str) -> set[str]:
    """Every digest that a pull of ``digest`` fetches."""
    found = {digest}
    document = json.loads(store.blob_path(digest).read_bytes())
    if "config" in document:
        found.add(document["config"]["digest"])
    found.update(layer["digest"] for layer in document.get("layers", ()))
    for child in document.get("manifests", ()):
        found |= closure(store, child["digest"])
    return found


def pulled(store: V2Store) -> dict[tuple[str, str], dict[str, bytes]]:
    """Every tag with the bytes of everything that its pull fetches."""
    found = {}
    for link in store.base.glob("repositories/**/_manifests/tags/*/current/link"):
        tag = link.parents[1].name
        repo = str(link.parents[4].relative_to(store.base / "repositories"))
        digests = closure(store, link.read_text())
        found[repo, tag] = {digest: store.blob_path(digest).read_bytes() for digest in digests}
    return found


def v1_pulled(root: Path) -> dict[tuple[str, str], dict[str, bytes]]:
    """Every V1 tag with the layers of its ancestry."""
    found = {}
    for path in root.glob("repositories/*/*/tag_*"):
        image = path.read_text()
        ids = json.loads((root / "images" / image / "ancestry").read_text())
        layers = {id_: (root / "images" / id_ / "layer").read_bytes() for id_ in ids}
        found[f"{path.parents[1].name}/{path.parent.name}", path.name[4:]] = layers
    return found


def layout_pulled(root: Path) -> dict[tuple[str, str], dict[str, bytes]]:
    """Every name of an OCI layout with the bytes of all that a copy of it fetches, and of what refers to that."""

    def read(digest: str) -> bytes:
        return (root / "blobs" / digest.replace(":", "/")).read_bytes()

    def fetch(digest: str) -> dict[str, bytes]:
        found = {digest: read(digest)}
        document = json.loads(found[digest])
        for part in (*document.get("layers", ()), *([document["config"]] if "config" in document else ())):
            found[part["digest"]] = read(part["digest"])
        for child in document.get("manifests", ()):
            found |= fetch(child["digest"])
        for entry in listed:
            if json.loads(read(entry["digest"])).get("subject", {}).get("digest") == digest:
                found |= fetch(entry["digest"])
        return found

    listed = json.loads((root / "index.json").read_text())["manifests"]
    found = {}
    for entry in listed:
        name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
        if name is not None:
            repository, colon, tag = name.rpartition(":")
            found[repository if colon else root.name, tag] = fetch(entry["digest"])
    return found
