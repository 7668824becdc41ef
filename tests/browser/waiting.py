"""Waiting for what a page says after a click that does not leave it."""

from playwright.sync_api import Page


def says(page: Page, text: str) -> None:
    """Wait until the connection test beside the form says ``text``."""
    page.locator("#tested", has_text=text).wait_for(timeout=60_000)
