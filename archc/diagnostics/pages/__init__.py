"""The long form of every diagnostic: `CODE.md`, whose first line is `# CODE: title`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).parent


@cache
def titles() -> dict[str, str]:
    """Title of every page by its code, in order of codes."""
    found = {}
    for path in sorted(_DIRECTORY.glob("*.md")):
        with path.open(encoding="utf-8") as file:
            code, _, title = file.readline().lstrip("# ").partition(":")
        found[code.strip()] = title.strip()
    return found


def page(code: str) -> str:
    """The page of a known code, as Markdown; raises KeyError for an unknown one."""
    if code not in titles():
        raise KeyError(code)
    return (_DIRECTORY / f"{code}.md").read_text(encoding="utf-8")
