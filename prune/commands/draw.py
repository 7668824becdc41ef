"""`prune draw`: the diagrams before and after a plan, as .svg, .png or .dot."""

from argparse import ArgumentParser, Namespace

from prune.commands.apply import read_plan_file
from prune.commands.output import progress_bar, say
from prune.commands.plan import write_file
from prune.commands.source import add_source, chosen_repositories, open_chosen
from prune.model.errors import UsageError


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("--plan", metavar="FILE", help="a plan made by `prune plan --out`")
    parser.add_argument("--repository", metavar="GLOB", help="only repositories whose name matches")
    parser.add_argument("--before", metavar="FILE", help="the graph as it is (.svg, .png or .dot)")
    parser.add_argument("--after", metavar="FILE", help="the graph as the plan would leave it")


def run(options: Namespace) -> int:
    """Write the files asked for; 0, or 3 when not everything could be read."""
    from prune.drawing.diagram import draw, render

    if not options.before and not options.after:
        raise UsageError("Say where to draw: --before FILE, --after FILE or both.")
    formats = {path: _format(path) for path in (options.before, options.after) if path}
    plan = read_plan_file(options.plan) if options.plan else None
    report, bar = progress_bar()
    snapshot = open_chosen(options).scan(report)
    if bar:
        bar.finish()
    if plan is not None and plan.source != snapshot.source:
        raise UsageError(f"That plan was made for {plan.source}, not for {snapshot.source}.")
    diagram = draw(snapshot, plan, chosen_repositories(snapshot, options.repository))
    if options.before:
        write_file(options.before, render(diagram, "before", formats[options.before]))
    if options.after:
        write_file(options.after, render(diagram, "after", formats[options.after]))
    if not snapshot.complete:
        say("The scan is incomplete: the drawing shows only what could be read.")
        return 3
    return 0


def _format(path: str) -> str:
    ending = path.rpartition(".")[2].lower()
    if ending not in ("svg", "png", "dot"):
        raise UsageError(f"{path}: the name must end in .svg, .png or .dot.")
    return ending
