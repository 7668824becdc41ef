"""What becomes of each node and tag of a graph under a plan."""

from typing import Literal

from prune.graph.images import ImageGraph, Node, Tag
from prune.model.plan import Plan

Fate = Literal["kept", "goes", "shared", "asked"]


class Fates:
    """Looks a plan up from the side of the graph. Without a plan everything is kept."""

    def __init__(self, plan: Plan | None) -> None:
        self.tags: set[Tag] = set()
        self.asked_tags: set[Tag] = set()
        self._gone: set[tuple[str, str]] = set()
        self._images: set[str] = set()
        self.reasons: dict[str, tuple[str, ...]] = {}
        if plan is None:
            return
        self.tags = {(tag.repository, tag.tag) for tag in plan.delete.tags}
        asked = set(plan.request.delete)
        self.asked_tags = {(name, tag) for name, tag in self.tags if name in asked or f"{name}:{tag}" in asked}
        self._gone = {(item.repository, item.digest) for item in plan.delete.manifests}
        self._images = {item.id for item in plan.delete.images}
        for kept in plan.keep:
            key = kept.id or kept.digest
            if key is not None:
                self.reasons[key] = (*self.reasons.get(key, ()), *kept.reasons)

    def of_tag(self, tag: Tag) -> Fate:
        """Return ``asked`` for a tag that was named, ``goes`` for one that follows, ``kept`` otherwise."""
        if tag in self.asked_tags:
            return "asked"
        return "goes" if tag in self.tags else "kept"

    def of_node(self, node: Node) -> Fate:
        """Return ``goes`` when nothing serves it afterwards, ``shared`` when it was touched and stays."""
        if node.places:
            if self._gone.issuperset(node.places):
                return "goes"
            if not self._gone.isdisjoint(node.places):
                return "shared"
        elif node.key in self._images:
            return "goes"
        return "shared" if any(id_ in self.reasons for id_ in node.ids) else "kept"

    def staying(self, node: Node) -> tuple[str, ...]:
        """Return the ids of the node that something still serves afterwards; all of them in V1."""
        served = {digest for place in node.places if place not in self._gone for digest in place[1:]}
        return tuple(id_ for id_ in node.ids if id_ in served) if node.places else node.ids

    def telling(self, node: Node) -> tuple[tuple[str, str], ...]:
        """Return as many places of a node as tell what becomes of it: all that go, and one for each id that stays."""
        staying = {place[1]: place for place in reversed(node.places) if place not in self._gone}
        return tuple(place for place in node.places if place in self._gone or staying[place[1]] == place)

    def why(self, node: Node) -> tuple[str, ...]:
        """Return why a touched node stays, in words."""
        return tuple(dict.fromkeys(reason for id_ in node.ids for reason in self.reasons.get(id_, ())))

    def touched(self, graph: ImageGraph) -> set[str]:
        """Return the keys of every node that the plan has to do with."""
        return {
            node.key
            for node in graph.nodes.values()
            if self.of_node(node) != "kept" or any(tag in self.tags for tag in node.tags)
        }
