"""How soon the main pages stand there to be read: largest contentful paint in Chromium, from a server on loopback,
with nothing in the browser's cache."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.error import URLError
from urllib.request import urlopen

ROUNDS = 5
MAIN = (
    "registries", "registry", "largest repository", "repository, graph", "image, a base", "proposals",
    "proposal of 500", "items of 500", "run", "search, a tag", "trash", "history", "deletions", "tags over time",
)  # fmt: skip
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PAINT = """new Promise((tell) => new PerformanceObserver((list) => tell(list.getEntries().at(-1).startTime))
  .observe({ type: "largest-contentful-paint", buffered: true }))"""
SENT = """["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .reduce((sum, one) => sum + one.transferSize, 0)"""


class Painted:
    """One page: milliseconds until the largest of what is seen first was painted, in the slowest of ``ROUNDS``, and
    bytes that came over the wire, styles and scripts included."""

    def __init__(self, name: str, milliseconds: float, sent: int) -> None:
        self.name = name
        self.milliseconds = milliseconds
        self.sent = sent


def paints(addresses: dict[str, str], session: str) -> Iterator[Painted]:
    """Open each of the main pages, once to warm the server up and ``ROUNDS`` times in an empty browser."""
    from django.conf import settings
    from playwright.sync_api import sync_playwright

    with _served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}
        for name in MAIN:
            took, sent = [], 0
            for number in range(ROUNDS + 1):
                with closing(browser.new_context()) as context:
                    context.add_cookies([cookie])
                    page = context.new_page()
                    page.goto(url + addresses[name], wait_until="load", timeout=120_000)
                    if number:
                        took.append(page.evaluate(PAINT))
                        sent = page.evaluate(SENT)
            yield Painted(name, max(took), sent)
        browser.close()


@contextmanager
def _served() -> Iterator[str]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "4", "--log-level", "warning", "registryui.wsgi:application"]
    with subprocess.Popen(command) as server:
        try:
            yield _ready(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()


def _ready(url: str, server: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        try:
            with urlopen(f"{url}/healthz", timeout=2):
                return url
        except URLError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit("The server of the pages does not answer.")
