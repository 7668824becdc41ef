"""Which items run somewhere, from the reports of engines and clusters."""

from prune.model.digest import Digest
from prune.model.in_use import InUseReport
from prune.plan.v1 import used_by
from prune.plan.words import listed
from prune.policy.inventory import Item, Shelf


class InUse:
    """What the reports say at ``now``. ``doubt`` is why more may be in use than they list, empty when they are all
    complete and none is older than ``max_age`` seconds (``None``: any age will do)."""

    def __init__(self, reports: tuple[InUseReport, ...], now: int, max_age: int | None, by_image: bool) -> None:
        self._digests: dict[Digest, list[str]] = {}
        self._references: dict[str, list[tuple[str, str]]] = {}
        doubts = [] if reports or by_image else ["nothing reports what is in use"]
        for report in sorted(reports, key=lambda report: (report.source, report.at)):
            self._add(report)
            if not report.complete:
                why = report.problem.rstrip(".") or "it did not say why"
                doubts.append(f"{report.source} could not tell everything that is in use ({why})")
            elif report.at > now or (max_age is not None and now - report.at > max_age):
                doubts.append(f"what {report.source} told is in use is too old to rely on")
        self.doubt = doubts[0] if doubts else ""

    def _add(self, report: InUseReport) -> None:
        for digest in report.digests:
            who = listed(list(report.users.get(digest, ()))) or "something"
            self._digests.setdefault(digest.rpartition(":")[2], []).append(f"{who} on {report.source}")
        for reference in report.references:
            name, tag, digest = _parts(reference)
            who = listed(list(report.users.get(reference, ()))) or "something"
            if digest:
                self._digests.setdefault(digest.rpartition(":")[2], []).append(f"{who} on {report.source}")
            self._references.setdefault(tag, []).append((name, f"{who} on {report.source}"))

    def users(self, shelf: Shelf, item: Item) -> str:
        """Return who uses an item, or anything that would go with it, in words; empty when nobody is known to."""
        snapshot = shelf.inventory.snapshot
        image = snapshot.images.get(item.digest)
        if image is not None and image.held_by:
            return used_by(image)
        if not self._digests and not self._references:
            return ""
        for member in shelf.members[item.digest]:
            manifest = snapshot.manifests.get(member)
            config = manifest.config.digest if manifest is not None and manifest.config is not None else ""
            for digest in (member, config):
                if who := self._digests.get(digest.rpartition(":")[2]):
                    return f"{listed(who)} runs it"
        for name, user in self._references.get(item.tag or "", ()):
            # A registry goes by many names, and a proxy may put something before a repository's own: in doubt, the
            # same image is meant.
            # What V1 registries file below library/, engines ask for without it.
            repository = item.repository.removeprefix("library/")
            if name == repository or name.endswith("/" + repository) or item.repository.endswith("/" + name):
                return f"{user} asks for it by its name"
        return ""


def _parts(reference: str) -> tuple[str, str, Digest]:
    """Return name, tag and digest of an image as it is asked for; without a tag it is the latest."""
    reference, _, digest = reference.partition("@")
    head, slash, last = reference.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag or "latest", digest
