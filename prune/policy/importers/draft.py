"""A policy on the way from another language: rules with their comments, written as YAML that people read on."""

import re
from typing import Any, Literal

import msgspec
import yaml

from prune.model.errors import UsageError
from prune.policy.read import parse_policy

Section = Literal["protect", "keep", "delete"]

#: In bytes. No policy of another tool comes near.
MAX_BYTES = 1024 * 1024


class Draft:
    """Collects what an importer finds out."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.notes: list[str] = []
        self.schedule: str | None = None
        self._rules: dict[Section, list[tuple[list[str], dict[str, Any]]]] = {"protect": [], "keep": [], "delete": []}
        self._ids: set[str] = set()

    def note(self, text: str) -> None:
        """Say something about all of it, once."""
        if text not in self.notes:
            self.notes.append(text)

    def add(self, section: Section, id_: str, rule: dict[str, Any], *comments: str) -> None:
        """Add a rule under an id like ``id_`` that no other has; keys without a value are left out."""
        rule = {key: value for key, value in rule.items() if value not in (None, [], ())}
        self._rules[section].append(([comment for comment in comments if comment], {"id": self._id(id_), **rule}))

    def _id(self, text: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")[:56] or "rule"
        number, id_ = 1, base
        while id_ in self._ids:
            number += 1
            id_ = f"{base}-{number}"
        self._ids.add(id_)
        return id_

    def to_yaml(self) -> str:
        """Return the policy. Raises ``UsageError`` when nothing of it could be translated."""
        if not any(self._rules.values()):
            raise UsageError(f"Nothing of this {self.origin} can be translated: " + " ".join(self.notes))
        origin = f"{_article(self.origin)} {self.origin}"
        lines = [f"# Translated from {origin}. Look at a plan before anything goes."]
        lines += [f"# - {_clean(note)}" for note in self.notes]
        for section, rules in self._rules.items():
            if not rules:
                continue
            lines.append(f"{section}:")
            for comments, rule in rules:
                lines += [f"  # {_clean(comment)}" for comment in comments]
                lines.append(f"  - {_flow(rule)}")
        if self.schedule is not None:
            lines.append(f"schedule: {_flow({'cron': self.schedule, 'tz': 'UTC', 'then': 'propose'})}")
        text = "\n".join(lines) + "\n"
        parse_policy(text)
        return text


def _clean(text: str) -> str:
    """Return ``text`` on one line, without anything that YAML does not take."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _article(noun: str) -> str:
    return "an" if noun[0] in "AEIOae" else "a"


def _flow(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)).strip()


def read_json[T](text: str, kind: type[T], what: str) -> T:
    """Return ``text`` as ``kind``; raise ``UsageError`` with the place when it does not fit."""
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"The {what} has more than {MAX_BYTES} bytes; that is no {what}.")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"This is no {what}: {error}.") from None
