"""Listing the blobs of a V2 store."""

from prune.model.digest import HEX_DIGITS, HEX_LENGTH, Digest
from prune.model.snapshot import LEFT_ALONE, Blob
from prune.sources.storage_v2.findings import Findings
from prune.sources.storage_v2.layout import under
from prune.sources.stores.base import Store

_HEX_BYTES = HEX_DIGITS.encode()


def is_hex(text: str, length: int) -> bool:
    """Tell whether ``text`` is exactly ``length`` lower-case hex digits."""
    return len(text) == length and not text.strip(HEX_DIGITS)


def all_hex(names: list[str], prefix: str, length: int) -> bool:
    """Tell whether every name is ``length`` lower-case hex digits that begin with ``prefix``: one look for all."""
    if not names:
        return True
    # What begins with it begins so for the first and the last of all names, and for those between them.
    if not (min(names).startswith(prefix) and max(names).startswith(prefix)):
        return False
    text = "".join(names)
    return {*map(len, names)} == {length} and text.isascii() and not text.encode().translate(None, _HEX_BYTES)


def blob_prefixes(store: Store, base: str, findings: Findings) -> list[tuple[str, str]]:
    """Return each (algorithm, first two hex digits) that has a folder."""
    root = under(base, "blobs")
    found = []
    try:
        algorithms = store.entries(root)
    except FileNotFoundError:
        return []
    except OSError as error:
        findings.block_store(root, f"cannot be read: {error.strerror}")
        return []
    for algorithm in algorithms:
        where = f"{root}/{algorithm.name}"
        if algorithm.kind == "other":
            findings.block_store(where, "is a symbolic link or something else that is not followed")
            continue
        if algorithm.kind == "file" or algorithm.name not in HEX_LENGTH:
            findings.note(where, "does not belong here", LEFT_ALONE)
            continue
        try:
            prefixes = store.entries(where)
        except OSError as error:
            findings.block_store(where, f"cannot be read: {error.strerror}")
            continue
        for prefix in prefixes:
            if prefix.kind == "other":
                findings.block_store(f"{where}/{prefix.name}", "is a symbolic link or something else, not followed")
            elif prefix.kind == "file" or not is_hex(prefix.name, 2):
                findings.note(f"{where}/{prefix.name}", "does not belong here", LEFT_ALONE)
            else:
                found.append((algorithm.name, prefix.name))
    return found


def list_prefix(
    store: Store, base: str, algorithm: str, prefix: str, found: dict[Digest, Blob], findings: Findings
) -> None:
    """Add the blobs of one folder to ``found``."""
    folder = under(base, f"blobs/{algorithm}/{prefix}")
    length = HEX_LENGTH[algorithm]
    try:
        listed = list(store.blobs(folder))
    except OSError as error:
        findings.block_store(folder, f"cannot be read: {error.strerror}")
        return
    head = algorithm + ":"
    well_named = all_hex([name for name, _ in listed], prefix, length)
    for name, stat in listed:
        if not well_named and not (is_hex(name, length) and name.startswith(prefix)):
            shown = name.encode(errors="backslashreplace").decode()
            findings.note(f"{folder}/{shown}", "does not belong here", LEFT_ALONE)
        elif stat is None:
            findings.note(f"{folder}/{name}", "has no data that could be read", LEFT_ALONE)
        else:
            found[head + name] = Blob(stat.size, stat.time)
