"""`prune apply`: carry a plan out, after checking that it is still true."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prune.commands.output import human_bytes, print_json, print_table, progress_bar, say
from prune.commands.source import add_source, open_chosen
from prune.model.duration import parse_duration
from prune.model.errors import UsageError
from prune.model.plan import Plan, read_plan
from prune.plan.verification import Verified

if TYPE_CHECKING:
    from prune.reclaim.control.base import Control

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
    add_control(parser)
    parser.add_argument(
        "--verify",
        choices=("sizes", "sampled", "full"),
        default="sizes",
        help="how closely to look at everything that stays, afterwards: that it is there with its sizes (default), "
        "also the sha256 of some blobs, or of every blob",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def add_control(parser: ArgumentParser) -> None:
    """Declare ``--control`` and ``--window``."""
    parser.add_argument(
        "--control",
        metavar="CONTROL",
        help="keep pushes out meanwhile: docker:NAME[,mode=stop|readonly], probe:URL or command:FILE",
    )
    parser.add_argument(
        "--flush-redis",
        metavar="URL",
        help="clear the registry's cache in Redis afterwards: redis://HOST[:PORT][/NUMBER], PRUNE_REDIS_PASSWORD",
    )
    parser.add_argument(
        "--registry-gc",
        action="store_true",
        help="let the registry's own garbage collection remove the blobs, for good (with --control docker:NAME)",
    )
    parser.add_argument(
        "--window", metavar="TIME", default="15m", help="the longest that the registry is held (default 15m)"
    )


def run(options: Namespace) -> int:
    """Apply; 0 done, 4 refused, 5 partial, 1 failed."""
    from prune.reclaim.apply import apply

    if options.control and options.registry_stopped:
        raise UsageError("Give --control or --registry-stopped, not both.")
    control, window = chosen_control(options)
    collector = None
    if options.registry_gc:
        from prune.reclaim.collection.docker import DockerCollector
        from prune.reclaim.control.docker import DockerControl

        if not isinstance(control, DockerControl):
            raise UsageError("--registry-gc needs the registry's container: --control docker:NAME.")
        collector = DockerCollector(control)
    clearing = None
    if options.flush_redis:
        from prune.reclaim.control.base import Stated
        from prune.reclaim.control.cache import Clearing, RedisCache

        cache = RedisCache(options.flush_redis, os.environ.get("PRUNE_REDIS_PASSWORD", ""))
        control = clearing = Clearing(control or Stated(options.registry_stopped or ""), cache)
    plan = read_plan_file(options.plan)
    source = open_chosen(options)
    if not options.yes:
        confirm(
            f"This deletes {len(plan.delete.tags)} tags and frees {human_bytes(plan.freed_bytes)} in {plan.source}."
        )
    report, bar = progress_bar()
    with stopping_in_order():
        outcome = apply(
            source,
            plan,
            stopped=options.registry_stopped,
            control=control,
            window=window,
            collector=collector,
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
                **control_facts(outcome.control, outcome.held_seconds, came_back=outcome.came_back),
            }
        )
    else:
        print(f"Run {outcome.run}: {outcome.state}. {outcome.done} items, {human_bytes(outcome.freed_bytes)} freed.")
        if outcome.held_seconds is not None:
            print(f"The registry was held for {outcome.held_seconds:.1f} s.")
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
    if clearing is not None and clearing.problem:
        say(clearing.problem)
    elif outcome.control and not outcome.restarted and clearing is None and outcome.freed_bytes:
        say("Restart the registry if it keeps a cache of blobs: it may believe in some that are gone.")
    return {"done": 0, "partial": 5}.get(outcome.state, 1) if outcome.came_back else 1


def chosen_control(options: Namespace) -> tuple[Control | None, float]:
    """Return the control of the command line and its window in seconds."""
    window = parse_duration(options.window)
    if window < 1:
        raise UsageError("--window must be at least 1s.")
    if not options.control:
        return None, float(window)
    from prune.reclaim.control.parse import parse_control

    return parse_control(options.control), float(window)


def control_facts(kind: str, seconds: float | None, *, came_back: bool) -> dict[str, Any]:
    """Return what the JSON says of a registry that was under a control other than a person's word."""
    if kind in ("", "stated"):
        return {}
    return {
        "control": {"kind": kind, "seconds": None if seconds is None else round(seconds, 3), "came_back": came_back}
    }


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does: with the registry given back."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
