"""`prune plan`: what would go, what stays and why, and the bytes. Writes nothing but the plan file."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime

from msgspec import UNSET

from prune.commands.output import human_bytes, print_table, progress_bar, say
from prune.commands.policy_file import add_facts, find_facts, read_policy_file
from prune.commands.source import add_source, open_chosen
from prune.model.digest import short
from prune.model.duration import parse_duration
from prune.model.errors import UsageError
from prune.model.plan import Kept, Plan, Request


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument(
        "--delete",
        action="append",
        default=[],
        metavar="REF",
        help="repo, repo:tag or repo@sha256:…; may be repeated",
    )
    parser.add_argument("--sweep", action="store_true", help="also what nothing references already")
    parser.add_argument("--policy", metavar="FILE", help="what a retention policy (YAML or JSON) lets go")
    add_facts(parser)
    parser.add_argument(
        "--grace", default="24h", metavar="AGE", help="nothing younger is taken as garbage (default 24h)"
    )
    parser.add_argument(
        "--uploads-older-than",
        metavar="AGE",
        help="with --sweep: only uploads that were left alone for longer (default: as --grace)",
    )
    parser.add_argument(
        "--empty-repositories",
        action="store_true",
        help="with --sweep: also repositories in which nothing is left (V2 storage)",
    )
    parser.add_argument(
        "--now", metavar="T", help="count ages from this time: seconds since 1970, or 2026-01-31T12:00:00Z"
    )
    parser.add_argument("--out", metavar="FILE", help="write the plan here, for `prune apply`")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Plan and print; 0, 3 when the scan is incomplete, 4 when all that was asked for is refused."""
    from prune.model.reference import Reference
    from prune.plan.make import make_plan

    if not options.delete and not options.sweep and not options.policy:
        raise UsageError("Say what to delete: --delete REF, --policy FILE or --sweep.")
    for text in options.delete:
        Reference.parse(text)
    grace = parse_duration(options.grace)
    if options.uploads_older_than is not None and not options.sweep:
        raise UsageError("--uploads-older-than says which uploads --sweep takes; add --sweep.")
    if options.empty_repositories and not options.sweep:
        raise UsageError("--empty-repositories is a part of a sweep; add --sweep.")
    empty = True if options.empty_repositories else UNSET
    uploads = UNSET if options.uploads_older_than is None else parse_duration(options.uploads_older_than)
    now = parse_time(options.now) if options.now else int(time.time())
    if (options.facts or options.in_use) and not options.policy:
        raise UsageError("--facts and --in-use are for a policy; add --policy FILE.")
    policy = read_policy_file(options.policy) if options.policy else None
    facts = find_facts(options, now) if policy is not None else None
    report, bar = progress_bar()
    snapshot = open_chosen(options).scan(report, configs=policy is not None and policy.needs_configs())
    if bar:
        bar.finish()
    if policy is not None and facts is not None:
        from prune.policy.evaluate import evaluate
        from prune.policy.planning import plan_of

        evaluation = evaluate(snapshot, facts, policy, now)
        for note in evaluation.notes:
            say(note)
        plan = plan_of(
            snapshot,
            policy,
            evaluation,
            now=now,
            delete=options.delete,
            sweep=options.sweep,
            grace=grace,
            uploads_older_than=uploads,
            empty_repositories=empty,
        )
    else:
        request = Request(tuple(sorted(set(options.delete))), options.sweep, grace, None, uploads, empty)
        plan = make_plan(snapshot, request, now=now)
    if options.out:
        write_file(options.out, plan.to_json() + b"\n")
    if options.json:
        print(plan.to_json().decode())
    else:
        describe(plan)
    if not snapshot.complete:
        say("The scan is incomplete: what could not be read, and every blob, stays.")
        return 3
    return 4 if plan.refused and plan.is_empty() and not plan.keep else 0


def parse_time(text: str) -> int:
    """Return seconds since 1970 for an integer or an ISO 8601 time, which must say its zone."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time; write 2026-01-31T12:00:00Z or seconds since 1970.") from None
    if moment.tzinfo is None:
        raise UsageError(f"{text!r} does not say its time zone; add Z or +01:00.")
    return int(moment.timestamp())


def write_file(path: str, body: bytes) -> None:
    """Write a file of the person's own choosing, with one clear sentence when that fails."""
    try:
        with open(path, "wb") as file:
            file.write(body)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from None


def describe(plan: Plan) -> None:
    """Print a plan for a person."""
    delete = plan.delete
    print(f"Plan {short(plan.digest())} for {plan.source}")
    _section("tags", [(f"{tag.repository}:{tag.tag}", short(tag.digest)) for tag in delete.tags])
    _section("manifests", [(item.repository, short(item.digest)) for item in delete.manifests])
    _section("images", [(short(item.id), human_bytes(item.size)) for item in delete.images])
    _section("blobs", [(short(item.digest), human_bytes(item.size)) for item in delete.blobs])
    _section("layer links", [(item.repository, short(item.digest)) for item in delete.layer_links])
    _section("uploads", [(item.repository, item.id, human_bytes(item.size)) for item in delete.uploads])
    _section("whole repositories", [(name,) for name in delete.repositories])
    rows = [(_name(kept), "; ".join(kept.reasons)) for kept in plan.keep]
    _section("", rows, title=f"{len(rows)} stay:")
    _section("", [(refusal.ref, refusal.reason) for refusal in plan.refused], title="Refused:")
    if plan.is_empty():
        print("Nothing goes.")
    print(f"Frees {human_bytes(plan.freed_bytes)} ({plan.freed_bytes} bytes).")


def _section(noun: str, rows: Sequence[Sequence[str]], title: str = "") -> None:
    if not rows:
        return
    print(title or f"{len(rows)} {noun} go:")
    print_table(rows[:40])
    if len(rows) > 40:
        print(f"  and {len(rows) - 40} more")


def _name(kept: Kept) -> str:
    if kept.tag is not None:
        return f"{kept.repository}:{kept.tag}"
    return short(kept.digest or kept.id or "")
