"""How an image says it was built and runs: its history as one reads a Dockerfile, environment, command.

OCI image spec 1.1, config.md; the config of V1 images holds the same fields for its one layer.
"""

import re
from typing import Any, Self

import msgspec

from prune.model.errors import Unreadable
from prune.model.manifest import MAX_CONFIG_BYTES

#: Names of variables whose values no page shows: registries hold what people baked in by mistake.
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.I)
_SHELL = re.compile(
    r"^(?:/bin/(?:ba|a|da)?sh|cmd|powershell)(?:\.exe)?\s+(?:-o\s+\w+\s+|-\w+\s+|/S\s+/C\s+)+(?:#\(nop\)\s*)?", re.I
)
_BUILDKIT = re.compile(r"\s*# buildkit\s*$")
_ARGUMENTS = re.compile(r"^\|\d+\s+(?:[A-Za-z_]\w*=\S*\s+)*")
_VERBS = re.compile(
    r"^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER"
    r"|VOLUME|WORKDIR)\b"
)
#: Steps shown of one image; no build tool writes so many.
MOST_STEPS = 500


class Variable(msgspec.Struct, frozen=True):
    """One variable of the environment; ``value`` is ``None`` when its name says that it is a secret."""

    name: str
    value: str | None


class Step(msgspec.Struct, frozen=True):
    """One line of the history. ``layer`` is the number of the layer that it made, counted from 0, if it made one."""

    text: str
    created: str = ""
    comment: str = ""
    layer: int | None = None


class Build(msgspec.Struct, frozen=True):
    """What a config says besides what the graph needs."""

    env: tuple[Variable, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    folder: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    author: str = ""
    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a config; raise ``Unreadable`` when it is none. What has an unexpected form is left out."""
        if len(body) > MAX_CONFIG_BYTES:
            raise Unreadable(f"is larger than {MAX_CONFIG_BYTES} bytes")
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(f"is not an image config: {error}") from None
        if not isinstance(document, dict):
            raise Unreadable("is not an image config: it is no object")
        run = _object(document, "config")
        return cls(
            env=tuple(_variable(text) for text in _texts(run.get("Env"))),
            entrypoint=_texts(run.get("Entrypoint")),
            command=_texts(run.get("Cmd")),
            user=_text(run.get("User")),
            folder=_text(run.get("WorkingDir")),
            ports=tuple(sorted(_object(run, "ExposedPorts"))),
            volumes=tuple(sorted(_object(run, "Volumes"))),
            author=_text(document.get("author")),
            steps=_steps(document),
        )


def _steps(document: dict[str, Any]) -> tuple[Step, ...]:
    history = document.get("history")
    if not isinstance(history, list):
        made = " ".join(_texts(_object(document, "container_config").get("Cmd")))
        return (Step(instruction(made), _text(document.get("created")), layer=0),) if made else ()
    steps, layer = [], 0
    for entry in history[:MOST_STEPS]:
        if not isinstance(entry, dict):
            continue
        empty = entry.get("empty_layer") is True
        steps.append(
            Step(
                instruction(_text(entry.get("created_by"))),
                _text(entry.get("created")),
                _text(entry.get("comment")),
                None if empty else layer,
            )
        )
        layer += not empty
    return tuple(steps)


def instruction(created_by: str) -> str:
    """Return a line of history as it stood in the Dockerfile: without the shell around it and the marks of tools."""
    text = _BUILDKIT.sub("", created_by.strip())
    verb = _VERBS.match(text)
    if verb and verb[0] != "RUN":
        return text
    inner = text.removeprefix("RUN ").strip() if verb else text
    inner = _ARGUMENTS.sub("", inner)
    plain = _SHELL.sub("", inner)
    if "#(nop)" in inner or _VERBS.match(plain):
        return plain
    return f"RUN {plain}" if verb or plain != inner else plain


def _variable(text: str) -> Variable:
    name, _, value = text.partition("=")
    return Variable(name, None if _SECRET.search(name) else value)


def _object(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
