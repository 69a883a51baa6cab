"""docs/models.md is what the library says today."""

from __future__ import annotations

from tools.models import PAGE, page


def test_models_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run `python tools/models.py`"
