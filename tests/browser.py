"""A browser without a network, and pages in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium(profile: Path, height: int = 900) -> Iterator[BrowserContext]:
    """A headless Chromium, offline, in windows of 1400 by `height`; profile: an empty directory for it."""
    browser = shutil.which("chromium")
    assert browser, "chromium is not installed: tools/chromium.sh"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=browser,
            headless=True,
            args=list(ARGUMENTS),
            viewport={"width": 1400, "height": height},
        )
        made.set_offline(True)
        made.set_default_timeout(10_000)
        yield made
        made.close()


@dataclass
class Opened:
    """A page and what went wrong in it."""

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def box(self, name: str) -> str:
        return f'[data-key][aria-label="{name}"]'

    def names(self) -> list[str]:
        """Accessible names of all that is drawn."""
        found: list[str] = self.page.eval_on_selector_all(
            "[data-key]", "all => all.map(e => e.getAttribute('aria-label'))"
        )
        return found

    def marked_lines(self) -> list[str]:
        return [text.strip() for text in self.page.locator(".code li.at").all_inner_texts()]


Open = Callable[..., Opened]
