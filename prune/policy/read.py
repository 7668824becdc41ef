"""The one way from a text to a policy."""

import difflib
import re
from typing import Any

import msgspec

from prune.policy.checks import check
from prune.policy.document import Document, Path, dotted, read_document
from prune.policy.faults import Fault, PolicyError
from prune.policy.schema import MAX_RULES, STRUCTS, Policy, Rule

#: Who has so many does not read them all.
MOST_FAULTS = 100

_SECTIONS = ("protect", "keep", "delete")


def parse_policy(text: str | bytes) -> Policy:
    """Return the policy that ``text`` (YAML or JSON, at most 1 MiB) is.

    Raises ``PolicyError`` with every fault that was found, each with its line, its key and the fix.
    """
    document = read_document(text)
    reader = _Reader(document)
    policy = reader.read()
    if policy is not None:
        for path, message in check(policy):
            reader.fault(path, message)
    if reader.faults or policy is None:
        raise PolicyError(reader.faults)
    return policy


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[Fault] = []

    def fault(self, path: Path, message: str) -> None:
        self.faults.append(Fault(self.document.line(path), dotted(path), message))

    def read(self) -> Policy | None:
        top = self.document.value
        if not isinstance(top, dict):
            what = "empty" if top is None else _KINDS[type(top)]
            self.fault((), f"The policy is {what}; write keys such as keep: and delete:.")
            return None
        self._known(top, Policy, ())
        values: dict[str, Any] = {}
        for key, value in top.items():
            if key in _SECTIONS:
                values[key] = self._rules(key, value)
            elif key in Policy.__struct_fields__:
                field = next(field for field in msgspec.structs.fields(Policy) if field.name == key)
                values[key] = self._convert(value, field.type, (key,))
        return None if self.faults else Policy(**values)

    def _rules(self, section: str, value: Any) -> tuple[Rule, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault((section,), f"{section!r} must be a list of rules; begin each with a dash.")
            return ()
        if len(value) > MAX_RULES:
            self.fault((section,), f"There are {len(value)} rules here, more than {MAX_RULES}; join their patterns.")
            return ()
        rules = []
        for number, one in enumerate(value):
            rule = self._convert(one, Rule, (section, number))
            if rule is not None:
                rules.append(rule if rule.id else msgspec.structs.replace(rule, id=f"{section}-{number + 1}"))
        return tuple(rules)

    def _convert(self, value: Any, kind: Any, path: Path) -> Any:
        before = len(self.faults)
        self._walk(value, path, nothing_is_off=path[0] == "guards")
        if len(self.faults) > before:
            return None
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            at, message = _reworded(str(error))
            self.fault((*path, *at), message)
            return None

    def _walk(self, value: Any, path: Path, nothing_is_off: bool) -> None:
        """Find unknown keys and keys without a value, all of them."""
        if isinstance(value, dict):
            name = next((part for part in reversed(path) if isinstance(part, str)), "")
            if name in STRUCTS:
                self._known(value, STRUCTS[name], path)
            for key, one in value.items():
                self._walk(one, (*path, key), nothing_is_off)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                self._walk(one, (*path, number), nothing_is_off)
        elif value is None and not nothing_is_off:
            self.fault(path, f"{path[-1]!r} has no value; write one, or take the key away.")

    def _known(self, value: dict[str, Any], kind: type[msgspec.Struct], path: Path) -> None:
        known = kind.__struct_fields__
        for key in value:
            if key not in known and len(self.faults) < MOST_FAULTS:
                near = difflib.get_close_matches(key, known, n=1)
                fix = f"did you mean {near[0]!r}?" if near else f"known here are {', '.join(known)}."
                self.fault((*path, key), f"There is no key {key[:60]!r} here; {fix}")


_KINDS: dict[type, str] = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping of keys",
}
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
    "null": "nothing",
}
_AT = re.compile(r" - at `\$?(.*?)`$", re.DOTALL)
_STEP = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
_TYPES = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`")
_ENUM = re.compile(r"Invalid enum value '(.*)'", re.DOTALL)
_REQUIRED = re.compile(r"Object missing required field `(\w+)`")
_CHOICES = {
    "by": "pushed, first_seen, created, pulled or untagged_at",
    "count": "digest or tag",
    "per": "major, minor or patch",
    "prerelease": "include, exclude or only",
    "then": "propose (a person approves what a policy proposes)",
}


def _reworded(message: str) -> tuple[Path, str]:
    """Return where msgspec found a fault, and the fault in our words with its fix."""
    at = _AT.search(message)
    path: list[str | int] = []
    if at:
        message = message[: at.start()]
        path = [int(index) if index else name for name, index in _STEP.findall(at[1])]
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "This")
    if found := _TYPES.match(message):
        wanted = [_WORDS.get(word.strip(), word.strip()) for word in found[1].split("|") if word.strip() != "null"]
        fix = ""
        if found[1].startswith("str") and found[2] in ("int", "float", "bool"):
            age = key in ("age", "active_within", "min_age", "max_scan_age", "max_in_use_age")
            fix = "; write a unit, as in 14d or 24h" if age else "; put it in quotes"
        return tuple(path), f"{key!r} must be {' or '.join(wanted)}, not {_WORDS.get(found[2], found[2])}{fix}."
    if found := _ENUM.match(message):
        return tuple(
            path
        ), f"{key!r} cannot be {found[1][:60]!r}; write {_CHOICES.get(key, 'one that is documented')}."
    if found := _REQUIRED.match(message):
        choice = f", which is {_CHOICES[found[1]]}" if found[1] in _CHOICES else ""
        return tuple(path), f"{found[1]!r} is missing here; add it{choice}."
    return tuple(path), f"{message}."
