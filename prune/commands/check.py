"""`prune check`: connect, and say what the source is and what it can do. Reads no images, changes nothing."""

from argparse import ArgumentParser, Namespace

from prune.commands.output import print_json, print_table
from prune.commands.source import add_source, open_chosen


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: Namespace) -> int:
    """Connect and print; 0, or 1 when there is no registry to be reached."""
    import msgspec

    from prune.sources.docker_engine.source import DockerEngine
    from prune.sources.registry_v1.source import RegistryV1
    from prune.sources.registry_v2.source import Found, RegistryV2

    source = open_chosen(options)
    match source:
        case RegistryV1() | RegistryV2():
            found = source.test()
        case DockerEngine():
            found = Found(source.test(), catalog=True, authenticated=False)
        case _:
            found = Found("", catalog=True, authenticated=False)
    abilities = [msgspec.to_builtins(one) for one in found.abilities]
    if options.json:
        print_json({"source": source.name, "kind": source.kind, "server": found.server, "abilities": abilities})
        return 0
    print(f"{source.name} ({source.kind})" + (f", {found.server}" if found.server else ""))
    signs = {True: "yes", False: "no", None: "?"}
    print_table([(one.name, signs[one.has], f"{one.means} {one.how}".strip()) for one in found.abilities])
    return 0
