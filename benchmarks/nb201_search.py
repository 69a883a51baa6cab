"""Search strategies on NAS-Bench-201's table, against the figures of its papers, through `archc search`'s own engine.

A query is a look-up of 12-epoch validation accuracy; what is reported is the 200-epoch test accuracy of the best seen.
As in the papers a network seen before counts as a query. NSGA-II is measured by the hypervolume it covers of validation
accuracy against FLOPs.

Usage: python -m benchmarks.nb201_search nb201_table.parquet [--seeds 500] [--controller-seeds 200] [--only evolution nsga2] [--jobs 2]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archc.jobs.executor import InProcess
from archc.jobs.ledger import Ledger
from archc.jobs.processes import local
from archc.search.engine import Budget, Search
from archc.search.objectives import front
from archc.search.plan import Plan, TablePlan, prepared
from archc.search.table import table
from archc.search.trial import Trial
from archc.spaces.space import Request

DATASETS = {"CIFAR-10": "c10", "CIFAR-100": "c100", "ImageNet16-120": "in16"}
PUBLISHED = {"random": 93.76, "evolution": 93.91, "local": 94.09, "reinforce": 93.79}  # CIFAR-10, 500 seeds
OPTIONS: dict[str, dict[str, object]] = {
    "evolution": {"population": 10, "sample": 3},
    "reinforce": {"lr": 0.01, "decay": 0.9},
    "nsga2": {"population": 20, "mutation": 0.3},
}
AT_ONCE = 10
"""Seeds of one call to a worker."""


@dataclass(frozen=True)
class Runs:
    """Some runs of a strategy: seeds from `first` on."""

    table: str
    strategy: str
    data: str
    first: int
    number: int
    queries: int


def searched(
    path: str, strategy: str, metrics: Sequence[str], report: str, seed: int, budget: Budget
) -> list[Trial]:
    """One search of the table."""
    plan = Plan(
        Request("nb201", seed), strategy, OPTIONS.get(strategy, {}), TablePlan(Path(path), metrics[0].lstrip("-"), report),
        objectives=tuple(metrics), budget=budget,
    )  # fmt: skip
    found = prepared(plan)
    with Ledger(":memory:", "search") as ledger:
        return Search(
            found.request, found.networks, found.strategy, found.evaluator, ledger, InProcess(), found.objectives,
            budget,
        ).run()  # fmt: skip


def reported(runs: Runs) -> list[float]:
    """Test accuracies of the best seen, a run each."""
    test, found = f"{runs.data}_test200", []
    for seed in range(runs.first, runs.first + runs.number):
        budget = Budget(runs.queries, copies_count=True)
        trials = searched(runs.table, runs.strategy, [f"{runs.data}_val12"], test, seed, budget)
        assert len(trials) == runs.queries
        found.append(max(trials, key=lambda t: t.scores[0]).metrics[test])
    return found


def hypervolume(points: Sequence[tuple[float, float]], low: tuple[float, float]) -> float:
    """The area that points dominate above a reference point; both are better when higher."""
    area, reached = 0.0, low[1]
    for i in front(points):  # falling in the first, rising in the second
        x, y = points[i]
        area += max(0.0, x - low[0]) * max(0.0, y - reached)
        reached = max(reached, y)
    return area


def covered(runs: Runs) -> list[float]:
    """Hypervolumes over that of the exact front, a run each; the reference point is the worst of both columns."""
    accuracy, flops = f"{runs.data}_val12", "c10_flops"
    everything = [(r.figures[accuracy], -r.figures[flops]) for r in table(Path(runs.table)).rows.values()]
    low = (min(a for a, _ in everything), min(f for _, f in everything))
    exact = hypervolume(everything, low)
    found = []
    for seed in range(runs.first, runs.first + runs.number):
        metrics = [accuracy, f"-{flops}"]
        trials = searched(runs.table, "nsga2", metrics, "", seed, Budget(runs.queries, copies_count=True))
        assert len(trials) == runs.queries
        found.append(hypervolume([(t.scores[0], t.scores[1]) for t in trials], low) / exact)
    return found


def chunks(path: str, strategy: str, data: str, seeds: int, queries: int) -> list[Runs]:
    return [
        Runs(path, strategy, data, first, min(AT_ONCE, seeds - first), queries)
        for first in range(0, seeds, AT_ONCE)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--controller-seeds", type=int, default=200)
    parser.add_argument("--front-seeds", type=int, default=20)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[*PUBLISHED, "nsga2"], help="strategies")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with local(given.jobs) as executor:
        print(
            f"{given.queries} queries; mean ± standard deviation over seeds; published: CIFAR-10, 500 seeds"
        )
        for strategy, published in PUBLISHED.items():
            if strategy not in given.only:
                continue
            seeds = given.controller_seeds if strategy == "reinforce" else given.seeds
            for name, data in DATASETS.items():
                begun = time.perf_counter()
                runs = chunks(given.table, strategy, data, seeds, given.queries)
                found = [a for some in executor.map(reported, runs) for a in some]
                beside = f"  published {published:.2f}" if data == "c10" else ""
                print(
                    f"{strategy:10} {name:15} {statistics.mean(found):.2f} ± {statistics.stdev(found):.2f}"
                    f"  n = {len(found)}  {time.perf_counter() - begun:.0f} s{beside}",
                    flush=True,
                )
        if "nsga2" not in given.only:
            return
        begun = time.perf_counter()
        runs = chunks(given.table, "nsga2", "c10", given.front_seeds, 10 * given.queries)
        runs = [
            Runs(r.table, r.strategy, r.data, s, 1, r.queries)
            for r in runs
            for s in range(r.first, r.first + r.number)
        ]
        shares = [a for some in executor.map(covered, runs) for a in some]
        print(
            f"nsga2      CIFAR-10 against FLOPs, {10 * given.queries:,} queries: {statistics.mean(shares):.4f} of the exact"
            f" front's hypervolume, {min(shares):.4f} at worst  n = {len(shares)}  {time.perf_counter() - begun:.0f} s"
        )


if __name__ == "__main__":
    main()
