"""The SOURCE argument and the options that go with it."""

import os
from argparse import ArgumentParser, Namespace
from fnmatch import fnmatchcase

from prune.model.errors import UsageError
from prune.model.snapshot import Snapshot
from prune.sources.base import Source

#: More processes than this wait for the same disk.
MOST_WORKERS = 4


def add_source(parser: ArgumentParser) -> None:
    """Declare SOURCE and ``--timeout``."""
    parser.add_argument(
        "source", metavar="SOURCE", help="storage:PATH, s3://BUCKET/PREFIX, gs://, az://, http(s)://HOST or docker:"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="per request over a network (default 30)"
    )


def open_chosen(options: Namespace) -> Source:
    """Open the SOURCE of the command line."""
    from prune.sources.open import open_source

    if not options.timeout > 0:
        raise UsageError("--timeout must be more than 0 seconds.")
    return open_source(options.source, timeout=options.timeout, workers=min(os.cpu_count() or 1, MOST_WORKERS))


def chosen_repositories(snapshot: Snapshot, glob: str | None) -> list[str] | None:
    """Return the repositories that ``glob`` matches, ``None`` for all; raise ``UsageError`` when none does."""
    if glob is None:
        return None
    names = sorted(name for name in snapshot.repositories if fnmatchcase(name, glob))
    if not names:
        raise UsageError(f"No repository matches {glob!r}.")
    return names
