"""`archc explain`: every diagnostic has a page, and what the page shows is true.

The pages of syntax errors show fragments; `tests/syntax/test_pages.py` checks those.
"""

from __future__ import annotations

import re

import pytest

from archc.diagnostics import render
from archc.elaborate import check_text
from tests.diagnostics.codes import BEYOND_SPECS, OF_SPECS, PAGES, RAISED

OF_MEANING = [code for code in OF_SPECS if not code.startswith("E01")]


def sections(code: str) -> dict[str, str]:
    """The text of a page under each of its headings."""
    _, *parts = re.split(r"^## ", (PAGES / f"{code}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(part.split("\n", 1) for part in parts)


def specs(text: str) -> list[str]:
    return re.findall(r"^```arch\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_the_codes_are_found() -> None:
    assert len(RAISED) > len(OF_SPECS) > 120
    assert set(BEYOND_SPECS) < set(OF_SPECS)


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert [path.stem for path in sorted(PAGES.glob("*.md"))] == RAISED


@pytest.mark.parametrize("code", RAISED)
def test_a_page_has_its_parts(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert re.match(rf"# {code}: \S.*[^.]\n\n## What\n", text)
    assert [name for name in sections(code) if name != "Example"] == ["What", "Why", "Instead"]
    assert all(body.strip() for body in sections(code).values())
    assert max(map(len, re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines())) <= 120


@pytest.mark.parametrize("code", OF_MEANING)
def test_an_example_shows_its_mistake_and_no_other(code: str) -> None:
    found = specs(sections(code).get("Example", ""))
    if code in BEYOND_SPECS or code == "E0212":
        assert not found
        return
    (example,) = found
    problems = check_text(example)
    assert {p.code for p in problems} == {code}, "\n".join(map(render, problems))


@pytest.mark.parametrize("code", OF_MEANING)
def test_what_to_write_instead_is_clean(code: str) -> None:
    found = specs(sections(code)["Instead"])
    assert found or not specs(sections(code).get("Example", ""))
    for text in found:
        assert [render(p) for p in check_text(text)] == []
