"""A real PostgreSQL on a free loopback port: made for one test run, and gone with it."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers import free_port


def programs() -> Path:
    """Return the folder of the newest server that is installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name), reverse=True
    )
    assert found, "PostgreSQL is not installed: scripts/setup.sh test"
    return found[0].parent


class Postgres:
    """A cluster of its own. The server refuses to run as root, so root lends it to the user of the package."""

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(8)
        # A short path: that of a Unix socket must fit into 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.bin = programs()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    @property
    def url(self) -> str:
        return f"postgresql://registryui:{self.password}@127.0.0.1:{self.port}/registryui"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the user that the cluster belongs to."""
        options = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self) -> "Postgres":
        data, word = str(self.folder / "data"), self.folder / "password"
        word.write_text(self.password)
        word.chmod(0o644)
        options = ["-D", data, "-U", "registryui", "-A", "scram-sha-256", f"--pwfile={word}", "--no-sync"]
        # A collation that people have, not the bytes' own: sorting and prefixes must work under it.
        self.run("initdb", *options, "-E", "UTF8", "--locale-provider=icu", "--icu-locale=en-US")
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", data, "-l", log, "-w", "-t", "60", "-o", settings, "start")
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "registryui", "registryui")
        return self

    def stop(self) -> None:
        if (self.folder / "data/postmaster.pid").exists():
            self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
