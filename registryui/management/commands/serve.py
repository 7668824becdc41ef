"""`manage.py serve`: everything in one place, for a first look and for small teams."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import slugify

from registryui import demo
from registryui.models import Registry, Scan
from registryui.permissions import ROLES
from registryui.services import registries, scans
from registryui.services.errors import NotNow

DEMO_STATEMENT = "Demo store: no registry serves it."


class Command(BaseCommand):
    """Prepares the database, scans what there is to show, and runs the web server and a worker until stopped."""

    help = "Run the dashboard: web server and worker, on SQLite unless told otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--source", help="scan this instead of the demo registries")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="first port to try (default 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until interrupted."""
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        with _only_one(settings.DATA_DIR / "serve.lock"):
            call_command("migrate", verbosity=0)
            passwords = self._people()
            for registry in self._registries(options["source"]):
                self._scan(registry)
            self._run(options["host"], _free_port(options["host"], options["port"]), passwords)

    def _people(self) -> Path:
        """Make one user for each role when there is nobody yet; return the file with their passwords."""
        file: Path = settings.DATA_DIR / "demo-passwords"
        if User.objects.exists():
            return file
        lines = []
        for role in ROLES:
            password = "-".join(secrets.token_hex(3) for _ in range(3))
            user = User.objects.create_user(role, password=password, is_staff=role == "admin")
            user.groups.add(Group.objects.get(name=role))
            if role == "admin":
                user.is_superuser = True
                user.save()
            lines.append(f"{role:10} {password}")
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write("\n".join(lines) + "\n")
        return file

    def _registries(self, source: str | None) -> list[Registry]:
        if source:
            return [self._own(source)]
        if not Registry.objects.exists():
            self.stderr.write("Making two demo registries …")
        folder = settings.DATA_DIR / "demo"
        found = []
        for slug, title, build in (
            ("demo", "Demo shop (V2 storage)", demo.build_v2),
            ("seed", "The seed's graphs (V1 storage)", demo.build_v1),
        ):
            build(folder / slug)
            registry = Registry.objects.filter(slug=slug).first()
            if registry is None:
                registry = registries.add(
                    None,
                    Registry(
                        slug=slug,
                        title=title,
                        source=f"storage:{folder / slug}",
                        control_statement=DEMO_STATEMENT,
                        run_on_approval=True,
                    ),
                )
            found.append(registry)
        return found

    def _own(self, source: str) -> Registry:
        try:
            name, _, _ = registries.check(Registry(source=source))
        except NotNow as error:
            raise CommandError(str(error)) from None
        known = Registry.objects.filter(source=name).first()
        if known is not None:
            return known
        title = name.partition(":")[2].rstrip("/") or name
        slug = base = slugify(title.replace("/", " "))[-40:].strip("-") or "registry"
        number = 2
        while Registry.objects.filter(slug=slug).exists():
            slug, number = f"{base}-{number}", number + 1
        return registries.add(None, Registry(slug=slug, title=title[:120], source=name))

    def _scan(self, registry: Registry) -> None:
        """Scan now what was never scanned; what was is looked at again by the worker."""
        scan = scans.request(None, registry)
        if registry.last_scan_id is None:
            self.stderr.write(f"Scanning {registry.source} …")
            scans.perform(scan.pk)
            scan.refresh_from_db()
            if scan.state == Scan.State.FAILED:
                raise CommandError(scan.message)

    def _run(self, host: str, port: int, passwords: Path) -> None:
        environment = os.environ | {"REGISTRYUI_DATA_DIR": str(settings.DATA_DIR)}
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)]
        web += ["--workers", "1", "--blocking-threads", "4", "--log-level", "warning", "registryui.wsgi:application"]
        over = False

        def stop(signum: int, frame: object) -> None:
            nonlocal over
            over = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        commands = {"web": web, "worker": [*manage, "worker"]}
        # A session of their own: Ctrl-C reaches this process, which then stops them in order.
        children = {name: _start(command, environment) for name, command in commands.items()}
        try:
            url = f"http://{host}:{port}/"
            if _answers(url + "healthz", children["web"], lambda: over):
                self.stdout.write(self._welcome(url, passwords))
                self.stdout.flush()
            while not over:
                time.sleep(0.3)
                for name, child in children.items():
                    if child.poll() is not None and not over:
                        self.stderr.write(f"The {name} process ended ({child.returncode}); starting it again.")
                        time.sleep(0.5)
                        children[name] = _start(commands[name], environment)
        finally:
            for child in children.values():
                child.terminate()
            for child in children.values():
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def _welcome(self, url: str, passwords: Path) -> str:
        line = f"registryui is ready at {url}"
        if passwords.exists():
            people = [" ".join(line.split()) for line in passwords.read_text().splitlines()]
            line += " - log in (name password): " + ", ".join(people)
        return line


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError("The dashboard is running already on this data folder; stop that one first.") from None
        yield


def _free_port(host: str, first: int) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise CommandError(f"No free port from {first} to {first + 99}; choose another with --port.")


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, start_new_session=True)


def _answers(url: str, web: subprocess.Popen[bytes], over: Any) -> bool:
    for _ in range(300):
        if over() or web.poll() is not None:
            return False
        with contextlib.suppress(OSError), urlopen(url, timeout=2) as answer:  # noqa: S310  # our own address
            return bool(answer.status == 200)
        time.sleep(0.1)
    return False
