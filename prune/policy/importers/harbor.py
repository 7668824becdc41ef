"""Harbor tag retention rules (docs, "Create Tag Retention Rules").

Rules say what is retained; in the repositories that any rule names, all else goes. One tag that is retained retains
its artifact with all tags.
"""

import json
from typing import Any

import msgspec

from prune.model.errors import UsageError
from prune.policy.importers.draft import Draft, read_json
from prune.policy.importers.wildcards import any_of, doublestar, repository_globs


class _Selector(msgspec.Struct):
    pattern: str = "**"
    decoration: str = "matches"
    extras: str = ""


class _Scopes(msgspec.Struct):
    repository: list[_Selector] = []


class _Rule(msgspec.Struct):
    template: str = ""
    params: dict[str, Any] = {}
    tag_selectors: list[_Selector] = []
    scope_selectors: _Scopes | None = None
    disabled: bool = False
    action: str = "retain"


class _Settings(msgspec.Struct):
    cron: str = ""


class _Trigger(msgspec.Struct):
    settings: _Settings | None = None


class _Policy(msgspec.Struct):
    rules: list[_Rule]
    trigger: _Trigger | None = None


#: What a rule counts, by its template or the name of its parameter.
_TEMPLATES = {
    "latestPushedK": ("newest", "pushed"),
    "latestPulledN": ("newest", "pulled"),
    "latestPulledK": ("newest", "pulled"),
    "nDaysSinceLastPush": ("newer_than", "pushed"),
    "nDaysSinceLastPull": ("newer_than", "pulled"),
}


def translate(text: str) -> Draft:
    """Return the policy in the JSON that Harbor's API shows as a retention."""
    policy = read_json(text, _Policy, "Harbor retention policy")
    draft = Draft("Harbor retention policy")
    draft.note("Harbor's names of repositories leave out the project. Here every project is meant: add a scope.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    wanted: list[dict[str, Any]] = []
    for number, rule in enumerate(policy.rules, 1):
        if rule.disabled:
            draft.note(f"Rule {number} was switched off and is left out.")
            continue
        if rule.action != "retain":
            raise UsageError(f"Rule {number} has the action {rule.action[:40]!r}; Harbor only has retain.")
        where = _where(rule)
        _add(draft, number, rule, where)
        if where not in wanted:
            wanted.append(where)
    for where in wanted:
        draft.add("delete", "not-retained", {"tag": ".*", **where}, "Harbor lets go all that no rule retains.")
        draft.add("delete", "not-retained-untagged", {"untagged": True, **where})
    cron = policy.trigger.settings.cron.split() if policy.trigger and policy.trigger.settings else []
    if cron:
        draft.schedule = " ".join(cron[1:] if len(cron) == 6 else cron)
    return draft


def _where(rule: _Rule) -> dict[str, Any]:
    selectors = rule.scope_selectors.repository if rule.scope_selectors else []
    selector = selectors[0] if selectors else _Selector()
    globs = [glob if glob.startswith("**") else f"*/{glob}" for glob in repository_globs(selector.pattern)]
    if globs == ["**"] and not selector.decoration.endswith("xcludes"):
        return {}
    return {"not_repositories" if selector.decoration.endswith("xcludes") else "repositories": globs}


def _add(draft: Draft, number: int, rule: _Rule, where: dict[str, Any]) -> None:
    template, parameter = rule.template, next(iter(rule.params.values()), None)
    if template not in (*_TEMPLATES, "always"):
        template = next(iter(rule.params), template or "always")
    if template not in (*_TEMPLATES, "always"):
        raise UsageError(f"Rule {number} retains by {template[:40]!r}; that is not known here.")
    counting: dict[str, Any] = {}
    comments = []
    if template != "always":
        key, by = _TEMPLATES[template]
        if not isinstance(parameter, int) or isinstance(parameter, bool) or parameter < 0:
            raise UsageError(f"Rule {number} has no number for {template}.")
        if key == "newest":
            counting = {"newest": {"n": max(1, parameter), "by": by, "count": "digest"}}
        else:
            counting = {"newer_than": {"age": f"{max(1, parameter)}d", "by": by}}
        if by == "pulled":
            comments.append("What was never pulled, or pulled when nobody was listening, stays here.")
    selector = rule.tag_selectors[0] if rule.tag_selectors else _Selector()
    untagged = _untagged(selector)
    patterns = doublestar(selector.pattern)
    everything = patterns == [".*"] and selector.decoration == "matches"
    named: dict[str, Any]
    if everything:
        named = {} if untagged else {"untagged": False}
    elif selector.decoration == "excludes":
        named = {"not_tag": any_of(patterns), "with_all_tags": True}
    elif selector.decoration == "matches":
        named = {"image_tags": [any_of(patterns)]}
    else:
        raise UsageError(f"Rule {number} selects tags by {selector.decoration[:40]!r}; that is not known here.")
    if everything and untagged and template == "always" and not where:
        named = {"digest": ".*"}
    draft.add("keep", f"rule-{number}", {**named, **where, **counting}, *comments)
    if untagged and not everything:
        draft.add("keep", f"rule-{number}-untagged", {"untagged": True, **where, **counting})


def _untagged(selector: _Selector) -> bool:
    try:
        extras = json.loads(selector.extras) if selector.extras else {}
    except (ValueError, RecursionError):
        return True  # in doubt it retains
    return bool(extras.get("untagged")) if isinstance(extras, dict) else True
