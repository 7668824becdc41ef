"""The database goes back as well as forwards; PostgreSQL is in `test_postgresql`."""

import os
import subprocess
import sys

from tests.browser.conftest import ROOT


def there_and_back(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.web.there_and_back"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "registryui.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_sqlite_there_and_back(tmp_path):
    assert there_and_back({"REGISTRYUI_DATA_DIR": str(tmp_path)}) == "13 guards\n"
