"""One-shot searches killed by the system at random moments, and begun again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.search.oneshot.searching import SETTINGS

ROOT = Path(__file__).parents[3]
KILLS = 8


def begun(name: str, folder: Path, directory: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.search.oneshot.searching", name, directory]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The batches it took, and what it came to."""
    said = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == 0 and said[-1].startswith("ended")
    return len(said) - 1, said[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_search_goes_on_with_the_same_bits(tmp_path: Path, name: str) -> None:
    batches, whole = ended(begun(name, tmp_path, "whole"))
    chance, taken = random.Random(name), 0
    for _ in range(KILLS):
        with begun(name, tmp_path, "killed") as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 9)):
                assert process.stdout.readline().startswith("batch")
                taken += 1
            time.sleep(chance.random() * 0.05)  # within the step, its saving, or the next
            process.kill()
            taken += sum(line.startswith("batch") for line in process.stdout)
        assert process.returncode == -9
    again, same = ended(begun(name, tmp_path, "killed"))
    assert same == whole
    assert again < batches <= taken + again  # it went on from what was saved, and left nothing out
