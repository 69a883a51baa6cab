"""Every example runs and prints something; every example spec checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archc.diagnostics import render
from archc.elaborate import check

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
SPECS = sorted((ROOT / "examples").glob("*.arch"))


def test_there_are_examples() -> None:
    assert SCRIPTS
    assert SPECS


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_script_runs(path: Path) -> None:
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.name)
def test_spec_checks(path: Path) -> None:
    assert [render(d) for d in check(path)] == []
