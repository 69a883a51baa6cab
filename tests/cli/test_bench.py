"""`archc bench`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archc.cli.main import main

NETS = """
from torch import nn

def tiny(width=8):
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())

def fails():
    return nn.Linear(7, 7)
"""
SPEC = "arch tiny() {\n  input 3 x 8 x 8\n  stem conv(8, 3, bias = true) -> relu\n}\n"
QUICK = ("--seconds", "0.01", "--mode")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.arch").write_text(SPEC)
    (tmp_path / "bench_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    peer = ("--against", "bench_nets:tiny", "--batch", "1,2")
    assert main(["bench", "tiny.arch", *peer, *QUICK, "forward,train,build,meta"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny and bench_nets:tiny on 3×8×8: cpu, 1 thread, float32, contiguous"
    assert [line.split()[:2] for line in lines[3:7]] == [
        ["forward", "1"],
        ["forward", "2"],
        ["train", "1"],
        ["train", "2"],
    ]
    assert [line.split()[0] for line in lines[7:9]] == ["build", "meta"]
    assert lines[-1].endswith("runs; CPU time")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tiny.arch", "--threads", "2", "--format", "json", *QUICK, "forward"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert (found["names"], found["threads"], row["clock"], row["ratio"]) == (["tiny"], 2, "wall", None)
    assert row["runs"] >= 5
    assert row["seconds"][0]["median"] > 0
    assert row["memory_bytes"] == [(3 + 8) * 8 * 8 * 4]  # relu works in place


def test_a_peer_that_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tiny.arch", "--against", "bench_nets:fails", *QUICK, "forward"]) == 1
    assert "error: forward, batch 1: bench_nets:fails: RuntimeError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mode", "forwards"), "'forwards' is not one of forward, train, build, meta"),
        (("--batch", "1,0"), "'1,0' is not a list of sizes, such as 1,16"),
        (("--kwargs", "width=2"), "--kwargs goes with --against"),
        (("--seconds", "0"), "0.0 is not in the range"),
    ],
)
def test_usage(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tiny.arch", *words]) == 2
    assert message in capsys.readouterr().err
