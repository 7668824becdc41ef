"""The SOURCE argument and the options that go with it."""

import os
from argparse import ArgumentParser, Namespace
from fnmatch import fnmatchcase

from prune.model.errors import UsageError
from prune.model.snapshot import Snapshot
from prune.sources.base import Source

#: More processes than this wait for the same disk.
MOST_WORKERS = 4
#: More requests at a time than this are an attack.
MOST_REQUESTS = 256
MAX_LIST_BYTES = 64 << 20


def add_source(parser: ArgumentParser) -> None:
    """Declare SOURCE, ``--timeout``, ``--concurrency`` and ``--repositories``."""
    parser.add_argument(
        "source", metavar="SOURCE", help="storage:PATH, s3://BUCKET/PREFIX, gs://, az://, http(s)://HOST or docker:"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="per request over a network (default 30)"
    )
    parser.add_argument(
        "--concurrency", type=int, metavar="N", help="requests to a registry at a time (default 16); fewer if it asks"
    )
    parser.add_argument(
        "--repositories",
        default="",
        metavar="LIST",
        help="only these of a registry: names, or prefixes such as team/, separated by commas; or @FILE",
    )


def open_chosen(options: Namespace) -> Source:
    """Open the SOURCE of the command line."""
    from prune.sources.open import open_source

    if not options.timeout > 0:
        raise UsageError("--timeout must be more than 0 seconds.")
    if options.concurrency is not None and not 1 <= options.concurrency <= MOST_REQUESTS:
        raise UsageError(f"--concurrency must be from 1 to {MOST_REQUESTS}.")
    return open_source(
        options.source,
        timeout=options.timeout,
        workers=min(os.cpu_count() or 1, MOST_WORKERS),
        concurrency=options.concurrency,
        repositories=_listed(options.repositories),
    )


def _listed(text: str) -> str:
    """Return a list of repositories, which may be in a file."""
    if not text.startswith("@"):
        return text
    try:
        with open(text[1:], encoding="utf-8") as file:
            return file.read(MAX_LIST_BYTES)
    except (OSError, ValueError):
        raise UsageError(f"The list of repositories {text[1:]} cannot be read.") from None


def chosen_repositories(snapshot: Snapshot, glob: str | None) -> list[str] | None:
    """Return the repositories that ``glob`` matches, ``None`` for all; raise ``UsageError`` when none does."""
    if glob is None:
        return None
    names = sorted(name for name in snapshot.repositories if fnmatchcase(name, glob))
    if not names:
        raise UsageError(f"No repository matches {glob!r}.")
    return names
