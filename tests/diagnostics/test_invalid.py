"""A bad spec in `tests/invalid` and the whole of what is said of it.

To add a case, write `NAME.arch` and run with `UPDATE_GOLDEN=1`; then read `NAME.txt` as its author would.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from archc.diagnostics import Diagnostic, render
from archc.elaborate import check
from tests.diagnostics.codes import BEYOND_SPECS, OF_SPECS

FOLDER = Path(__file__).parents[1] / "invalid"
SPECS = sorted(FOLDER.glob("*.arch"))
GOLDEN = sorted(FOLDER.glob("*.txt"))


def problems(path: Path) -> list[Diagnostic]:
    """What `archc check NAME.arch` finds, run where the file is."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        return check(path.name)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_messages(path: Path) -> None:
    found = problems(path)
    said = "\n\n".join(map(render, found)) + "\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert found
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_messages_do_not_depend_on_what_was_checked_before(path: Path) -> None:
    assert list(map(render, problems(path))) == list(map(render, problems(path)))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_every_message_is_complete(path: Path) -> None:
    """It points into a spec, says in a few words what is wrong there, and speaks the language of specs."""
    for found in problems(path):
        assert found.span.source.name.endswith(".arch")
        assert 0 <= found.span.start <= found.span.end <= len(found.span.source.text)
        said = render(found)
        assert found.label or found.help or found.notes, said
        assert not re.search(r"<\w+ object|\bNone\b is|Traceback|\bMISSING\b|<poison>|<missing>", said), said
        assert len(found.message) <= 200
        assert all(len(line) <= 400 for line in said.splitlines())


def test_there_are_specs_and_each_has_its_messages() -> None:
    assert len(SPECS) > 60
    assert [p.stem for p in GOLDEN] == [p.stem for p in SPECS]


def test_every_code_a_spec_can_show_has_one() -> None:
    shown = {
        code for path in GOLDEN for code in re.findall(r"^\w+\[(\w+)\]", path.read_text(), flags=re.MULTILINE)
    }
    wanted = set(OF_SPECS) - set(BEYOND_SPECS)
    assert wanted - shown == set()
    assert shown - wanted == set()
