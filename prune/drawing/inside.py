"""What is said of a fold: how much is in it, and how much of that goes."""

from typing import Literal

from prune.drawing.bytes import human
from prune.drawing.fate import Fate, Fates
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph
from prune.plan.words import counted

_NOUNS = {"image": "more", "index": "more indexes", "referrer": "attached"}


class Inside:
    """The images in one fold, and what becomes of them."""

    def __init__(self, fold: Fold, whole: ImageGraph, fates: Fates) -> None:
        self.fold = fold
        nodes = [whole.nodes[key] for key in fold.keys if key in whole.nodes]
        self.noun = _NOUNS[nodes[0].kind] if nodes else _NOUNS["image"]
        each = [fates.of_node(node) for node in nodes]
        staying = [node for node, fate in zip(nodes, each, strict=True) if fate != "goes"]
        self.going = len(nodes) - len(staying)
        self.lost = sum(fates.of_tag(tag) != "kept" for node in nodes for tag in node.tags)
        self.staying_own = fold.own - sum(node.own for node in nodes) + sum(node.own for node in staying)
        self.fate: Fate = "kept"
        if nodes and not staying:
            self.fate = "goes"
        elif self.lost or any(fate != "kept" for fate in each):
            self.fate = "shared"

    @property
    def look(self) -> Literal["fold", "family"]:
        """Return the class of its box."""
        return "fold" if self.fold.kind == "chain" else "family"

    def lines(self, *, after: bool = False) -> list[str]:
        """Return its label, before or ``after``."""
        fold = self.fold
        number = fold.size - (self.going if after else 0)
        tags = fold.tags - (self.lost if after else 0)
        lines = [f"{number:,} images" if fold.kind == "chain" else f"{number:,} {self.noun}"]
        if fold.tags:
            lines.append(counted(tags, "tag"))
        if own := self.staying_own if after else fold.own:
            lines.append(human(own))
        if self.fate == "goes":
            lines.append("goes")
        elif self.going and not after:
            lines.append(f"{self.going:,} go" if self.going > 1 else "1 goes")
        return lines

    def title(self, *, after: bool = False) -> str:
        """Return it in words."""
        what = "A chain of" if self.fold.kind == "chain" else "Folded together:"
        return f"{what} {', '.join(self.lines(after=after))}"
