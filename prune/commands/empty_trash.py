"""`prune empty-trash`: give the bytes back for good."""

import time
from argparse import ArgumentParser, Namespace

from prune.commands.apply import confirm
from prune.commands.output import human_bytes, print_json, say
from prune.commands.source import add_source, open_chosen
from prune.model.duration import parse_duration


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("--older-than", metavar="AGE", help="only runs that ended longer ago, for instance 7d")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Empty; 0."""
    import msgspec

    from prune.reclaim.trash import empty_trash

    older_than = parse_duration(options.older_than) if options.older_than is not None else None
    source = open_chosen(options)
    if not options.yes:
        confirm("What is in the trash cannot be brought back afterwards.")
    emptied = empty_trash(source, older_than=older_than, now=int(time.time()))
    if options.json:
        print_json(msgspec.to_builtins(emptied))
    else:
        print(f"{len(emptied.runs)} run(s) emptied, {human_bytes(emptied.freed_bytes)} given back.")
    if emptied.message:
        say(emptied.message)
    if emptied.kept:
        why = "their verification was not good, or not all that they took could be put back"
        say(f"{len(emptied.kept)} run(s) kept, for {why}: {', '.join(emptied.kept)}.")
    return 0
