"""The `prune` command: the engine without the web, for pipelines and for checks."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_COMMANDS = {
    "check": "connect, and say what the source is and what it can do",
    "scan": "read everything; counts, bytes, problems",
    "tree": "the image graph as text",
    "policy": "check, explain and import retention policies",
    "plan": "what would go, what stays and why, bytes",
    "draw": "the diagrams before and after a plan",
    "scrub": "look for damage: missing, spoilt and left-over things",
    "apply": "carry a plan out after checking that it is still true",
    "restore": "put a run's trash back, byte for byte",
    "empty-trash": "give the bytes back for good",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see the contract in docs/cli.md). Never shows a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = _unchanged_scan(arguments)
    if code is not None:
        return code
    # Everything else is loaded only now: an unchanged rescan is done before.
    import os

    from prune.model.errors import PruneError

    try:
        return _run(arguments)
    except PruneError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("Interrupted. Applying the same plan again resumes it.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, RecursionError, MemoryError) as error:
        return _fail(f"{type(error).__name__}: {error}", 1)


def _unchanged_scan(arguments: list[str]) -> int | None:
    """Answer `scan SOURCE --cache FILE --json` when nothing changed since the file was written; else ``None``."""
    if len(arguments) != 5 or arguments[0] != "scan" or "--json" not in arguments or "--cache" not in arguments:
        return None
    started = time.monotonic()
    rest = [word for word in arguments[1:] if word != "--json"]
    at = rest.index("--cache")
    if at > 1 or len(rest) != 3 or rest[2 if at == 0 else 0].startswith("-"):
        return None
    from prune.sources.unchanged import unchanged

    found = unchanged(rest[2 if at == 0 else 0], rest[at + 1])
    if found is None:
        return None
    print(f'{found.summary[:-1]},"seconds":{round(time.monotonic() - started, 3)}}}')
    return 0 if found.complete else 3


def _run(arguments: list[str]) -> int:
    import argparse
    import gc
    import importlib

    from prune.model.errors import UsageError

    class Parser(argparse.ArgumentParser):
        """Wrong use is one line and exit code 2."""

        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message}; see `{self.prog} --help`")

    parser = Parser(prog="prune", description="See what is in a container registry, and clean it up without fear.")
    version = importlib.import_module("prune").__version__
    parser.add_argument("--version", action="version", version=f"prune {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:  # only the module of the command that runs is loaded: start-up counts
            module = importlib.import_module("prune.commands." + name.replace("-", "_"))
            module.arguments(command)
            command.set_defaults(carry_out=module.run)
    options = parser.parse_args(arguments)
    gc.disable()  # one short run over large trees of values without cycles: collecting would only cost
    code: int = options.carry_out(options)
    return code


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"prune: {line}", file=sys.stderr)
    return code


def command() -> NoReturn:
    """Be the command. Ends the process at once: taking a large store of values apart would only cost time."""
    import os

    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    command()
