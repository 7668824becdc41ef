"""`prune apply`: carry a plan out, after checking that it is still true."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from prune.commands.output import human_bytes, print_json, print_table, progress_bar, say
from prune.commands.source import add_source, open_chosen
from prune.model.errors import UsageError
from prune.model.plan import Plan, read_plan
from prune.plan.verification import Verified

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
    parser.add_argument(
        "--verify",
        choices=("sizes", "sampled", "full"),
        default="sizes",
        help="how closely to look at everything that stays, afterwards: that it is there with its sizes (default), "
        "also the sha256 of some blobs, or of every blob",
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
    outcome = apply(
        source,
        plan,
        stopped=options.registry_stopped,
        trash=not options.no_trash,
        depth=options.verify,
        report=report,
    )
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
                "verified": verified_json(outcome.verified),
            }
        )
    else:
        print(f"Run {outcome.run}: {outcome.state}. {outcome.done} items, {human_bytes(outcome.freed_bytes)} freed.")
        if outcome.trash:
            print(f"All of it can be brought back: prune restore {options.source} {outcome.run}")
        if outcome.verified:
            print(describe(outcome.verified))
            print_table([(loss.item, loss.what) for loss in outcome.verified.missing])
        if outcome.skipped:
            print(f"{len(outcome.skipped)} skipped:")
            print_table([(skipped.item, skipped.reason) for skipped in outcome.skipped])
    if outcome.message:
        say(outcome.message)
    return {"done": 0, "partial": 5}.get(outcome.state, 1)


def verified_json(verified: Verified | None) -> dict[str, Any] | None:
    """Return a verification as `apply --json` shows it; ``None`` when the run did not come so far."""
    import msgspec

    if verified is None:
        return None
    shown: dict[str, Any] = msgspec.to_builtins(verified)
    del shown["message"]  # it stands in the message of the run
    return shown


def describe(verified: Verified) -> str:
    """Say what a verification found, in one line."""
    if verified.state == "unknown":
        return "What stays could not be verified."
    there = f"{verified.tags} tags, {verified.manifests} manifests or images and {verified.blobs} blobs stay"
    read = f", {verified.hashed} of them read ({human_bytes(verified.hashed_bytes)})" if verified.hashed else ""
    whole = "all of it is there" if verified.state == "good" else f"{len(verified.missing)} of it are damaged"
    return f"Verified: {there} ({human_bytes(verified.bytes)}{read}); {whole}."


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
