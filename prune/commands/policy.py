"""`prune policy check`, `explain` and `import`: retention policies without carrying anything out."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from prune.commands.output import clean, print_json, print_table, progress_bar, say
from prune.commands.plan import parse_time, write_file
from prune.commands.policy_file import add_facts, find_facts, read_policy_file, read_text_file
from prune.commands.source import add_source, open_chosen
from prune.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prune.policy.explain import Explanation


def arguments(parser: ArgumentParser) -> None:
    """Declare the three."""
    ways = parser.add_subparsers(dest="way", metavar="WAY", required=True)
    check = ways.add_parser("check", help="tell what is wrong or suspicious in a policy")
    check.add_argument("file", metavar="FILE", help="a policy, YAML or JSON")
    check.add_argument("--json", action="store_true", help="one JSON object on stdout")
    check.set_defaults(policy_way=_check)
    explain = ways.add_parser("explain", help="tell why a tag or an untagged manifest stays or goes")
    explain.add_argument("file", metavar="FILE", help="a policy, YAML or JSON")
    add_source(explain)
    explain.add_argument("ref", metavar="REF", help="repo:tag or repo@sha256:…")
    add_facts(explain)
    explain.add_argument(
        "--now", metavar="T", help="count ages from this time: seconds since 1970, or 2026-01-31T12:00:00Z"
    )
    explain.add_argument("--json", action="store_true", help="one JSON object on stdout")
    explain.set_defaults(policy_way=_explain)
    import_ = ways.add_parser("import", help="translate a policy of another registry or tool")
    import_.add_argument("kind", metavar="KIND", help="harbor, gitlab, ecr, acr, gar or deckschrubber")
    import_.add_argument("file", metavar="FILE", help="its JSON, or for acr and deckschrubber the command line")
    import_.add_argument("--out", metavar="FILE", help="write the policy here and not to stdout")
    import_.set_defaults(policy_way=_import)


def run(options: Namespace) -> int:
    """Do one of the three."""
    code: int = options.policy_way(options)
    return code


def _check(options: Namespace) -> int:
    """0, also with suspicions; 2 when the file is no policy."""
    import msgspec

    from prune.policy.faults import PolicyError
    from prune.policy.lint import lint

    try:
        policy = read_policy_file(options.file)
    except PolicyError as error:
        if options.json:
            print_json({"ok": False, "faults": msgspec.to_builtins(error.faults), "warnings": []})
        else:
            print(f"{clean(options.file)} is no policy:")
            print_table([(f"line {fault.line}", fault.key, fault.message) for fault in error.faults])
        return 2
    warnings = lint(policy)
    if options.json:
        print_json({"ok": True, "digest": policy.digest(), "faults": [], "warnings": msgspec.to_builtins(warnings)})
        return 0
    counts = f"{len(policy.protect)} protect, {len(policy.keep)} keep and {len(policy.delete)} delete rules"
    print(f"{clean(options.file)} is a policy with {counts}.")
    if warnings:
        print("It looks suspicious:")
        print_table([(warning.rule or "-", warning.message) for warning in warnings])
    return 0


def _explain(options: Namespace) -> int:
    """0; 3 when the scan is incomplete."""
    import msgspec

    from prune.policy.explain import explain

    now = parse_time(options.now) if options.now else int(time.time())
    policy = read_policy_file(options.file)
    facts = find_facts(options, now)
    report, bar = progress_bar()
    snapshot = open_chosen(options).scan(report, configs=True)
    if bar:
        bar.finish()
    explanation = explain(snapshot, facts, policy, now, options.ref)
    if options.json:
        print_json(msgspec.to_builtins(explanation))
    else:
        _describe(explanation)
    if not snapshot.complete:
        say("The scan is incomplete: what could not be read stays.")
        return 3
    return 0


def _import(options: Namespace) -> int:
    """0; the policy is YAML with comments where its meaning differs."""
    from prune.policy.importers.draft import MAX_BYTES
    from prune.policy.importers.translate import import_policy

    try:
        text = read_text_file(options.file, "file", MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{options.file} is not UTF-8 text.") from None
    policy = import_policy(options.kind, text)
    if options.out:
        write_file(options.out, policy.encode())
    else:
        print(policy, end="")
    return 0


def _describe(explanation: Explanation) -> None:
    print(clean(f"{explanation.ref}: {explanation.because}"))
    if explanation.times:
        print("What is known of it:")
        print_table([(by.replace("_", " "), _moment(time)) for by, time in explanation.times.items()])
    if explanation.rules:
        print("What each rule says:")
        print_table([(rule.section, rule.id, f"{rule.says}: {rule.why}") for rule in explanation.rules])
    for trip in explanation.tripped:
        print(clean(f"The guard {trip.guard} stops it all: {trip.message}"))


def _moment(time: int | None) -> str:
    return "not known" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
