"""The Examples of `archc COMMAND --help` run, but for those that take long or need what is not here."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.cli.main import COMMANDS
from tests.cli.support import Run

MYNET = '''"""A network of one's own."""

block pair(x, width: int) { return x -> conv(width, 3) -> batch_norm -> relu }

arch mynet(classes: int = 10, width: int = 64, depth: int = 2) {
  input 3 x 32 x 32
  stem  conv(width, 3) -> relu
  stage depth x pair(width)
  head  global_avg_pool -> linear(classes)
}

variant small = mynet(width = 4)
'''
ELSEWHERE = (
    "train", "evaluate", "predict", "runs", "tune", "search", "bench", "parity", "profile", "export", "lift",
    "latency-table", "edf", "space-report", "completion",
)  # fmt: skip
"""Commands of which tests run shorter lines: they train, time, or need other packages."""
LEFT_OUT = {
    "--measure": "runs the network", "--weights": "has no checkpoint", "runs/first": "has no run",
    "--verify": "runs a large network", "darts point.json": "is another space's point", "myspace": "is no space here",
    "--classes -p repeats=1": "builds 15,625 networks", "--n 100": "takes seconds", "--n 50": "takes seconds",
    "--grid": "takes seconds", "specs/ examples": "the library's own test checks it", "resnet152": "takes seconds",
    "nasnetalarge": "takes seconds", "| dot": "needs Graphviz", ".png": "needs Graphviz", ".svg": "needs Graphviz",
    "archc list": "another line lists", "fmt --check": "has no folder here", "--search": "takes seconds",
}  # fmt: skip
KEPT = ("archc list 'resnet*'", "archc build mynet.arch:small --verify")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the examples name; commands leave there what later ones take."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "mynet.arch").write_text(MYNET)
    (folder / "mine.toml").write_text(
        'name = "mine"\nabout = "mine"\nbandwidth = 1e11\noverhead = 1e-6\n[peak]\nfloat32 = 1e12\n'
    )
    (folder / "point.json").write_text(json.dumps({f"code[{n}]": 3 for n in range(6)}))
    yield folder


def examples(page: str) -> list[str]:
    """The command lines, continued lines joined, what is said beside them left out."""
    lines = page[page.index("Examples:") :].replace("\\\n", " ").splitlines()
    found = [line.strip().partition("  ")[0] for line in lines if line.strip().startswith("archc ")]
    left = [line for line in found if line not in KEPT and any(word in line for word in LEFT_OUT)]
    return [line for line in found if line not in left]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ELSEWHERE])
def test_examples_run(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(place)
    for line in (part for whole in examples(run(command, "--help")[1]) for part in whole.split("&&")):
        words, _, given = line.partition("<")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MYNET.encode() if given else b"")))
        args = shlex.split(words.partition(">")[0] if " > " in words else words)[1:]
        code, out, err = run(*args)
        assert code == 0, f"{line}\n{err}"
        assert out or err or "fmt" in args, line
        assert "\x1b" not in out + err, line


def test_enough_examples_run(run: Run) -> None:
    lines = [line for name in COMMANDS if name not in ELSEWHERE for line in examples(run(name, "--help")[1])]
    assert len(lines) >= 40


def test_help_fits_a_terminal_of_80_columns_or_says_so_by_its_examples(run: Run) -> None:
    for name in COMMANDS:
        page = run(name, "--help")[1]
        options = page[: page.index("Examples:")].splitlines()
        assert max(map(len, options)) <= 80, name
