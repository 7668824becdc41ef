"""What images are called in drawings: the first digits of their ids, as many as it takes to tell them apart."""

from itertools import pairwise

from prune.graph.images import ImageGraph
from prune.model.digest import short

#: Hex digits shown of an id that no other one in the graph begins like.
DIGITS = 12


class Names:
    """Short names for every id of a graph."""

    def __init__(self, graph: ImageGraph) -> None:
        # Sorted, the id that an id has most digits in common with stands beside it.
        ids = sorted({(short(id_, 128), id_) for node in graph.nodes.values() for id_ in node.ids})
        digits = dict.fromkeys((id_ for _, id_ in ids), DIGITS)
        for (left, before), (right, after) in pairwise(ids):
            same = _common(left, right)
            digits[before] = max(digits[before], same + 1)
            digits[after] = max(digits[after], same + 1)
        self._digits = digits

    def of(self, id_: str) -> str:
        """Return the first 12 digits of ``id_``, and more while another id of the graph begins with the same."""
        return short(id_, self._digits.get(id_, DIGITS))

    def of_aliases(self, ids: tuple[str, ...], most: int) -> str:
        """Return up to ``most`` names of one node, and how many there are besides."""
        shown = "=".join(self.of(id_) for id_ in ids[:most])
        return shown + (f"=+{len(ids) - most}" if len(ids) > most else "")


def _common(left: str, right: str) -> int:
    """Return with how many equal characters two texts begin."""
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return number
    return min(len(left), len(right))
