"""The `prune` command: the engine without the web, for pipelines and for checks."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from prune.model.errors import PruneError, UsageError

_COMMANDS = {
    "scan": "read everything; counts, bytes, problems",
    "tree": "the image graph as text",
    "plan": "what would go, what stays and why, bytes",
    "draw": "the diagrams before and after a plan",
    "apply": "carry a plan out after checking that it is still true",
    "restore": "put a run's trash back, byte for byte",
    "empty-trash": "give the bytes back for good",
}


class _Parser(argparse.ArgumentParser):
    """Wrong use is one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see the contract in docs/cli.md). Never shows a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
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


def _run(arguments: list[str]) -> int:
    parser = _Parser(prog="prune", description="See what is in a container registry, and clean it up without fear.")
    parser.add_argument(
        "--version", action="version", version="prune " + importlib.import_module("prune").__version__
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == wanted:  # only the module of the command that runs is loaded: start-up counts
            module = importlib.import_module("prune.commands." + name.replace("-", "_"))
            module.arguments(command)
            command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"prune: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
