"""Images of a Docker Engine in a file, as `docker save` writes and `docker load` reads them."""

import contextlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Sequence
from typing import Any

from docker import APIClient

from prune.model.errors import Refused, SourceError
from prune.model.snapshot import Snapshot

CHUNK = 1 << 20
#: Bytes that a tar needs for each layer and image besides what is in them.
OVERHEAD = 16 * 1024
MAX_LIST_BYTES = 64 * 1024 * 1024


def save_images(api: APIClient, ids: Sequence[str], snapshot: Snapshot, target: str) -> None:
    """Write the images, and what they are based on, to ``target``: whole and durable, or not at all.

    Raises ``Refused`` when the disk has no room for it, ``SourceError`` when the engine hands out something else.
    """
    # With those that they are based on, so that the engine knows afterwards what is based on what. Layers are not
    # written twice, so this costs nothing.
    wanted = dict.fromkeys(one for id_ in ids for one in (id_, *_linked(snapshot, id_)))
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    layers = {layer for id_ in wanted for layer in snapshot.images[id_].layers}
    sizes = snapshot.blobs or {}
    needed = sum(sizes[layer].size + OVERHEAD for layer in layers) + OVERHEAD * len(wanted)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Refused(
            f"Keeping a copy of the images needs {needed} bytes in {folder}, where {free} are free. Make room, name "
            "another folder in PRUNE_STATE, or use --no-trash: then there is no way back."
        )
    temporary = f"{target}.new"
    try:
        with open(temporary, "wb") as file:
            _stream(api, list(wanted), file)
            file.flush()
            os.fsync(file.fileno())
        missing = set(ids) - ids_in(temporary)
        if missing:
            raise SourceError(f"The copy that the engine made does not hold {min(missing)}; nothing was deleted.")
        os.rename(temporary, target)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _linked(snapshot: Snapshot, id_: str) -> list[str]:
    found = []
    while (image := snapshot.images.get(id_)) is not None and image.linked and image.parent is not None:
        found.append(image.parent)
        id_ = image.parent
    return found


def _stream(api: APIClient, ids: list[str], file: Any) -> None:
    # The package's own `get_image` takes one image; the API takes many, and then shares their layers.
    url = f"{api.base_url}/v{api.api_version}/images/get"
    with api.get(url, params={"names": ids}, stream=True, timeout=api.timeout) as answer:
        if answer.status_code != 200:
            raise SourceError(f"The engine did not hand the images out (status {answer.status_code}).")
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)


def ids_in(path: str) -> set[str]:
    """Return the ids of the images in a file, each with all its layers; those of engines with the containerd store
    are digests of manifests."""
    found: set[str] = set()
    try:
        with tarfile.open(path) as tar:
            names = set(tar.getnames())
            for name, key in (("manifest.json", ""), ("index.json", "manifests")):
                try:
                    member = tar.getmember(name)
                except KeyError:
                    continue
                opened = tar.extractfile(member)
                listed: Any = json.loads(opened.read(MAX_LIST_BYTES)) if opened is not None else []
                for entry in listed[key] if key else listed:
                    absent = {*(entry.get("Layers") or ()), entry.get("Config") or name} - names
                    if absent:
                        raise ValueError(f"{min(absent)} is not in it")
                    text = str(entry.get("Config") or entry.get("digest") or "")
                    found.update(f"sha256:{digits}" for digits in re.findall(r"[0-9a-f]{64}", text))
    except (tarfile.TarError, EOFError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise SourceError(
            f"The copy that the engine made cannot be read back ({error}); nothing was deleted."
        ) from None
    return found


def load_images(api: APIClient, path: str) -> None:
    """Give the images in a file back to the engine. Raises ``SourceError`` with its own words when it refuses."""
    if not os.path.exists(path):
        raise SourceError(f"{path} is gone, and with it the saved images.")
    with open(path, "rb") as file:
        # To its end, whatever it says: an answer that is left half read is never closed.
        lines = list(api.load_image(file, quiet=True) or ())
    for line in lines:
        if "error" in line:
            raise SourceError(f"The engine did not take the images back: {line['error']}.")
