"""What a run over a registry's API has on record: what it meant to do, what it did, and the bytes of manifests."""

import time

from prune.model.digest import Digest, matches
from prune.model.errors import SourceError
from prune.model.manifest import MAX_MANIFEST_BYTES, OCI_MANIFEST
from prune.plan.drift import Skipped
from prune.reclaim.journal import Journal, Line, Record
from prune.reclaim.steps import Step
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.reading import ACCEPT
from prune.sources.registry_v2.source import RegistryV2
from prune.sources.stores.disk import DiskStore


def state_of(source: RegistryV2) -> DiskStore:
    """Return the local folder where the runs of this registry are remembered."""
    host = source.base.partition("://")[2].replace(":", "_").replace("[", "").replace("]", "")
    return DiskStore(f"{source.state}/{host}")


class RunRecord:
    """The journal of one run. ``moved`` are the steps that were done; ``pending`` those that an earlier process meant
    to do, and was interrupted before it wrote down what came of them."""

    def __init__(self, journal: Journal, record: Record) -> None:
        self.journal = journal
        self.moved: dict[str, Step] = dict(record.moved)
        self.pending: dict[str, Step] = {}
        for line in journal.lines():
            self.pending.update((step.path, step) for step in line.steps)
            for path in (*line.paths, *(skipped.item for skipped in line.skipped if line.event == "skip")):
                self.pending.pop(path, None)

    def intend(self, *steps: Step) -> None:
        """Write down what is about to be done; when this returns it survives a power cut."""
        self.journal.add(Line("intent", int(time.time()), steps=steps))

    def did(self, *steps: Step) -> None:
        """Write down what was done."""
        self.journal.add(Line("moved", int(time.time()), paths=tuple(step.path for step in steps)))
        self.moved.update((step.path, step) for step in steps)
        for step in steps:
            self.pending.pop(step.path, None)

    def withdraw(self, why: str, *steps: Step) -> None:
        """Write down that nothing was done about steps that were intended."""
        self.journal.add(Line("skip", int(time.time()), skipped=tuple(Skipped(step.path, why) for step in steps)))

    # ---- the bytes of manifests ---------------------------------------------------------------------------

    async def keep(self, client: Client, name: str, digest: Digest) -> bool:
        """Fetch a manifest and keep its bytes; tell whether it was there."""
        path = self._saved(name, digest)
        if self.journal.store.kind(path) is not None:
            return True
        answer = await client.send(
            "GET",
            f"/v2/{name}/manifests/{digest}",
            scope=f"repository:{name}:pull",
            headers={"Accept": ACCEPT},
            limit=MAX_MANIFEST_BYTES,
        )
        if answer.status == 404:
            return False
        if answer.status != 200 or not matches(digest, answer.body):
            raise SourceError(f"{name}@{digest} cannot be read any more ({answer.status}).")
        kind = answer.headers.get("content-type", OCI_MANIFEST).partition(";")[0].strip()
        self.journal.store.write(path, kind.encode() + b"\n" + answer.body)
        return True

    def kept(self, name: str, digest: Digest) -> tuple[str, bytes]:
        """Return media type and bytes of a manifest that was kept; raise ``OSError`` when they are gone."""
        body, _ = self.journal.store.read(self._saved(name, digest), MAX_MANIFEST_BYTES + 1024)
        kind, _, content = body.partition(b"\n")
        return kind.decode(), content

    def _saved(self, name: str, digest: Digest) -> str:
        return f"{self.journal.folder}/files/{name}/_{digest.replace(':', '-')}"
