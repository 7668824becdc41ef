"""From YAML or JSON to plain values that know their line.

Read event by event: aliases, anchors, tags, merge keys and second documents are refused when they are met, so that
nothing can be expanded or constructed. JSON is read as the YAML that it is, for the sake of its lines.
"""

from typing import Any, NoReturn

import yaml

from prune.policy.faults import Fault, PolicyError

#: In bytes.
MAX_BYTES = 1024 * 1024
#: Far more than any policy needs.
MAX_DEPTH = 16
#: No number is longer, in characters.
MAX_NUMBER = 30

type Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VALUES = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:null"}


class Document:
    """``value`` is made of dicts, lists, strings, numbers, booleans and ``None``."""

    def __init__(self, value: Any, lines: dict[Path, int]) -> None:
        self.value = value
        self._lines = lines

    def line(self, path: Path) -> int:
        """Return the line on which the key or entry at ``path`` stands, or the nearest one around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def read_document(text: str | bytes) -> Document:
    """Return what ``text`` says; raise ``PolicyError`` when it is too large, malformed, or uses what is refused."""
    text = _decoded(text)
    if text.lstrip().startswith("{"):
        # JSON may be indented with tabs, which YAML refuses. No JSON string holds a raw one.
        text = text.replace("\t", " ")
    try:
        return _Builder(text).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(error.problem or error.context or "it cannot be read").split())
        _fail(mark.line if mark else 0, f"This is not YAML ({said}); check indentation, quotes and brackets.")
    except yaml.YAMLError as error:
        _fail(0, f"This is not YAML ({' '.join(str(error).split())}).")


def _decoded(text: str | bytes) -> str:
    body = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if len(body) > MAX_BYTES:
        _fail(0, f"The policy has {len(body)} bytes; at most {MAX_BYTES} are read. Split it into several policies.")
    try:
        return body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        _fail(0, "The policy is not UTF-8 text; save it as UTF-8.")


def _fail(line: int, message: str, key: str = "") -> NoReturn:
    raise PolicyError([Fault(line + 1, key, message)])


class _Builder:
    """Turns the events of one document into values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Path, int] = {}
        self._resolver: Any = yaml.resolver.Resolver()
        self._constructor: Any = yaml.constructor.SafeConstructor()

    def build(self) -> Document:
        root: Any = None
        documents = 0
        stack: list[tuple[Any, Path]] = []
        keys: list[str | None] = []
        for event in yaml.parse(self._text, Loader=_LOADER):
            line = event.start_mark.line if event.start_mark is not None else 0
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    _fail(line, "A second document begins here; a policy is one document, so take the --- away.")
                continue
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                stack.pop()
                keys.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            self._refuse(event, line)
            if stack and isinstance(stack[-1][0], dict) and keys[-1] is None:
                keys[-1] = self._key(event, stack[-1], line)
                continue
            value = self._value(event)
            path: Path = ()
            if not stack:
                root = value
            else:
                holder, above = stack[-1]
                path = (*above, keys[-1] if isinstance(holder, dict) else len(holder))  # type: ignore[arg-type]  # a str by now
                if isinstance(holder, dict):
                    holder[keys[-1]] = value
                    keys[-1] = None
                else:
                    holder.append(value)
            self._lines.setdefault(path, line + 1)
            if isinstance(value, (dict, list)):
                if len(stack) >= MAX_DEPTH:
                    _fail(line, f"This is nested more than {MAX_DEPTH} deep; no policy needs that.")
                stack.append((value, path))
                keys.append(None)
        return Document(root, self._lines)

    def _refuse(self, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            _fail(line, f"The alias *{event.anchor} is not allowed; write it out.")
        if event.anchor is not None:
            _fail(line, f"The anchor &{event.anchor} is not allowed; write it out where it is needed.")
        if getattr(event, "tag", None) is not None:
            _fail(line, f"The tag {event.tag!r} is not allowed; write plain values.")  # type: ignore[attr-defined]  # looked for above

    def _key(self, event: yaml.NodeEvent, holder: tuple[dict[str, Any], Path], line: int) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            _fail(line, "A key must be a word, not a list or a mapping.")
        mapping, above = holder
        if event.value in mapping:
            _fail(line, f"{event.value!r} stands here twice; take one of them away.", dotted((*above, event.value)))
        self._lines[(*above, event.value)] = line + 1
        return event.value

    def _value(self, event: yaml.NodeEvent) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - no other node event is left
        if len(event.value) > MAX_NUMBER:
            return event.value
        tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        return (
            self._constructor.construct_object(yaml.ScalarNode(tag, event.value)) if tag in _VALUES else event.value
        )


def dotted(path: Path) -> str:
    """Return ``path`` as people read it: ``keep[0].newest.n``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
