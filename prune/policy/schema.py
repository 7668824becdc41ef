"""A policy as it is written. `prune.policy.read` makes it from a text and has checked everything in it."""

import hashlib
from typing import Literal

import msgspec

from prune.model.digest import Digest
from prune.model.plan import canonical

#: Where a time comes from; what each is worth is in docs/policies.md.
TimeBase = Literal["pushed", "first_seen", "created", "pulled", "untagged_at"]

#: More rules than anybody can understand; a limit on what a text can make a server do.
MAX_RULES = 1000


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Globs over names of repositories; ``exclude`` wins."""

    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()


class Age(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A duration, such as ``14d``, and from which time on it is counted."""

    age: str
    by: TimeBase


class Newest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ``n`` newest of each repository, or of each group of it: tags for which the parts of ``group_by`` in
    parentheses are the same. With ``count: digest`` all tags of one digest count once. Untagged manifests are counted
    apart from tags, unless ``with_untagged``."""

    n: int
    by: TimeBase = "pushed"
    count: Literal["digest", "tag"] = "digest"
    group_by: str | None = None
    with_untagged: bool = False


class Semver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tags that are semantic versions in ``range``; with ``newest`` only the highest, of each line where ``per``."""

    range: str = "*"
    newest: int | None = None
    per: Literal["major", "minor", "patch"] | None = None
    prerelease: Literal["include", "exclude", "only"] = "include"
    count: Literal["digest", "tag"] = "digest"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is said together must all hold. ``image_tags`` are patterns that each match some tag on the same digest;
    of ``except_image_tags`` none may, though what they match is counted where the newest are. ``with_all_tags``
    keeps all tags of an image of which the rule keeps one."""

    id: str = ""
    repositories: tuple[str, ...] = ()
    not_repositories: tuple[str, ...] = ()
    tag: str | None = None
    not_tag: str | None = None
    image_tags: tuple[str, ...] = ()
    except_image_tags: tuple[str, ...] = ()
    digest: str | None = None
    with_all_tags: bool | None = None
    label: str | None = None
    untagged: bool | None = None
    semver: Semver | None = None
    newest: Newest | None = None
    older_than: Age | None = None
    newer_than: Age | None = None
    active_within: str | None = None
    in_use: bool | None = None


class Guards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What no run may do. ``None`` switches a guard off."""

    min_tags_left: int | None = 1
    max_fraction: float | None = None
    max_count: int | None = None
    min_age: str | None = "24h"
    max_scan_age: str | None = "6h"
    max_in_use_age: str | None = "1h"


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to make a proposal: a cron expression on the clocks of a time zone."""

    cron: str
    tz: str = "UTC"
    then: Literal["propose"] = "propose"


def _id(rule: Rule) -> str:
    return rule.id


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """See docs/policies.md. Every rule has an ``id`` that no other rule has."""

    description: str = ""
    scope: Scope = Scope()
    protect: tuple[Rule, ...] = ()
    keep: tuple[Rule, ...] = ()
    delete: tuple[Rule, ...] = ()
    guards: Guards = Guards()
    ignore_pulls_by: tuple[str, ...] = ()
    schedule: Schedule | None = None

    def digest(self) -> Digest:
        """Return the sha256 of what the policy means: comments, layout and the order of rules do not change it."""
        sections = {name: tuple(sorted(getattr(self, name), key=_id)) for name in ("protect", "keep", "delete")}
        return "sha256:" + hashlib.sha256(canonical(msgspec.structs.replace(self, **sections))).hexdigest()

    def rules(self) -> tuple[Rule, ...]:
        """Return all rules: what is protected, what is kept, what goes."""
        return (*self.protect, *self.keep, *self.delete)

    def asks_for_pulls(self) -> bool:
        """Tell whether any rule asks when images were pulled."""
        return any(
            rule.active_within is not None
            or any(
                part is not None and part.by == "pulled" for part in (rule.newest, rule.older_than, rule.newer_than)
            )
            for rule in self.rules()
        )

    def needs_configs(self) -> bool:
        """Tell whether a scan must read the configs of images, for labels or the time of creation."""
        return any(
            rule.label is not None
            or any(
                part is not None and part.by == "created" for part in (rule.newest, rule.older_than, rule.newer_than)
            )
            for rule in self.rules()
        )


#: What stands below a key, to tell which keys are known there.
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "scope": Scope,
    "protect": Rule,
    "keep": Rule,
    "delete": Rule,
    "semver": Semver,
    "newest": Newest,
    "older_than": Age,
    "newer_than": Age,
    "guards": Guards,
    "schedule": Schedule,
}
