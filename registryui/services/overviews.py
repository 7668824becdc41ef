"""Drawing who builds on whom in a registry."""

from collections.abc import Collection

from prune.drawing.layout import LayoutFailed
from prune.drawing.overview import Stream, overview
from registryui.models import Registry
from registryui.services import labels
from registryui.services.builds_on import of_registry
from registryui.services.diagrams import Drawn
from registryui.services.sentences import said

#: With more pairs than this, the repositories of a namespace are drawn as one.
MOST_SINGLE = 60
#: Pairs looked at for a drawing, those of the most bytes.
MOST_ROWS = 20_000
#: Lines in one drawing, those of the most bytes.
MOST_STREAMS = 120


def drawn(registry: Registry, opened: Collection[str], *, everything: bool = False) -> tuple[Drawn, int]:
    """Return the drawing, with the repositories of a namespace as one unless it is among ``opened``, and how many
    lines were left out."""
    rows = of_registry(registry).order_by("-shared", "pk")
    columns = ("repository__name", "repository__namespace", "base__name", "images", "shared")
    found = list(rows.values_list(*columns)[:MOST_ROWS])
    fold = len(found) > MOST_SINGLE and not everything
    sums: dict[tuple[str, str], list[int]] = {}
    inside: dict[str, set[str]] = {}
    for name, namespace, base, images, shared in found:
        folded = fold and namespace and namespace not in opened
        upper = f"{namespace}/" if folded else name
        of = sums.setdefault((upper, base), [0, 0])
        of[0] += images
        of[1] += shared
        if folded:
            inside.setdefault(upper, set()).add(name)
    streams = [
        Stream(upper, base, images, shared, len(inside.get(upper, ())))
        for (upper, base), (images, shared) in sums.items()
    ]
    streams.sort(key=lambda stream: (-stream.shared, stream.upper, stream.base))
    left_out = max(0, len(streams) - MOST_STREAMS)
    try:
        return Drawn(overview(streams[:MOST_STREAMS], labels.words())), left_out
    except LayoutFailed as error:
        return Drawn(sentence=said(str(error))), left_out
