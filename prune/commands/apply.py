"""`prune apply`: carry a plan out, after checking that it is still true."""

import sys
from argparse import ArgumentParser, Namespace

from prune.commands.output import human_bytes, print_json, print_table, progress_bar, say
from prune.commands.source import add_source, open_chosen
from prune.model.errors import UsageError
from prune.model.plan import Plan, read_plan

#: Larger than any plan that a store of millions of tags can give.
MAX_PLAN_BYTES = 1024 * 1024 * 1024


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("plan", metavar="PLANFILE", help="made by `prune plan --out`")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--no-trash", action="store_true", help="give the bytes back at once; there is no way back then"
    )
    parser.add_argument(
        "--registry-stopped", metavar="REASON", help="your word, on the record, that nobody can push or pull now"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Apply; 0 done, 4 refused, 5 partial, 1 failed."""
    from prune.reclaim.apply import apply

    plan = read_plan_file(options.plan)
    source = open_chosen(options)
    if not options.yes:
        confirm(
            f"This deletes {len(plan.delete.tags)} tags and frees {human_bytes(plan.freed_bytes)} in {plan.source}."
        )
    report, bar = progress_bar()
    outcome = apply(source, plan, stopped=options.registry_stopped, trash=not options.no_trash, report=report)
    if bar:
        bar.finish()
    if options.json:
        print_json(
            {
                "run": outcome.run,
                "plan_digest": outcome.plan_digest,
                "state": outcome.state,
                "done": outcome.done,
                "skipped": [{"item": s.item, "reason": s.reason} for s in outcome.skipped],
                "freed_bytes": outcome.freed_bytes,
                "trash": outcome.trash,
            }
        )
    else:
        print(f"Run {outcome.run}: {outcome.state}. {outcome.done} items, {human_bytes(outcome.freed_bytes)} freed.")
        if outcome.trash:
            print(f"All of it can be brought back: prune restore {options.source} {outcome.run}")
        if outcome.skipped:
            print(f"{len(outcome.skipped)} skipped:")
            print_table([(skipped.item, skipped.reason) for skipped in outcome.skipped])
    if outcome.message:
        say(outcome.message)
    return {"done": 0, "partial": 5}.get(outcome.state, 1)


def read_plan_file(path: str) -> Plan:
    """Return the plan in a file; raise ``UsageError`` when there is none and ``Refused`` when it was edited."""
    try:
        with open(path, "rb") as file:
            body = file.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the plan {path}: {error.strerror}.") from None
    return read_plan(body)


def confirm(question: str) -> None:
    """Ask on a terminal; raise ``UsageError`` elsewhere, or when the answer is no."""
    if not sys.stdin.isatty():
        raise UsageError("Nobody is here to ask: add --yes to go ahead.")
    sys.stderr.write(f"{question} Go ahead? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was done.")
