"""`prune tree`: the image graph as text."""

from argparse import ArgumentParser, Namespace

from prune.commands.output import progress_bar
from prune.commands.source import add_source, chosen_repositories, open_chosen


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("--repository", metavar="GLOB", help="only repositories whose name matches")


def run(options: Namespace) -> int:
    """Print the graph; 0, or 3 when not everything could be read."""
    from prune.drawing.text import render_text
    from prune.graph.images import image_graph

    report, bar = progress_bar()
    snapshot = open_chosen(options).scan(report)
    if bar:
        bar.finish()
    names = chosen_repositories(snapshot, options.repository)
    print(render_text(image_graph(snapshot, names)))
    return 0 if snapshot.complete else 3
