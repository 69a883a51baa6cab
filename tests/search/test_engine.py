"""The engine: order, copies, constraints, retries, budgets, and resuming."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archc.jobs.executor import InProcess, Outcome
from archc.jobs.ledger import Finished, Ledger, LedgerError
from archc.search.engine import Budget, Mismatch, entries
from archc.search.trial import Trial
from tests.search.small import search


class Shuffled(InProcess):
    """An executor whose calls are done in an order of its own."""

    def __init__(self, workers: int, seed: int) -> None:
        super().__init__()
        self.workers, self.rng = workers, random.Random(seed)

    def finished(self) -> list[tuple[int, Outcome[Any, Any]]]:
        return [self._done.pop(self.rng.randrange(len(self._done)))]


class Failing(InProcess):
    """An executor that loses its first calls; -1 for all of them."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses

    def submit(self, function: Callable[[Any], Any], item: Any) -> int:
        self.losses -= 1
        if self.losses >= 0 or self.losses < -1_000_000:
            self._tickets += 1
            self._done.append((self._tickets, Outcome(item, None, RuntimeError("lost"))))
            return self._tickets
        return super().submit(function, item)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger(":memory:", "test") as made:
        yield made


def told(trials: list[Trial]) -> list[tuple[Any, ...]]:
    return [(t.number, t.proposal.point, t.state, t.scores, t.same_as) for t in trials]


@pytest.mark.parametrize("strategy", ["random", "evolution", "local", "reinforce", "tpe"])
@pytest.mark.parametrize("window", [1, 4])
def test_a_run_does_not_depend_on_who_is_faster(strategy: str, window: int, tmp_path: Path) -> None:
    runs = []
    for seed in range(3):
        with Ledger(":memory:", "test") as ledger:
            runs.append(search(tmp_path, ledger, Shuffled(window, seed), strategy=strategy, window=window))
            assert len(entries(ledger.history())) == len(runs[0])
    assert told(runs[0]) == told(runs[1]) == told(runs[2])
    assert [t.number for t in runs[0]] == list(range(len(runs[0])))


def test_the_window_changes_what_a_strategy_knows(tmp_path: Path) -> None:
    found = []
    for window in (1, 4):
        with Ledger(":memory:", "test") as ledger:
            found.append(
                told(search(tmp_path, ledger, Shuffled(window, 0), strategy="evolution", window=window))
            )
    assert found[0] != found[1]


def test_equal_networks_are_evaluated_once(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(tmp_path, ledger, strategy="random", budget=Budget(60))
    digests = [t.digest for t in trials if t.state == "evaluated"]
    copies = [t for t in trials if t.state == "copied"]
    assert len(digests) == len(set(digests)) == 60 and copies
    for trial in copies:
        assert trial.same_as is not None and trial.same_as < trial.number
        assert trial.digest == trials[trial.same_as].digest and trial.scores == trials[trial.same_as].scores
    assert set(ledger.history().finished) == {t.number for t in trials if t.state == "evaluated"}


def test_copies_may_count(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(tmp_path, ledger, strategy="random", budget=Budget(60, copies_count=True))
    assert len(trials) == 60 and any(t.state == "copied" for t in trials)


def test_constraints_hold_before_anything_is_evaluated(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(
        tmp_path, ledger, strategy="evolution", requires=("macs <= 300K", "depth >= 2"), budget=Budget(10)
    )
    assert all(t.figures["macs"] <= 300_000 and t.proposal.point["depth"] >= 2 for t in trials if t.scores)
    assert sum(t.state == "evaluated" for t in trials) == 10


def test_a_search_ends_where_nothing_is_left(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(
        tmp_path, ledger, strategy="grid", requires=("depth == 1", "width == 8"), budget=Budget(10_000)
    )
    assert len({t.digest for t in trials}) == sum(t.state == "evaluated" for t in trials) == 12


@pytest.mark.parametrize("stop_after", [1, 7, 15])
@pytest.mark.parametrize("strategy", ["evolution", "local", "reinforce", "nsga2"])
def test_a_resumed_search_ends_as_an_uninterrupted_one(
    strategy: str, stop_after: int, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(trial: Trial) -> None:
        if trial.number == stop_after:
            raise Stopped

    url = str(tmp_path / "ledger.sqlite")
    with Ledger(":memory:", "test") as whole:
        expected = told(search(tmp_path, whole, Shuffled(4, 1), strategy=strategy, window=4))
        rows = entries(whole.history())
    with Ledger(url, "test") as ledger, pytest.raises(Stopped):
        search(tmp_path, ledger, Shuffled(4, 2), strategy=strategy, window=4, watch=stop)
    with Ledger(url, "test") as ledger:
        before = len(ledger.history().finished)
        assert told(search(tmp_path, ledger, Shuffled(4, 3), strategy=strategy, window=4)) == expected
        assert 0 < before < len(ledger.history().finished)
        assert entries(ledger.history()) == rows


def test_more_trials_go_on_from_fewer(tmp_path: Path) -> None:
    url = str(tmp_path / "ledger.sqlite")
    with Ledger(url, "test") as ledger:
        first = search(tmp_path, ledger, budget=Budget(10))
        second = search(tmp_path, ledger, budget=Budget(25))
    with Ledger(":memory:", "test") as ledger:
        assert told(second) == told(search(tmp_path, ledger, budget=Budget(25)))
    assert told(second)[: len(first)] == told(first)


def test_a_ledger_of_another_search_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    search(tmp_path, ledger, strategy="random", budget=Budget(3))
    with pytest.raises(LedgerError, match="strategy: 'random' then, 'evolution' now"):
        search(tmp_path, ledger, strategy="evolution", budget=Budget(3))


def test_a_ledger_that_differs_fails_loudly(tmp_path: Path) -> None:
    with Ledger(":memory:", "test") as ledger:
        search(tmp_path, ledger, budget=Budget(6))
        rows = ledger.history().asked
    with Ledger(":memory:", "test") as ledger:
        for number, row in rows.items():
            changed = {**row, "point": {**row["point"], "depth": 9}} if number == 4 else row
            ledger.ask(number, changed)
        with pytest.raises(Mismatch, match=r"trial 4 .*\n  point: depth was 9 and is \d"):
            search(tmp_path, ledger, budget=Budget(6))


def test_a_lost_evaluation_is_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(tmp_path, ledger, Failing(2), budget=Budget(4))
    assert [t.state for t in trials if t.state != "copied"] == ["evaluated"] * 4
    assert ledger.history().failures == {0: {1: "RuntimeError: lost", 2: "RuntimeError: lost"}}


def test_what_fails_for_good_is_noted_and_passed_over(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(tmp_path, ledger, Failing(3), budget=Budget(4))
    assert trials[0].state == "failed" and trials[0].reason == "RuntimeError: lost" and not trials[0].scores
    assert ledger.history().finished[0] == Finished({"state": "failed", "reason": "RuntimeError: lost"}, 0.0)
    assert [t.state for t in trials if t.state != "copied"][1:] == ["evaluated"] * 3


def test_an_evaluator_that_gives_no_number_fails_at_once(ledger: Ledger, tmp_path: Path) -> None:
    trials = search(tmp_path, ledger, evaluator="broken", budget=Budget(3))
    assert {t.reason for t in trials} == {"the evaluator gave accuracy = nan"}
    assert ledger.history().failures == {}
