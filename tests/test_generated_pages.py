"""The generated pages are what the code says today."""

from __future__ import annotations

from types import ModuleType

import pytest

from tools import blocks_page, models, ops_page


@pytest.mark.parametrize("tool", [blocks_page, models, ops_page], ids=lambda t: t.__name__)
def test_page_is_current(tool: ModuleType) -> None:
    assert tool.PAGE.read_text() == tool.page(), f"run `python -m {tool.__name__}`"
