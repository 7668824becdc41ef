"""GitLab container registry cleanup policies (docs, "How the cleanup policy works")."""

from typing import Any

import msgspec

from prune.model.errors import UsageError
from prune.policy.importers.draft import Draft, read_json

_CADENCES = {
    "1d": "0 0 * * *",
    "7d": "0 0 * * 0",
    "14d": "0 0 1,15 * *",
    "1month": "0 0 1 * *",
    "3month": "0 0 1 */3 *",
}


class _Policy(msgspec.Struct):
    enabled: bool = True
    cadence: str | None = None
    keep_n: int | None = None
    older_than: str | None = None
    name_regex: str | None = None
    name_regex_delete: str | None = None
    name_regex_keep: str | None = None


class _Project(msgspec.Struct):
    container_expiration_policy: _Policy | None = None
    container_expiration_policy_attributes: _Policy | None = None


def translate(text: str) -> Draft:
    """Return the policy in a project's JSON, as its API shows or takes it, or in the policy's own part of it."""
    project = read_json(text, _Project, "GitLab cleanup policy")
    policy = (
        project.container_expiration_policy_attributes
        or project.container_expiration_policy
        or read_json(text, _Policy, "GitLab cleanup policy")
    )
    names = policy.name_regex_delete or policy.name_regex
    if not names:
        raise UsageError("This GitLab cleanup policy has no name_regex, so it deletes nothing.")
    draft = Draft("GitLab cleanup policy")
    draft.note("GitLab attaches a policy to one project. This one holds everywhere: add a scope.")
    draft.note("GitLab goes by the time of creation that it knows of each tag; here it is the last push.")
    draft.note("Protected and immutable tags are a setting of GitLab's of their own: add protect rules for them.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    draft.add("protect", "latest", {"tag": "latest"}, "GitLab never removes the tag latest.")
    if policy.name_regex_keep:
        draft.add("protect", "name_regex_keep", {"tag": policy.name_regex_keep})
    if policy.keep_n:
        newest = {"n": policy.keep_n, "by": "pushed", "count": "tag"}
        draft.add("keep", "keep_n", {"tag": names, "newest": newest})
    age: dict[str, Any] | None = None
    if policy.older_than:
        age = {"age": policy.older_than, "by": "pushed"}
    draft.add("delete", "name_regex", {"tag": names, "older_than": age})
    if policy.cadence is not None:
        if policy.cadence not in _CADENCES:
            raise UsageError(f"{policy.cadence[:40]!r} is no cadence of GitLab's; it has {', '.join(_CADENCES)}.")
        draft.schedule = _CADENCES[policy.cadence] if policy.enabled else None
        if policy.cadence == "14d":
            draft.note("Every two weeks is the 1st and 15th of a month here.")
    if not policy.enabled:
        draft.note("It was switched off in GitLab, so it has no schedule here.")
    return draft
