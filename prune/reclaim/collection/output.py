"""What `registry garbage-collect` prints, 2.8 and 3.x: lines for people, of which these are what counts."""

import re

from prune.model.digest import Digest, is_digest
from prune.reclaim.collection.base import CollectionFailed, Eligible

_TOTAL = re.compile(r"(\d+) blobs marked, (\d+) blobs and (\d+) manifests eligible for deletion")
_BLOB = "blob eligible for deletion: "
_MANIFEST = "manifest eligible for deletion: "
_LINK = ": layer link eligible for deletion: "


class Output:
    """Takes the lines one by one. Whatever does not add up makes the whole output one that is not understood."""

    def __init__(self) -> None:
        self.marked = 0
        self.last = ""
        self._blobs: set[Digest] = set()
        self._links: set[tuple[str, Digest]] = set()
        self._manifests: list[str] = []
        self._total: tuple[int, int] | None = None

    def line(self, text: str) -> None:
        """Take a line of its standard output."""
        text = text.strip()
        self.last = text or self.last
        if text.startswith(_BLOB):
            self._blobs.add(_digest(text.removeprefix(_BLOB)))
        elif text.startswith(_MANIFEST):
            self._manifests.append(text.removeprefix(_MANIFEST))
        elif _LINK in text:
            name, _, digest = text.partition(_LINK)
            self._links.add((name, _digest(digest)))
        elif ": marking manifest " in text:
            self.marked += 1
        elif total := _TOTAL.fullmatch(text):
            self._total = (int(total[2]), int(total[3]))

    def eligible(self) -> Eligible:
        """Return what all lines together say; raise ``CollectionFailed`` when they do not say it for sure."""
        if self._total is None:
            raise CollectionFailed("The garbage collection did not say how much it found, as every version does.")
        if self._total != (len(self._blobs), len(self._manifests)):
            raise CollectionFailed(
                f"The garbage collection counts {self._total[0]} blobs and {self._total[1]} manifests, and lists "
                f"{len(self._blobs)} and {len(self._manifests)}: it cannot be understood."
            )
        return Eligible(frozenset(self._blobs), frozenset(self._links), tuple(self._manifests))


def _digest(text: str) -> Digest:
    if not is_digest(text.strip()):
        raise CollectionFailed(f"The garbage collection would remove {text[:100]!r}, which is no digest.")
    return text.strip()
