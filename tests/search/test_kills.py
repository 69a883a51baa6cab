"""A search killed at any time and begun again ends with the ledger of one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archc.jobs.ledger import Ledger
from archc.search.engine import entries
from tests.postgres import server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with server() as url:
        yield url


def begin(url: str, trials: int, strategy: str, where: str = "local") -> subprocess.Popen[bytes]:
    """A search with 4 workers as a process group of its own."""
    command = [sys.executable, "-m", "tests.search.small", url, str(trials), "4", strategy, where]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def ledger_of(url: str) -> list[dict[str, Any]]:
    with Ledger(url, "small") as ledger:
        return entries(ledger.history())


def finished(url: str) -> int:
    with Ledger(url, "small") as ledger:
        return len(ledger.history().finished)


def killed(url: str, expected: list[dict[str, Any]], *, kills: int, trials: int, strategy: str) -> None:
    """Kills a search so many times, each time once it has begun to work, and checks its ledger."""
    rng = random.Random(kills)
    for _ in range(kills):
        before = finished(url)
        assert before < trials, "the search ended between kills: give it more trials"
        process = begin(url, trials, strategy)
        while finished(url) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.05))
        assert process.poll() is None, "the search ended by itself"
        os.kill(process.pid, signal.SIGKILL)  # its workers are left behind
        assert process.wait(60) == -9
    assert begin(url, trials, strategy).wait(300) == 0
    assert ledger_of(url) == expected


def whole(directory: Path, trials: int, strategy: str) -> list[dict[str, Any]]:
    """The ledger of a search that is left alone."""
    url = str(directory / "whole.sqlite")
    assert begin(url, trials, strategy).wait(300) == 0
    rows = ledger_of(url)
    assert sum("state" in row for row in rows) == trials
    return rows


def test_a_killed_search_is_as_one_left_alone(tmp_path: Path) -> None:
    expected = whole(tmp_path, 45, "evolution")
    killed(str(tmp_path / "ledger.sqlite"), expected, kills=2, trials=45, strategy="evolution")


@pytest.mark.slow
def test_50_kills(tmp_path: Path) -> None:
    expected = whole(tmp_path, 290, "evolution")
    killed(str(tmp_path / "ledger.sqlite"), expected, kills=50, trials=290, strategy="evolution")


@pytest.mark.slow
def test_50_kills_on_postgres(tmp_path: Path, postgres: str) -> None:
    expected = whole(tmp_path, 290, "random")
    killed(postgres, expected, kills=50, trials=290, strategy="random")
