"""Every example runs and prints something; every example spec checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import archc
from archc.diagnostics import render
from archc.elaborate import check
from tests.peers import import_timm

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "name"), [("hrnet.arch", "hrnet_w18_small"), ("dla.arch", "dla34")], ids=["hrnet", "dla"]
)
def test_spec_equals_timms_network(spec: str, name: str) -> None:
    import torch

    from archc.measure.parity import parity

    ours = archc.compile(archc.load(ROOT / "examples" / spec, input=(3, 64, 64)))
    report = parity(ours, import_timm().create_model(name), torch.randn(2, 3, 64, 64))
    assert report.ok and not report.differences, report
