"""Taking one tag away and leaving the image, with its other tags, where it is."""

import json
import time

from prune.model.digest import Digest, digest_of
from prune.model.errors import SourceError
from prune.model.manifest import OCI_MANIFEST, Descriptor
from prune.reclaim.registry.record import RunRecord
from prune.reclaim.steps import Step
from prune.sources.registry_v2 import writing
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import RETRIED, Client, in_any_case
from prune.sources.registry_v2.transfer import Answer

_EMPTY_CONFIG = "application/vnd.registryui.untag.v1+json"


class Untagging:
    """Takes tags away, in the way that the registry offers."""

    def __init__(self, client: Client, record: RunRecord) -> None:
        self._client = client
        self._record = record
        self._deletes_in: set[str] = set()
        self.by_name: bool | None = None
        """Whether the registry deletes tags by their name; ``None`` until it was tried."""
        self.spares_others = False
        """Whether it was seen to leave the other tags of an image alone while it does."""

    def at_risk(self, siblings: list[str]) -> list[str]:
        """Return which other tags of an image to look at after one was taken away: none where tags are replaced, all
        of them the first time that a tag is deleted by its name, and then one as a spot check. Whether an image
        without another tag is still there, only its digest can tell."""
        if self.by_name is False:
            return []
        return siblings[:1] if self.spares_others else siblings

    async def take(self, name: str, tag: str, digest: Digest, config: Descriptor | None) -> str:
        """Take a tag away that was just seen to point at ``digest``; return why the registry does not let it go.

        ``config`` is any config that the repository holds. Raises ``SourceError`` when nothing can be untagged.
        """
        if self.by_name is not False:

            async def look() -> bool:
                now = await writing.points_at(self._client, name, tag)
                if now not in (digest, None):
                    raise Moved(tag)
                return now is not None

            answer = await writing.delete(self._client, name, tag, look)
            waited = answer.status in RETRIED or (answer.status == 404 and answer.attempts > 1)
            if answer.status in writing.DONE or (waited and not await look()):
                self.by_name = True
                return ""
            if self.by_name:
                return f"the registry answered with status {answer.status}"
            self.by_name = False
        await self._check_deletes(name)
        return await self._replace_and_delete(name, tag, digest, config)

    async def _check_deletes(self, name: str) -> None:
        """Raise ``SourceError`` unless manifests can be deleted: a tag that was replaced must not stay like that."""
        if name in self._deletes_in:
            return
        answer = await writing.ask_to_delete_nothing(self._client, name)
        if answer.status not in (*writing.DONE, 404):
            raise SourceError(writing.why_not_deleted(answer, f"a tag of {name}"))
        self._deletes_in.add(name)

    async def _replace_and_delete(self, name: str, tag: str, digest: Digest, config: Descriptor | None) -> str:
        """Push a throw-away manifest to the tag and delete that one: for servers that delete by digest only."""
        # A config that is there already: nothing is uploaded, so nothing but the manifest itself has to go again.
        throw_away, body = self._throw_away(name, tag, config or await self._new_config(name, tag))
        answer = await self._push(name, tag, digest, throw_away, body)
        if config is not None and answer.status in (400, 404):
            self._record.withdraw("it was not taken", throw_away)
            throw_away, body = self._throw_away(name, tag, await self._new_config(name, tag))
            answer = await self._push(name, tag, digest, throw_away, body)
        if answer.status >= 500:  # it may have been taken all the same: the record says what to clean up
            raise SourceError(f"The registry answered {name}:{tag} with status {answer.status}.")
        if answer.status not in (200, 201, 202):
            self._record.withdraw("it was not taken", throw_away)
            return f"the registry does not let it be replaced (status {answer.status})"
        answer = await writing.delete(self._client, name, throw_away.expect, in_any_case)
        if answer.status not in (*writing.DONE, 404):
            raise SourceError(writing.why_not_deleted(answer, throw_away.item))
        self._record.did(throw_away)
        return ""

    async def _push(self, name: str, tag: str, digest: Digest, throw_away: Step, body: bytes) -> Answer:
        # First on the record: whatever happens between the two requests, the next run cleans up.
        self._record.intend(throw_away)
        await writing.get_ready_to_push(self._client, name)
        if await writing.points_at(self._client, name, tag) != digest:
            self._record.withdraw("it was not pushed", throw_away)
            raise Moved(tag)

        async def look() -> bool:
            # By what was answered with an error it may have been replaced already.
            if await writing.points_at(self._client, name, tag) not in (digest, throw_away.expect):
                raise Moved(tag)
            return True

        try:
            return await writing.push_manifest(self._client, name, tag, OCI_MANIFEST, body, look)
        except Denied as error:
            self._record.withdraw("it was not taken", throw_away)
            raise Denied(f"Taking one of several tags from an image needs the right to push: {error}") from None

    async def _new_config(self, name: str, tag: str) -> Descriptor:
        config = json.dumps({"untagged": f"{name}:{tag}", "at": time.time_ns()}).encode()
        await writing.push_blob(self._client, name, config)
        return Descriptor(digest_of(config), len(config), _EMPTY_CONFIG)

    def _throw_away(self, name: str, tag: str, config: Descriptor) -> tuple[Step, bytes]:
        item = f"{name}:{tag}"
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": config.media_type, "digest": config.digest, "size": config.size},
            "layers": [],
            "annotations": {"untagged": f"{item}, {self._record.journal.run}, {time.time_ns()}"},
        }
        body = json.dumps(document).encode()
        digest = digest_of(body)
        return Step("throw-away", item, f"untag {name} {digest}", expect=digest, counts=0), body


class Moved(Exception):
    """A tag that was about to go points elsewhere now."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


async def settle(client: Client, record: RunRecord) -> None:
    """Clean up after a process that was interrupted while it untagged: what it pushed to throw away goes, other tags
    that a registry took along come back."""
    for step in [step for step in record.pending.values() if step.kind == "throw-away"]:
        name = step.path.split(" ")[1]
        answer = await writing.delete(client, name, step.expect, in_any_case)
        if answer.status not in (*writing.DONE, 404):
            raise SourceError(writing.why_not_deleted(answer, step.item))
        record.did(step)
    for step in [step for step in record.pending.values() if step.kind == "sibling"]:
        await bring_back(client, record, step)
        record.did(step)


async def bring_back(client: Client, record: RunRecord, sibling: Step) -> bool:
    """Put a tag, or an image without one, back if a registry took it along with a tag; tell whether it did."""
    name, _, reference = sibling.item.rpartition("@" if "@" in sibling.item else ":")

    async def look() -> bool:
        return await writing.points_at(client, name, reference) is None

    if not await look():
        return False
    await writing.get_ready_to_push(client, name)
    if not await look():
        return False
    answer = await writing.push_manifest(client, name, reference, *record.kept(name, sibling.expect), look)
    if answer.status not in (200, 201, 202) and await look():
        raise SourceError(
            f"The registry took {sibling.item} along with a tag of the same image, and does not take it back "
            f"({answer.status}): push {sibling.expect} to it again."
        )
    return True
