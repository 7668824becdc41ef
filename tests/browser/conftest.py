"""The dashboard as a stranger starts it, and real Chromium in front of it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.servers import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[2]


class Dashboard:
    """A running `manage.py serve` on a data folder of its own."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        port = free_port()
        environment = os.environ | {"REGISTRYUI_DATA_DIR": str(data), "REGISTRYUI_LEASE_SECONDS": "3"}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve", "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        self.environment = environment
        self.lines: list[str] = []
        self.ready = ""
        timer = threading.Timer(300, self.process.kill)
        timer.start()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("registryui is ready"):
                self.ready = line
                break
        timer.cancel()
        assert self.ready, "".join(self.lines)
        threading.Thread(target=self._drain, daemon=True).start()
        self.url = re.search(r"http://\S+/", self.ready)[0].rstrip("/")
        self.passwords = dict(re.findall(r"(viewer|proposer|approver|admin) ([0-9a-f-]+)", self.ready))

    def _drain(self) -> None:
        with self.process.stdout:
            self.lines += self.process.stdout

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=ROOT,
            check=False,
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)


@pytest.fixture
def dashboard(tmp_path) -> Iterator[Dashboard]:
    started = Dashboard(tmp_path / "data")
    yield started
    started.stop()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    # For one test only: while it is there, an event loop runs in this thread, which Django would not have.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """One person at one browser; whatever the console or the policy complains about fails the test."""

    def __init__(self, chromium: Browser, dashboard: Dashboard, **options) -> None:
        self.context: BrowserContext = chromium.new_context(base_url=dashboard.url, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.dashboard = dashboard
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self, name: str) -> "Visitor":
        self.page.goto("/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", self.dashboard.passwords[name])
        self.page.click("button:has-text('Log in')")
        # The page that asks ends in a slash as well: what comes next must not overtake the answer.
        self.page.wait_for_url(lambda url: not url.endswith("/login/"))
        return self

    def shot(self, name: str) -> None:
        folder = ROOT / "test-output"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(folder / f"{name}.png"), full_page=True)

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []


@pytest.fixture
def visit(chromium, dashboard):
    visitors = []

    def come(name: str, **options) -> Visitor:
        visitor = Visitor(chromium, dashboard, **options).log_in(name)
        visitors.append(visitor)
        return visitor

    yield come
    for visitor in visitors:
        visitor.close()
