"""What people install is what was tested."""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def pinned(name: str) -> dict[str, str]:
    """Return the packages of a lock with what is pinned: versions, and where they are for."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(.+?) ?\\?$", (REQUIREMENTS / name).read_text(), re.MULTILINE))


def test_it_runs_with_the_packages_that_it_is_tested_with():
    runs, tested = pinned("base.txt"), pinned("dev.txt")
    assert len(runs) > 30
    assert {name: tested.get(name) for name in runs} == runs
