"""Requests that change something, and the look right before: tags and manifests come and go; no blob is deleted."""

import secrets

from prune.model.digest import Digest, digest_of
from prune.model.errors import SourceError
from prune.model.manifest import MAX_MANIFEST_BYTES
from prune.sources.registry_v2.client import Client, Look, in_any_case, quoted
from prune.sources.registry_v2.reading import ACCEPT
from prune.sources.registry_v2.transfer import Answer

DONE = (200, 202, 204)


async def points_at(client: Client, name: str, tag: str) -> Digest | None:
    """Return what a tag points at now; ``None`` when it is gone. Raises ``SourceError`` when it cannot be told."""
    path = f"/v2/{name}/manifests/{quoted(tag)}"
    answer = await client.send("HEAD", path, scope=f"repository:{name}:pull", headers={"Accept": ACCEPT})
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise SourceError(f"{name}:{tag} cannot be looked at any more ({answer.status}).")
    said = answer.headers.get("docker-content-digest", "")
    if said:
        return said
    answer = await client.send(
        "GET", path, scope=f"repository:{name}:pull", headers={"Accept": ACCEPT}, limit=MAX_MANIFEST_BYTES
    )
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise SourceError(f"{name}:{tag} cannot be looked at any more ({answer.status}).")
    return digest_of(answer.body)


async def get_ready_to_delete(client: Client, name: str) -> None:
    """Fetch what a deletion needs before the look on which it relies: nothing that takes long comes in between."""
    await client.get_ready(f"repository:{name}:pull,delete")


async def get_ready_to_push(client: Client, name: str) -> None:
    """The same for a push."""
    await client.get_ready(f"repository:{name}:pull,push")


async def delete(client: Client, name: str, reference: str, look: Look) -> Answer:
    """Ask for the end of a manifest, by its digest, or of a tag; return the answer. Asked to wait, ``look`` before it
    is sent again."""
    path = f"/v2/{name}/manifests/{quoted(reference)}"
    return await client.send("DELETE", path, scope=f"repository:{name}:pull,delete", retry=False, look=look)


async def push_manifest(
    client: Client, name: str, reference: str, kind: str, body: bytes, look: Look = in_any_case
) -> Answer:
    """Push a manifest by its digest, or to a tag; return the answer. ``look`` as in `delete`."""
    path = f"/v2/{name}/manifests/{quoted(reference)}"
    scope, headers = f"repository:{name}:pull,push", {"Content-Type": kind}
    return await client.send("PUT", path, scope=scope, headers=headers, body=body, retry=False, look=look)


async def push_blob(client: Client, name: str, body: bytes) -> None:
    """Push a small blob. Raises ``SourceError`` when the registry does not take it."""
    scope = f"repository:{name}:pull,push"
    path = f"/v2/{name}/blobs/uploads/"
    answer = await client.send("POST", path, scope=scope, retry=False, look=in_any_case)
    location = answer.headers.get("location", "")
    if answer.status != 202 or not location:
        raise SourceError(f"The registry does not take uploads to {name} ({answer.status}), which untagging needs.")
    url = client.own(location)
    url += f"{'&' if '?' in url else '?'}digest={digest_of(body)}"
    headers = {"Content-Type": "application/octet-stream"}
    answer = await client.send("PUT", url, scope=scope, headers=headers, body=body, retry=False, look=in_any_case)
    if answer.status not in (201, 202, 204):
        raise SourceError(f"The registry did not take an upload to {name} ({answer.status}), which untagging needs.")


async def ask_to_delete_nothing(client: Client, name: str) -> Answer:
    """Ask for the end of a manifest that cannot exist; return the answer, which tells whether deleting is possible:
    404 when it is, 405 when it is switched off (Docker registry HTTP API V2, "Deleting an Image")."""
    return await delete(client, name, f"sha256:{secrets.token_hex(32)}", in_any_case)


async def ask_to_untag_nothing(client: Client, name: str) -> Answer:
    """The same for a tag that nobody has: 400 or 405 where tags cannot be deleted by their name."""
    return await delete(client, name, f"registryui-{secrets.token_hex(16)}", in_any_case)


def why_not_deleted(answer: Answer, item: str) -> str:
    """Return what a refusal to delete means, and what to do about it."""
    if answer.status != 405:
        return f"The registry did not delete {item}: it answered with status {answer.status}."
    if is_read_only(answer):
        return "The registry is read-only; start it without maintenance: readonly, then apply again."
    return (
        "The registry does not allow deleting; switch it on (storage: delete: enabled: true, or "
        "REGISTRY_STORAGE_DELETE_ENABLED=true) and start it again."
    )


def is_read_only(answer: Answer) -> bool:
    """Tell whether a 405 means that nothing at all may be written: it then comes without the API's JSON."""
    return answer.status == 405 and b'"errors"' not in answer.body
