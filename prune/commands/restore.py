"""`prune restore`: put a run's trash back, byte for byte."""

from argparse import ArgumentParser, Namespace

from prune.commands.output import print_json, print_table, progress_bar, say
from prune.commands.source import add_source, open_chosen


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("run", metavar="RUN", help="the run's name, as `prune apply` printed it")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Restore; 0 done, 5 when something that came since was left in place, 1 failed."""
    import msgspec

    from prune.reclaim.restore import restore

    report, bar = progress_bar()
    restored = restore(open_chosen(options), options.run, report=report)
    if bar:
        bar.finish()
    if options.json:
        print_json(msgspec.to_builtins(restored))
    else:
        print(f"Run {restored.run}: {restored.state}. {restored.done} items are back.")
        if restored.skipped:
            print(f"{len(restored.skipped)} skipped:")
            print_table([(skipped.item, skipped.reason) for skipped in restored.skipped])
    if restored.message:
        say(restored.message)
    return {"done": 0, "partial": 5}.get(restored.state, 1)
