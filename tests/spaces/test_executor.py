"""Executors: order, failures, and giving up early."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from archc.jobs.executor import Executor, InProcess, LocalProcesses, local


def square(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number * number


def where(_: int) -> int:
    return os.getpid()


@pytest.fixture(params=[InProcess, lambda: LocalProcesses(2)], ids=["here", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with request.param() as made:
        yield made


def test_map_keeps_the_order(executor: Executor) -> None:
    assert list(executor.map(square, range(12))) == [n * n for n in range(12)]


def test_map_raises_what_a_call_raised(executor: Executor) -> None:
    with pytest.raises(ValueError, match="unlucky"):
        list(executor.map(square, range(20)))


def test_run_goes_on_past_a_failure(executor: Executor) -> None:
    outcomes = {o.item: o for o in executor.run(square, range(16))}
    assert sorted(outcomes) == list(range(16))
    assert str(outcomes[13].error) == "unlucky" and outcomes[13].result is None
    assert all(o.result == i * i for i, o in outcomes.items() if i != 13)


def test_endless_items_are_taken_as_needed(executor: Executor) -> None:
    def numbers() -> Iterator[int]:
        n = 20
        while True:
            yield n
            n += 1

    results = executor.map(square, numbers())
    assert [next(results) for _ in range(3)] == [400, 441, 484]


def test_one_worker_is_this_process() -> None:
    assert isinstance(local(1), InProcess)
    with local(2) as executor:
        assert os.getpid() not in set(executor.map(where, range(4)))
