"""What a registry can do, found out by asking it; and for what it cannot, what that means and how to switch it on."""

from typing import Literal

import msgspec

from prune.model.manifest import OCI_INDEX
from prune.sources.registry_v2 import writing
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client
from prune.sources.registry_v2.transfer import Answer

Name = Literal["catalog", "write", "delete", "untag", "referrers"]

_LACKS: dict[str, tuple[str, str]] = {
    "catalog": (
        "It does not list its repositories to us, so only those that you name are read.",
        "Name them (Repositories, or --repositories); or give credentials that may list (scope registry:catalog:*).",
    ),
    "write": (
        "It is read-only, so nothing can be deleted, and no cleanup can be undone.",
        "Take maintenance: readonly: enabled: true out of its configuration and start it again.",
    ),
    "delete": (
        "It does not delete, so a cleanup fails before it begins.",
        "Set storage: delete: enabled: true in its configuration, or REGISTRY_STORAGE_DELETE_ENABLED=true, and start "
        "it again. A pull-through cache never deletes.",
    ),
    "rights": (
        "It does not let these credentials delete, so a cleanup fails before it begins.",
        "Give credentials that may delete (scope repository:NAME:delete).",
    ),
    "untag": (
        "It deletes by digest only. One of several tags of an image is taken away by pushing a throw-away manifest "
        "to it and deleting that, which needs the right to push.",
        "Distribution deletes tags by name from version 3 on.",
    ),
    "referrers": (
        "It has no list of what refers to an image. Signatures and attachments are found by their tags; one without "
        "a tag is not seen, and stays behind.",
        "It takes a registry that speaks OCI 1.1; distribution does not list referrers yet.",
    ),
}
_HAS = {
    "catalog": "It lists its repositories.",
    "write": "It takes pushes.",
    "delete": "It deletes manifests.",
    "untag": "It deletes tags by their name.",
    "referrers": "It lists what refers to an image.",
}


class Ability(msgspec.Struct, frozen=True):
    """One thing that a registry can do or not; ``has`` is ``None`` where it could not be found out."""

    name: Name
    has: bool | None
    means: str
    how: str = ""


async def abilities(client: Client, repository: str, *, catalog: bool) -> tuple[Ability, ...]:
    """Return what the registry can do, as seen in ``repository`` (empty when there is none to ask about).

    Nothing is changed: what is asked to go are a digest and a tag that cannot exist.
    """
    found = [_ability("catalog", catalog)]
    if not repository:
        return (*found, *(_unknown(name) for name in ("write", "delete", "untag", "referrers")))
    deletes, writes, untags, rights = await _deleting(client, repository)
    found.append(_ability("write", writes))
    found.append(_ability("delete", deletes, "rights" if rights is False else "delete"))
    found.append(_ability("untag", untags))
    found.append(_ability("referrers", await _referrers(client, repository)))
    return tuple(found)


async def _deleting(client: Client, name: str) -> tuple[bool | None, bool | None, bool | None, bool | None]:
    """Tell whether the registry deletes manifests, takes writes at all, deletes tags, and lets us."""
    try:
        answer = await writing.ask_to_delete_nothing(client, name)
    except Denied:
        return False, None, None, False
    if writing.is_read_only(answer):
        return None, False, None, None
    deletes = _yes_or_no(answer)
    untags = None
    if deletes:
        untags = _yes_or_no(await writing.ask_to_untag_nothing(client, name))
    return deletes, None if deletes is None else True, untags, None


def _yes_or_no(answer: Answer) -> bool | None:
    """Tell what the answer to a request to delete what does not exist says about deleting."""
    if answer.status in (*writing.DONE, 404):
        return True
    return False if answer.status in (400, 405, 501) else None


async def _referrers(client: Client, name: str) -> bool | None:
    path = f"/v2/{name}/referrers/sha256:{'0' * 64}"
    try:
        answer = await client.send("GET", path, scope=f"repository:{name}:pull", headers={"Accept": OCI_INDEX})
    except Denied:
        return None
    return answer.status == 200


def _ability(name: Name, has: bool | None, lack: str = "") -> Ability:
    if has is None:
        return _unknown(name)
    return Ability(name, True, _HAS[name]) if has else Ability(name, False, *_LACKS[lack or name])


def _unknown(name: Name) -> Ability:
    return Ability(name, None, "This could not be found out.")


def server_of(answer: Answer) -> str:
    """Return what the answer of a registry's root says about the server and its version; often nothing."""
    said = answer.headers.get("server", "")
    api = answer.headers.get("docker-distribution-api-version", "")
    return " ".join(text for text in (said, f"API {api}" if api else "") if text.isprintable())[:100].strip()
