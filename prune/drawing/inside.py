"""What is said of a fold: how much is in it, and how much of that goes."""

from typing import Literal

from prune.drawing.fate import Fate, Fates
from prune.drawing.words import Words
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph

#: What a family is of: one, and several.
_NOUNS = {
    "image": ("%(number)s more", "%(number)s more"),
    "index": ("%(number)s more indexes", "%(number)s more indexes"),
    "referrer": ("%(number)s attached", "%(number)s attached"),
}


class Inside:
    """The images in one fold, and what becomes of them."""

    def __init__(self, fold: Fold, whole: ImageGraph, fates: Fates, words: Words) -> None:
        self.fold = fold
        self.words = words
        nodes = [whole.nodes[key] for key in fold.keys if key in whole.nodes]
        self.nouns = _NOUNS[nodes[0].kind if nodes else "image"]
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
        fold, words = self.fold, self.words
        number = fold.size - (self.going if after else 0)
        tags = fold.tags - (self.lost if after else 0)
        nouns = ("%(number)s image", "%(number)s images") if fold.kind == "chain" else self.nouns
        lines = [words.count(*nouns, number, number=words.number(number))]
        if fold.tags:
            lines.append(words.count("%(number)s tag", "%(number)s tags", tags))
        if own := self.staying_own if after else fold.own:
            lines.append(words.size(own))
        if self.fate == "goes":
            lines.append(words.say("goes"))
        elif self.going and not after:
            going = words.number(self.going)
            lines.append(words.count("%(number)s goes", "%(number)s go", self.going, number=going))
        return lines

    def title(self, *, after: bool = False) -> str:
        """Return it in words."""
        facts = ", ".join(self.lines(after=after))
        if self.fold.kind == "chain":
            return self.words.say("A chain of %(facts)s", facts=facts)
        return self.words.say("Folded together: %(facts)s", facts=facts)
