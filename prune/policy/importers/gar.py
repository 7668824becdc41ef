"""Google Artifact Registry cleanup policies (docs, "Configure cleanup policies").

They are about versions, which are images with all of their tags. Keep beats delete, as here.
"""

from typing import Any

import msgspec

from prune.model.errors import UsageError
from prune.policy.importers.draft import Draft, read_json
from prune.policy.importers.wildcards import any_of, escape, prefix

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Condition(msgspec.Struct, rename="camel"):
    tag_state: str = "any"
    tag_prefixes: list[str] = []
    version_name_prefixes: list[str] = []
    package_name_prefixes: list[str] = []
    older_than: str | None = None
    newer_than: str | None = None


class _Recent(msgspec.Struct, rename="camel"):
    package_name_prefixes: list[str] = []
    keep_count: int = 1


class _Action(msgspec.Struct):
    type: str


class _Policy(msgspec.Struct, rename="camel"):
    action: _Action | str
    name: str = ""
    id: str = ""
    condition: _Condition | None = None
    most_recent_versions: _Recent | None = None


def translate(text: str) -> Draft:
    """Return the policies in the JSON that `gcloud artifacts repositories set-cleanup-policies` takes."""
    draft = Draft("GAR cleanup policy")
    draft.note("A package is a repository here; its name may have a project before it.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    for number, policy in enumerate(read_json(text, list[_Policy], "list of GAR cleanup policies"), 1):
        name = policy.name or policy.id or f"policy-{number}"
        action = (policy.action if isinstance(policy.action, str) else policy.action.type).lower()
        if action not in ("delete", "keep"):
            raise UsageError(f"{name}: the action must be Delete or Keep, not {action[:40]!r}.")
        if policy.most_recent_versions is not None:
            recent = policy.most_recent_versions
            if action != "keep":
                draft.note(f"{name} would delete the most recent versions; only a keep policy may speak of them.")
                continue
            newest = {"n": max(1, recent.keep_count), "by": "pushed", "count": "digest", "with_untagged": True}
            draft.add("keep", name, {"repositories": _packages(recent.package_name_prefixes), "newest": newest})
            if policy.condition is None:
                continue
        _add(draft, name, action, policy.condition or _Condition())
    return draft


def _add(draft: Draft, name: str, action: str, condition: _Condition) -> None:
    state = condition.tag_state.lower()
    if state not in ("tagged", "untagged", "any", "tag_state_unspecified"):
        raise UsageError(f"{name}: tagState must be tagged, untagged or any, not {state[:40]!r}.")
    rule: dict[str, Any] = {"repositories": _packages(condition.package_name_prefixes)}
    if condition.version_name_prefixes:
        rule["digest"] = any_of([f"{escape(one)}.*" for one in condition.version_name_prefixes])
    if condition.tag_prefixes:
        rule["image_tags"] = [any_of([prefix(one) for one in condition.tag_prefixes])]
        state = "tagged"
    age = _age(name, condition.older_than)
    youth = _age(name, condition.newer_than)
    comments = []
    if action == "keep":
        if youth:
            rule["newer_than"] = {"age": youth, "by": "pushed"}
        if age:
            comments.append("It kept only what is old; here it keeps what is young as well.")
        if state == "tagged" and not condition.tag_prefixes:
            rule["untagged"] = False
        if state == "untagged":
            rule["untagged"] = True
        if not any(key in rule for key in ("digest", "image_tags", "newer_than", "untagged", "repositories")) or (
            list(rule) == ["repositories"] and not rule["repositories"]
        ):
            rule["digest"] = ".*"
        draft.add("keep", name, rule, *comments)
        return
    if youth:
        draft.note(f"{name} deletes what is young; no rule of ours does, so it was left out.")
        return
    rule["older_than"] = {"age": age, "by": "pushed"} if age else None
    if state != "untagged":
        draft.add("delete", name, rule if condition.tag_prefixes else {**rule, "tag": ".*"})
    if state != "tagged":
        draft.add("delete", name, {**rule, "untagged": True})


def _packages(prefixes: list[str]) -> list[str]:
    return [glob for one in prefixes for glob in (f"{one}**", f"**/{one}**")]


def _age(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in _UNITS:
        raise UsageError(f"{name}: {text[:40]!r} is no duration of GAR; it writes 30d or 2592000s.")
    seconds = int(number) * _UNITS[unit]
    if seconds == 0:
        return None
    return f"{seconds // 86400}d" if seconds % 86400 == 0 else f"{seconds}s"
