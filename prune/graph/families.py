"""Folding families: of a graph that is too large to draw, what hangs on what, down to a number of nodes. Pure."""

from collections.abc import Callable, Collection, Iterator

import msgspec

from prune.graph.fold import Fold
from prune.graph.images import ImageGraph, Node

#: Opening a family shows so many more of it.
STEP = 24

#: Where a node hangs (``None``: nowhere), and what kind it is: what hangs there besides is one family.
type _Place = tuple[str | None, str]


def fold_families(
    graph: ImageGraph,
    first: Collection[str],
    unfolded: Collection[str],
    *,
    room: int,
    most: int,
    weight: Callable[[Node], int] = lambda node: 1,
) -> tuple[ImageGraph, dict[str, Fold]]:
    """Return the graph with ``room`` for nodes, each of its ``weight``, besides those that were asked for, and never
    more than ``most`` in all; and the families by their key.

    Everything hangs on one other thing: an image on its base, an index on the first image that it contains, a
    referrer on its subject. Shown are the keys ``first`` with all that they hang on, then the members of families
    that ``unfolded`` (ids of images) names with ``STEP`` siblings after each, then of every family the first few:
    those that others hang on, then the newest. What is left of a family is one node. Its only edge leads to what
    the family hangs on: so there is a way between two nodes only where there was one.
    """
    forest = _Forest(graph)
    wanted = forest.wanted(first, unfolded)
    room += sum(weight(graph.nodes[key]) + len(forest.places.get(key, ())) for key in wanted)
    shown = forest.shown(wanted, min(most, room), weight)
    folds, home = forest.families(shown)
    if not folds:
        return graph, {}
    nodes: dict[str, Node] = {}
    for key, node in graph.nodes.items():
        if key in shown:
            nodes[key] = msgspec.structs.replace(
                node,
                members=tuple(dict.fromkeys(home.get(member, member) for member in node.members)),
                subject=home.get(node.subject, node.subject) if node.subject else None,
            )
        elif key in folds:
            nodes[key] = _stand_in(node, folds[key])
    return ImageGraph(nodes, graph.repositories), folds


def _stand_in(node: Node, fold: Fold) -> Node:
    """Return the node that is drawn for a family: it hangs where its first member does, by an edge of that kind."""
    return Node(
        key=node.key,
        kind=node.kind,
        ids=node.ids[:1],
        parent=fold.parent if node.kind == "image" else None,
        members=(fold.parent,) if node.kind == "index" and fold.parent else (),
        subject=fold.parent if node.kind == "referrer" else None,
        own=fold.own,
    )


class _Forest:
    def __init__(self, graph: ImageGraph) -> None:
        self.graph = graph
        self.up: dict[str, str | None] = {}
        for key, node in graph.nodes.items():
            self.up[key] = self._hangs_on(node)
        self._cut_circles()
        self.below: dict[_Place, list[str]] = {}
        for key, parent in self.up.items():
            self.below.setdefault((parent, graph.nodes[key].kind), []).append(key)
        hung = set(self.up.values())
        for place in self.below.values():
            place.sort(key=lambda key: graph.nodes[key].created, reverse=True)
            place.sort(key=lambda key: key not in hung)
        self.places: dict[str | None, list[_Place]] = {}
        for at in self.below:
            self.places.setdefault(at[0], []).append(at)

    def _hangs_on(self, node: Node) -> str | None:
        for one in (node.parent, *node.members[:1], node.subject):
            if one is not None and one in self.graph.nodes and one != node.key:
                return one
        return None

    def _cut_circles(self) -> None:
        """A companion may be part of what it belongs to: let the first of such a circle hang nowhere."""
        done: set[str] = set()
        for start in self.up:
            way: dict[str, None] = {}
            key: str | None = start
            while key is not None and key not in done:
                if key in way:
                    self.up[key] = None
                    break
                way[key] = None
                key = self.up[key]
            done.update(way)

    def _ancestors(self, key: str) -> Iterator[str]:
        following = self.up[key]
        while following is not None:
            yield following
            following = self.up[following]

    def wanted(self, first: Collection[str], unfolded: Collection[str]) -> set[str]:
        """Return what was asked for by name, and all that it hangs on."""
        found = {key for key in first if key in self.graph.nodes}
        key_of = {id_: key for key, node in self.graph.nodes.items() for id_ in node.ids} if unfolded else {}
        for id_ in unfolded:
            key = key_of.get(id_)
            if key is not None:
                siblings = self.below[self.up[key], self.graph.nodes[key].kind]
                at = siblings.index(key)
                found.update(siblings[at : at + STEP])
        for key in tuple(found):
            found.update(self._ancestors(key))
        return found

    def shown(self, wanted: Collection[str], room: int, weight: Callable[[Node], int]) -> set[str]:
        """Return what is drawn for itself: as much as there is room for besides the families that are left."""
        order = self._order(wanted)
        hidden = {place: len(keys) for place, keys in self.below.items()}
        families = set(self.places.get(None, ()))
        used, fits = 0, 0
        for number, key in enumerate(order, 1):
            node = self.graph.nodes[key]
            used += weight(node)
            if used > room:
                break
            place = (self.up[key], node.kind)
            hidden[place] -= 1
            if not hidden[place]:
                families.discard(place)
            families.update(self.places.get(key, ()))
            if used + len(families) <= room:
                fits = number
        return set(order[:fits])

    def _order(self, wanted: Collection[str]) -> list[str]:
        """Return every key, those wanted first, the others by how far in their families they and what they hang on
        stand; what a key hangs on always stands before it."""
        ranked: list[tuple[bool, int, int, int, str]] = []
        pending = [(place, 0, 0) for place in self.places.get(None, ())]
        while pending:
            place, worst, depth = pending.pop()
            for rank, key in enumerate(self.below[place]):
                mine = max(worst, rank)
                ranked.append((key not in wanted, 0 if key in wanted else mine, depth, rank, key))
                pending += [(following, mine, depth + 1) for following in self.places.get(key, ())]
        return [one[-1] for one in sorted(ranked)]

    def families(self, shown: set[str]) -> tuple[dict[str, Fold], dict[str, str]]:
        """Return what is left of each family, and by key of what is in one the key of its family."""
        folds: dict[str, Fold] = {}
        home: dict[str, str] = {}
        for (parent, _), siblings in self.below.items():
            left = [key for key in siblings if key not in shown]
            if not left or (parent is not None and parent not in shown):
                continue
            inside: list[str] = []
            pending = left[::-1]
            while pending:
                key = pending.pop()
                inside.append(key)
                for place in self.places.get(key, ()):
                    pending += reversed(self.below[place])
            nodes = [self.graph.nodes[key] for key in inside]
            kind = self.graph.nodes[left[0]].kind
            folds[left[0]] = Fold(
                left[0],
                tuple(inside),
                sum(node.own for node in nodes),
                parent,
                "family",
                sum(node.kind == kind for node in nodes),
                sum(len(node.tags) for node in nodes),
            )
            home.update(dict.fromkeys(inside, left[0]))
        return folds, home
