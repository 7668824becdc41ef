"""`prune scrub`: everything read, or asked for, and compared with what it should be."""

import time
from argparse import ArgumentParser, Namespace
from collections import Counter

from prune.commands.output import human_bytes, print_json, print_table, progress_bar, say
from prune.commands.source import add_source, open_chosen
from prune.model.duration import parse_duration
from prune.scrub.report import Scrubbed

_EXIT = {"good": 0, "unknown": 3, "bad": 5}


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's options."""
    add_source(parser)
    parser.add_argument(
        "--depth",
        choices=("sizes", "sampled", "full"),
        help="read no blob, some, or every one, and compare it with its digest (default: full for storage, sizes "
        "over a registry's API, where reading means downloading)",
    )
    parser.add_argument(
        "--grace", metavar="DURATION", default="24h", help="uploads younger than this are not left over (default 24h)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Scrub."""
    from prune.scrub.scrub import scrub

    grace = parse_duration(options.grace)
    source = open_chosen(options)
    report, bar = progress_bar()
    begun = time.monotonic()
    scrubbed = scrub(source, now=int(time.time()), depth=options.depth, grace=grace, report=report)
    if bar:
        bar.finish()
    if options.json:
        import msgspec

        shown = msgspec.to_builtins(scrubbed)
        shown["counts"] = dict(sorted(Counter(fault.kind for fault in scrubbed.faults).items()))
        print_json(shown | {"seconds": round(time.monotonic() - begun, 3)})
    else:
        print(describe(scrubbed))
        print_table((fault.kind, fault.item, fault.what, _images(fault.images)) for fault in scrubbed.faults)
    if scrubbed.state == "bad":
        say("Some images cannot be pulled, or are not what they were. Push them again, or bring a backup back.")
    return _EXIT[scrubbed.state]


def describe(scrubbed: Scrubbed) -> str:
    """Say what a scrub found, in one line."""
    looked = f"{scrubbed.manifests} manifests or images and {scrubbed.blobs} blobs looked at"
    read = f", {scrubbed.hashed} of them read ({human_bytes(scrubbed.hashed_bytes)})" if scrubbed.hashed else ""
    found = {
        "good": "nothing is damaged",
        "bad": "some of it is damaged",
        "unknown": "not everything could be read",
    }[scrubbed.state]
    return f"{looked}{read}: {found}."


def _images(refs: tuple[str, ...]) -> str:
    return f"needed by {refs[0]}" + (f" and {len(refs) - 1} more" if len(refs) > 1 else "") if refs else ""
