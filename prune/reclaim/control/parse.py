"""From what an operator writes to a control."""

import os

from prune.model.errors import UsageError
from prune.reclaim.control.base import Control
from prune.sources.credentials import Access

_FORMS = "docker:NAME[,mode=stop|readonly][,url=URL][,engine=ADDRESS], probe:URL or command:FILE"


def parse_control(text: str, access: Access | None = None) -> Control:
    """Return the control that ``--control`` names; raise ``UsageError`` when it names none."""
    kind, _, rest = text.partition(":")
    if kind == "docker" and rest:
        return _docker(rest, access)
    if kind == "probe" and rest:
        from prune.reclaim.control.probe import Probe

        return Probe(rest, access)
    if kind == "command" and rest:
        from prune.reclaim.control.command import Command, read_commands

        return Command(read_commands(rest), os.path.abspath(rest))
    raise UsageError(f"{text!r} is no control of a registry; write {_FORMS}.")


def _docker(rest: str, access: Access | None) -> Control:
    from prune.reclaim.control.docker import DockerControl, Mode

    name, *options = rest.split(",")
    given = {}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in ("mode", "url", "engine") or not equals or not value or key in given:
            raise UsageError(f"{option!r} is no option of a docker control; write {_FORMS}.")
        given[key] = value
    modes: dict[str, Mode] = {"stop": "stop", "readonly": "readonly"}
    mode = modes.get(given.get("mode", "stop"))
    if mode is None:
        raise UsageError(f"mode={given['mode']}: a registry can be held with mode=stop or mode=readonly.")
    return DockerControl(name, mode, url=given.get("url", ""), engine=given.get("engine", ""), access=access)
