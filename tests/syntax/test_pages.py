"""What `archc explain` says about syntax errors is true: its examples fail as told, its remedies parse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archc.diagnostics.pages
import archc.syntax
from tests.syntax.support import codes

PAGES = Path(archc.diagnostics.pages.__file__).parent
SOURCES = sorted(Path(archc.syntax.__file__).parent.glob("*.py"))
RAISED = sorted(
    {code for path in SOURCES for code in re.findall(r'"(E01\d\d)"', path.read_text(encoding="utf-8"))}
)
WITHOUT_EXAMPLE = {"E0109", "E0110", "E0113", "E0114"}  # of bytes, sizes and counts, which a page cannot show


def test_the_codes_are_found() -> None:
    assert len(RAISED) > 25


def test_each_code_has_a_page_and_each_page_a_code() -> None:
    assert [path.stem for path in sorted(PAGES.glob("E01*.md"))] == RAISED


@pytest.mark.parametrize("code", RAISED)
def test_page(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*$", text, flags=re.MULTILINE)
    example = [] if code in WITHOUT_EXAMPLE else ["## Example"]
    assert headings[0].startswith(f"# {code}: ")
    assert headings[1:] == ["## What", "## Why", *example, "## Instead"]
    shown = re.findall(r"```arch\n(.*?)```", text, flags=re.DOTALL)
    if code not in WITHOUT_EXAMPLE:
        wrong, right = shown
        assert set(codes(wrong)) == {code}
        assert codes(right) == []
