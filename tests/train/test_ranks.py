"""Two processes with gloo train as one process with the same batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archc.train.journal import read_journal
from tests.train.ddp_child import PLAIN, main

ROOT = Path(__file__).parents[2]


def test_two_ranks_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    (tmp_path / "plain.arch").write_text(PLAIN)
    main(tmp_path / "one")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "-m", "tests.train.ddp_child", str(tmp_path / "two"),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    one, two = (read_journal(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    assert len(one) == len(two) >= 7
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert b[key] == pytest.approx(a[key], rel=2e-5), key
    assert json.loads((tmp_path / "two" / "result.json").read_text())["hardware"]["processes"] == 2
