"""Where things lie below the root of a V2 layout (distribution, `registry/storage/paths.go`)."""

from prune.model.digest import Digest

#: A link holds a digest and nothing else; sha512 is the longest.
MAX_LINK_BYTES = 256
MAX_STARTED_BYTES = 256

REPOSITORY_FOLDERS = frozenset({"_manifests", "_layers", "_uploads"})


def under(base: str, path: str) -> str:
    """Return ``path`` below ``base``, which may be empty."""
    return f"{base}/{path}" if base else path


def blob_folder(base: str, digest: Digest) -> str:
    """Return the folder of a blob; its bytes are the file ``data`` in it."""
    algorithm, _, encoded = digest.partition(":")
    path = f"blobs/{algorithm}/{encoded[:2]}/{encoded}"
    return f"{base}/{path}" if base else path


def repository_folder(base: str, name: str) -> str:
    """Return the folder of a repository."""
    return under(base, f"repositories/{name}")


def tag_folder(base: str, name: str, tag: str) -> str:
    """Return the folder of a tag: ``current/link`` and the index of all that it ever pointed at."""
    return f"{repository_folder(base, name)}/_manifests/tags/{tag}"


def revision_folder(base: str, name: str, digest: Digest) -> str:
    """Return the folder of the link by which a repository serves a manifest."""
    algorithm, _, encoded = digest.partition(":")
    return f"{repository_folder(base, name)}/_manifests/revisions/{algorithm}/{encoded}"


def layer_folder(base: str, name: str, digest: Digest) -> str:
    """Return the folder of the link by which a repository serves a layer or config."""
    algorithm, _, encoded = digest.partition(":")
    return f"{repository_folder(base, name)}/_layers/{algorithm}/{encoded}"


def upload_folder(base: str, name: str, id_: str) -> str:
    """Return the folder of an upload that is not finished."""
    return f"{repository_folder(base, name)}/_uploads/{id_}"
