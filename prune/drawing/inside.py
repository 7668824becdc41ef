"""What is said of a fold: how much is in it, and how much of that goes."""

from typing import Literal

import msgspec

from prune.drawing.fate import Fate, Fates
from prune.drawing.words import Words
from prune.graph.fold import Fold
from prune.graph.images import ImageGraph

type Kind = Literal["image", "index", "referrer"]

#: What a family is of: one, and several.
_NOUNS: dict[Kind, tuple[str, str]] = {
    "image": ("%(number)s more", "%(number)s more"),
    "index": ("%(number)s more indexes", "%(number)s more indexes"),
    "referrer": ("%(number)s attached", "%(number)s attached"),
}


class Inside(msgspec.Struct, frozen=True):
    """The images in one fold, and what becomes of them: how many there are, with so many tags and bytes of their own;
    how many of them go, how many tags are lost, and the bytes that stay. ``look`` is the class of its box."""

    look: Literal["fold", "family"]
    kind: Kind
    fate: Fate
    number: int
    tags: int
    own: int
    going: int
    lost: int
    staying_own: int

    def lines(self, words: Words, *, after: bool = False) -> list[str]:
        """Return its label, before or ``after``."""
        number = self.number - (self.going if after else 0)
        tags = self.tags - (self.lost if after else 0)
        nouns = ("%(number)s image", "%(number)s images") if self.look == "fold" else _NOUNS[self.kind]
        lines = [words.count(*nouns, number, number=words.number(number))]
        if self.tags:
            lines.append(words.count("%(number)s tag", "%(number)s tags", tags))
        if own := self.staying_own if after else self.own:
            lines.append(words.size(own))
        if self.fate == "goes":
            lines.append(words.say("goes"))
        elif self.going and not after:
            going = words.number(self.going)
            lines.append(words.count("%(number)s goes", "%(number)s go", self.going, number=going))
        return lines

    def title(self, words: Words, *, after: bool = False) -> str:
        """Return it in words."""
        facts = ", ".join(self.lines(words, after=after))
        if self.look == "fold":
            return words.say("A chain of %(facts)s", facts=facts)
        return words.say("Folded together: %(facts)s", facts=facts)


def look_inside(fold: Fold, whole: ImageGraph, fates: Fates) -> Inside:
    """Return what is in a fold, as far as ``whole`` knows it."""
    nodes = [whole.nodes[key] for key in fold.keys if key in whole.nodes]
    each = [fates.of_node(node) for node in nodes]
    staying = [node for node, fate in zip(nodes, each, strict=True) if fate != "goes"]
    lost = sum(fates.of_tag(tag) != "kept" for node in nodes for tag in node.tags)
    fate: Fate = "kept"
    if nodes and not staying:
        fate = "goes"
    elif lost or any(one != "kept" for one in each):
        fate = "shared"
    return Inside(
        look="fold" if fold.kind == "chain" else "family",
        kind=nodes[0].kind if nodes else "image",
        fate=fate,
        number=fold.size,
        tags=fold.tags,
        own=fold.own,
        going=len(nodes) - len(staying),
        lost=lost,
        staying_own=fold.own - sum(node.own for node in nodes) + sum(node.own for node in staying),
    )
