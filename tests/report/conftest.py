"""Pages in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from archc.backends.report import report
from archc.ir.graph import Graph
from tests.browser import Open, Opened, chromium


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def open_page(context: BrowserContext, tmp_path: Path) -> Iterator[Open]:
    """Opens a page of graphs from a file; nothing may go wrong in it, nor be asked of a network."""
    opened: list[Opened] = []

    def open_(*graphs: Graph, html: str = "") -> Opened:
        target = tmp_path / f"report{len(opened)}.html"
        target.write_text(html or report(graphs), encoding="utf-8")
        found = Opened(context.new_page())
        found.page.on("console", lambda message: found.problems.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.problems.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))

        def on_dialog(dialog: object) -> None:
            found.problems.append("a dialog opened")
            dialog.dismiss()  # type: ignore[attr-defined]  # playwright's Dialog

        found.page.on("dialog", on_dialog)
        found.page.goto(target.as_uri())
        opened.append(found)
        return found

    yield open_
    for one in opened:
        assert one.problems == []
        assert all(url.startswith(("file:", "about:srcdoc", "data:")) for url in one.requests), one.requests
        one.page.close()
