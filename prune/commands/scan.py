"""`prune scan`: read everything; counts, bytes, problems."""

import time
from argparse import ArgumentParser, Namespace

from prune.commands.output import human_bytes, print_json, print_table, progress_bar
from prune.commands.source import add_source, open_chosen
from prune.model.snapshot import is_by_image


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument(
        "--cache", metavar="FILE", help="remember what was read, so that the next scan costs only the change"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Scan and print; 0, or 3 when not everything could be read."""
    started = time.monotonic()
    report, bar = progress_bar()
    source = open_chosen(options)
    if options.cache:
        from prune.sources.cache import scan_cached

        summary = scan_cached(source, options.cache, report)
    else:
        from prune.plan.summary import summarise

        summary = summarise(source.scan(report, configs=False))
    if bar:
        bar.finish()
    seconds = round(time.monotonic() - started, 3)
    import msgspec

    if options.json:
        print_json({**msgspec.to_builtins(summary), "seconds": seconds})
    else:
        print(f"{summary.source} ({summary.kind}), {seconds:.1f} s")
        unknown = "not known over this connection"
        rows = [
            ("repositories", str(summary.repositories)),
            ("tags", str(summary.tags)),
            ("images", str(summary.images))
            if is_by_image(summary.kind)
            else ("manifests", f"{summary.manifests} ({_or(summary.untagged_manifests, unknown)} untagged)"),
            ("blobs", f"{_or(summary.blobs, unknown)}, {human_bytes(summary.bytes)}"),
            (
                "unreferenced",
                f"{_or(summary.unreferenced_blobs, unknown)}, {human_bytes(summary.unreferenced_bytes)}",
            ),
        ]
        print_table(rows)
        if summary.problems:
            print(f"{len(summary.problems)} problem(s):")
            for problem in summary.problems[:50]:
                print_table([(problem["where"],), (f"  {problem['what']}",), (f"  {problem['effect']}",)])
            if len(summary.problems) > 50:
                print(f"  and {len(summary.problems) - 50} more: use --json")
        if not summary.complete:
            print("The scan is incomplete: see the problems above for what cannot be deleted.")
    return 0 if summary.complete else 3


def _or(number: int | None, unknown: str) -> str:
    return unknown if number is None else str(number)
