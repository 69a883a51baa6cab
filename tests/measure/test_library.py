"""Every network of the library runs as the compiler says and prints as ruff would: one a file, all when slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archc.backends.torch_source import emit
from archc.elaborate.api import catalog, load
from archc.measure.verify import verify


def networks() -> dict[str, str]:
    """File of every network that can be built as it is."""
    return {entry.name: entry.file for entry in catalog() if entry.params is not None}


NETWORKS = networks()
FIRST = {file: name for name, file in reversed(NETWORKS.items())}
NAMES = [pytest.param(n, marks=() if FIRST[f] == n else pytest.mark.slow) for n, f in NETWORKS.items()]


def test_there_are_networks() -> None:
    assert len(NETWORKS) >= 100


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_counted_and_prints_as_formatted(name: str, tmp_path: Path) -> None:
    graph = load(name)
    report = verify(graph, device="meta")
    assert report.ok, [str(m) for m in report.mismatches]
    (tmp_path / "net.py").write_text(emit(graph), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--check",
        "--diff",
        "--isolated",
        "--line-length",
        "110",
    ]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
