"""How large the layers of an image are.

The engine's API tells the size of a whole image, and of each step of its history; which steps made a layer it does
not tell. Where the count leaves one way only, that is it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_MAKES_A_LAYER = re.compile(r"(?:/bin/sh -c (?!#\(nop\))|(?:/bin/sh -c #\(nop\) +)?(?:ADD|COPY)\b|RUN\b)")


class Made(NamedTuple):
    """One step of a history: bytes, and the instruction that made it."""

    size: int
    by: str


def layer_sizes(layers: int, history: Sequence[Made]) -> list[int] | None:
    """Return the bytes of each of ``layers`` layers, the base first; ``None`` when the history (the oldest step
    first) leaves that open."""
    for chosen in (
        [step.size for step in history if step.size],
        [step.size for step in history if step.size or _MAKES_A_LAYER.match(step.by.strip())],
        [step.size for step in history],
    ):
        if len(chosen) == layers:
            return chosen
    return None


class Layers:
    """The sizes of all layers by ChainID, put together from what is known of each image."""

    def __init__(self, known: dict[str, int]) -> None:
        self.sizes = dict(known)
        self._open: list[tuple[tuple[str, ...], int]] = []

    def add(self, chain: tuple[str, ...], total: int, sizes: list[int] | None) -> None:
        """Take note of an image: its ChainIDs, its bytes, and those of each layer if they are known."""
        if sizes is None:
            self._open.append((chain, total))
        else:
            self.sizes.update(zip(chain, sizes, strict=True))

    def settle(self) -> dict[str, int]:
        """Return every size. What is left open counts for the lowest layer, which most images share: so that
        nothing promises bytes that it may not free."""
        for chain, total in self._open:
            rest = total - sum(self.sizes.get(one, 0) for one in chain)
            for one in chain:
                if one not in self.sizes:
                    self.sizes[one], rest = max(rest, 0), 0
        return self.sizes
