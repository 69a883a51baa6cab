"""A small space whose choice points depend on earlier answers, an evaluator for it, and a search as a process.

Usage: python -m tests.search.small LEDGER TRIALS WORKERS STRATEGY [local|ray]
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archc.jobs.executor import Executor, InProcess
from archc.jobs.ledger import Ledger
from archc.search.engine import Budget, Search
from archc.search.plan import Plan, prepared
from archc.search.trial import Job, Trial
from archc.spaces.space import Request

TEXT = """arch small(depth: int in 1..=3, width: int in {8, 16}) {
  input 3 x 8 x 8
  for i in 0..depth {
    x = x -> pick([conv(width, 3), conv(width, 1), conv(width, 5) -> relu])
    for j in pick([1, 2], k = 1) { x = x -> pick([relu, silu, tanh, gelu]) }
  }
  head global_avg_pool -> linear(10)
}
"""


def write_space(directory: Path) -> str:
    """The space as a file."""
    path = directory / "small.arch"
    path.write_text(TEXT)
    return str(path)


def number_of(point: Mapping[str, Any]) -> float:
    """A number from [0, 1) that a point has, always the same."""
    text = json.dumps(sorted((k, v) for k, v in point.items()))
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12


def score(job: Job) -> dict[str, float]:
    """An evaluator: takes a while that differs from trial to trial."""
    value = number_of(job.point)
    time.sleep(0.005 + 0.03 * (value * 7 % 1))
    return {"accuracy": value}


def quick(job: Job) -> dict[str, float]:
    """The same evaluator, at once."""
    return {"accuracy": number_of(job.point)}


def dying(job: Job) -> dict[str, float]:
    """The evaluator whose process is killed in the middle of trials 3 and 7, the first time."""
    marker = job.place() / "begun"
    if job.number in (3, 7) and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return score(job)


def broken(job: Job) -> dict[str, float]:
    """An evaluator whose results are no numbers."""
    return {"accuracy": float("nan")}


def search(
    directory: Path,
    ledger: Ledger,
    executor: Executor | None = None,
    *,
    evaluator: str = "quick",
    **changes: Any,
) -> list[Trial]:
    """Runs a search of the small space to its end."""
    workers_note = changes.pop("workers_note", False)
    place = changes.pop("place", None)
    watch = changes.pop("watch", lambda trial: None)
    plan = Plan(
        Request(write_space(directory), changes.pop("seed", 0), changes.pop("requires", ())),
        evaluate=f"tests.search.small:{evaluator}",
        metrics=("accuracy",),
        **{"budget": Budget(20), **changes},
    )
    found = prepared(plan)
    ledger.begin(found.identity)
    return Search(
        found.request, found.networks, found.strategy, found.evaluator, ledger, executor or InProcess(),
        found.objectives, plan.budget, found.conditions, window=plan.window, workers_note=workers_note, watch=watch, directory=place,
    ).run()  # fmt: skip


def main(url: str, trials: str, workers: str, strategy: str, where: str = "local") -> None:
    from archc.jobs.cluster import RayCluster
    from archc.jobs.processes import LocalProcesses

    many = int(workers)
    executor = LocalProcesses(many) if where == "local" else RayCluster(many, where)
    with tempfile.TemporaryDirectory() as directory, Ledger(url, "small") as ledger, executor:
        ledger.lock()
        search(
            Path(directory), ledger, executor, evaluator="score", strategy=strategy, window=many,
            budget=Budget(int(trials)), workers_note=where == "local",
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
