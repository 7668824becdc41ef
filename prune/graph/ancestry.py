"""Ancestry in V2: which image is based on which, derived from the layers.

Docker's ``Parent`` is empty with BuildKit, so the *ChainID* over the config's ``diff_ids`` decides (OCI image spec,
config.md, "Layer ChainID"): the parent of an image is the image of the same platform whose layers are the longest
proper prefix of its own. What this says is for showing; nothing is deleted by it.
"""

import hashlib
from collections.abc import Iterator, Sequence


def chain_ids(diff_ids: Sequence[str]) -> Iterator[str]:
    """Yield the ChainID after each layer, the bottom one first."""
    chain = ""
    for diff in diff_ids:
        chain = "sha256:" + hashlib.sha256(f"{chain} {diff}".encode()).hexdigest() if chain else diff
        yield chain
