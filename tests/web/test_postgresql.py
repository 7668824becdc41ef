"""The dashboard on PostgreSQL: constraints, guards, scans and pages once more, and what only it can show.

SQLite lets one writer in at a time; that two people or two workers really meet in a row is seen here.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.browser.conftest import ROOT
from tests.postgres import Postgres
from tests.web.test_migrations import there_and_back

pytestmark = pytest.mark.real

#: Where constraints, triggers, locks and read models are tested.
FILES = [
    "tests/web/test_proposals.py",
    "tests/web/test_scans.py",
    "tests/web/test_scale.py",
    "tests/web/test_search.py",
    "tests/web/test_selection.py",
    "tests/web/test_history.py",
    "tests/web/test_events.py",
    "tests/web/on_postgresql.py",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    made = Postgres()
    try:
        yield made.start()
    finally:
        made.stop()


def test_migrations_there_and_back(server, tmp_path):
    place = {"REGISTRYUI_DATABASE_URL": server.url, "REGISTRYUI_DATA_DIR": str(tmp_path)}
    assert there_and_back(place) == "8 guards\n"


def test_the_dashboard_on_postgresql(server, tmp_path):
    environment = os.environ | {
        "REGISTRYUI_DATABASE_URL": server.url,
        "REGISTRYUI_DATA_DIR": str(tmp_path),
        "PYTEST_ADDOPTS": "",
    }
    # Workers of the outer run are none of the inner one's business.
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
