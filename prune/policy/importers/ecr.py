"""Amazon ECR lifecycle policies (user guide, "Lifecycle policy properties").

A rule looks at images, not tags: all tags of an image that it selects go. An image that a rule with a higher priority
selects is out of reach for the later ones, though they count it.
"""

from typing import Any

import msgspec

from prune.policy.importers.draft import Draft, read_json
from prune.policy.importers.wildcards import prefix, stars


class _Selection(msgspec.Struct, rename="camel"):
    tag_status: str
    count_type: str
    count_number: int
    count_unit: str = "days"
    tag_prefix_list: list[str] = []
    tag_pattern_list: list[str] = []
    storage_class: str = "standard"


class _Action(msgspec.Struct):
    type: str


class _Rule(msgspec.Struct, rename="camel"):
    rule_priority: int
    selection: _Selection
    action: _Action
    description: str = ""


class _Policy(msgspec.Struct):
    rules: list[_Rule]


def translate(text: str) -> Draft:
    """Return the policy in the JSON that `aws ecr get-lifecycle-policy` shows as ``lifecyclePolicyText``."""
    draft = Draft("ECR lifecycle policy")
    draft.note("ECR attaches a policy to one repository. This one holds everywhere: add a scope.")
    draft.note("Our guards hold as well: nothing younger than 24 hours goes, and no repository loses its last tag.")
    seen: list[str] = []
    seen_untagged = False
    for rule in sorted(read_json(text, _Policy, "ECR lifecycle policy").rules, key=lambda one: one.rule_priority):
        chosen = rule.selection
        name = f"rule-{rule.rule_priority}"
        if rule.action.type != "expire" or chosen.storage_class != "standard":
            draft.note(
                f"Rule {rule.rule_priority} is about storage classes, of which there is one here; it is left out."
            )
            continue
        if chosen.count_type not in ("imageCountMoreThan", "sinceImagePushed", "sinceImagePulled"):
            draft.note(f"Rule {rule.rule_priority} counts by {chosen.count_type[:40]}; that is not known here.")
            continue
        patterns = [stars(one) for one in chosen.tag_pattern_list] + [prefix(one) for one in chosen.tag_prefix_list]
        tagged: dict[str, Any] = {"image_tags": patterns, "except_image_tags": list(seen)}
        selections: list[dict[str, Any]] = []
        if chosen.tag_status != "untagged":
            selections.append(tagged if patterns else {**tagged, "untagged": False})
        if chosen.tag_status != "tagged" and not seen_untagged:
            selections.append({"untagged": True})
        _add(draft, rule, name, selections)
        seen += patterns
        seen_untagged = seen_untagged or chosen.tag_status != "tagged"
    if seen:
        draft.note("An image that an earlier rule selects is passed over by the later ones, as ECR's priorities say.")
    return draft


def _add(draft: Draft, rule: _Rule, name: str, selections: list[dict[str, Any]]) -> None:
    chosen = rule.selection
    comments = [rule.description]
    if chosen.count_type == "imageCountMoreThan":
        keep = selections[0] if selections else {}
        if chosen.tag_status == "any":
            keep = {"except_image_tags": keep.get("except_image_tags")}
        newest = {"n": max(1, chosen.count_number), "by": "pushed", "count": "digest"}
        if chosen.tag_status == "any":
            newest["with_untagged"] = True
        draft.add("keep", f"{name}-keep", {**keep, "newest": newest}, rule.description)
        comments = []
        age = None
    else:
        by = "pushed" if chosen.count_type == "sinceImagePushed" else "pulled"
        age = {"age": f"{chosen.count_number}d", "by": by} if chosen.count_number else None
        if by == "pulled":
            comments.append("An image that was never pulled stays here: when it was pulled is not known.")
    for selection in selections:
        draft.add("delete", name, {**selection, "older_than": age}, *comments)
