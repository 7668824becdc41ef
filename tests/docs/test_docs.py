"""The documents say what is there."""

import importlib
import re
from argparse import ArgumentParser, _SubParsersAction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented_and_every_documented_one_is_read():
    code = "".join(path.read_text() for path in (ROOT / "registryui").glob("*.py"))
    read = set(re.findall(r'"(REGISTRYUI_[A-Z_]+)"', code))
    documented = set(re.findall(r"^\| `(REGISTRYUI_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert documented == read
    for path in (ROOT / "README.md", ROOT / "docs/operating.md"):
        assert set(re.findall(r"REGISTRYUI_[A-Z_]+", path.read_text())) <= read


def test_every_target_of_make_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/operating.md"):
        assert set(re.findall(r"`make ([a-z-]+)", path.read_text())) <= targets


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs/operating.md", ROOT / "docs/cli.md"])
def test_every_command_and_option_that_is_named_exists(path):
    from prune.cli import _COMMANDS

    options: dict[str, set[str]] = {}
    for name in _COMMANDS:
        parser = ArgumentParser()
        importlib.import_module("prune.commands." + name.replace("-", "_")).arguments(parser)
        parsers = [parser]
        for action in parser._actions:
            if isinstance(action, _SubParsersAction):
                parsers += action.choices.values()
        options[name] = {option for one in parsers for option in one._option_string_actions}
    text = path.read_text()
    for name, rest in re.findall(r"(?:`|\$ )prune ([a-z-]+)([^`\n]*)", text):
        assert name in options, name
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in options[name], (name, option)
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        from django.core.management import get_commands

        assert command in get_commands()


def test_every_link_leads_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), (path, target)


def test_the_readme_shows_what_tree_prints(tmp_path, capsys):
    from prune.cli import main
    from tests.stores import V1Store, seed_branch

    store = V1Store(tmp_path)
    seed_branch(store)
    main(["tree", store.source])
    assert capsys.readouterr().out.strip() in (ROOT / "README.md").read_text()
