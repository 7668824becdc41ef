"""What a V1 registry can do, found out by asking it; and for what it cannot, what that means and what helps."""

import secrets

from prune.model.errors import Unreadable
from prune.sources.registry_v1.reading import is_not_there
from prune.sources.registry_v2.abilities import Ability
from prune.sources.registry_v2.auth import Denied
from prune.sources.registry_v2.client import Client, in_any_case

_UNKNOWN = "This could not be found out."


async def abilities(client: Client, repository: str, *, listed: bool) -> tuple[Ability, ...]:
    """Return what the registry can do, as seen in ``repository`` (empty when there is none to ask about).

    Nothing is changed: what is asked to go is a tag that cannot exist.
    """
    if listed:
        catalog = Ability("catalog", True, "It lists its repositories.")
    else:
        catalog = Ability(
            "catalog",
            False,
            "It keeps no index of its repositories, so only those that you name are read.",
            "Name them (Repositories, or --repositories). SEARCH_BACKEND=sqlalchemy makes docker-registry keep one.",
        )
    deletes = await _deletes(client, repository) if repository else None
    if deletes is None:
        return catalog, Ability("untag", None, _UNKNOWN)
    if deletes:
        return catalog, Ability("untag", True, "It deletes tags and repositories; images stay on its disk.")
    return catalog, Ability(
        "untag",
        False,
        "It does not let us delete tags, so a cleanup fails before anything is deleted.",
        "Give credentials that may delete, and let whatever stands before it pass DELETE requests on.",
    )


async def _deletes(client: Client, repository: str) -> bool | None:
    path = f"/v1/repositories/{repository}/tags/registryui-{secrets.token_hex(16)}"
    try:
        answer = await client.send("DELETE", path, retry=False, look=in_any_case)
    except Denied:
        return False
    except Unreadable:
        return None
    if is_not_there(answer):
        return True
    return False if answer.status in (400, 405, 501) else None
