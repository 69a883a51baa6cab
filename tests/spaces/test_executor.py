"""Executors: order, failures, workers that die, and giving up early."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from archc.jobs.devices import environments
from archc.jobs.executor import Executor, InProcess, Unfit, WorkerLost
from archc.jobs.processes import LocalProcesses, local


def square(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number * number


def where(_: int) -> int:
    return os.getpid()


def doomed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise Unfit("the device is lost")
    return os.getpid()


def device(_: int) -> str:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "") + "/" + os.environ.get("OMP_NUM_THREADS", "")


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
    # what was given up does not turn up in what is asked next
    assert list(executor.map(square, range(5))) == [0, 1, 4, 9, 16]


def test_one_worker_is_this_process() -> None:
    assert isinstance(local(1), InProcess)
    with local(2) as executor:
        assert os.getpid() not in set(executor.map(where, range(4)))


def test_a_worker_that_dies_is_replaced_and_costs_its_item_alone() -> None:
    with LocalProcesses(1) as executor:
        outcomes = {o.item: o for o in executor.run(doomed, range(8))}
    assert isinstance(outcomes[3].error, WorkerLost) and "SIGKILL" in str(outcomes[3].error)
    assert isinstance(outcomes[5].error, Unfit)
    done = {i: o.result for i, o in outcomes.items() if o.error is None}
    assert sorted(done) == [0, 1, 2, 4, 6, 7]
    # a fresh process after each of the two
    assert [len({done[i] for i in group}) for group in ((0, 1, 2), (4,), (6, 7))] == [1, 1, 1]
    assert len(set(done.values())) == 3


def test_devices_are_shared_out_and_cores_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    shared = environments(3)
    cores = str(max(1, len(os.sched_getaffinity(0)) // 3))
    assert shared == [{"OMP_NUM_THREADS": cores, "CUDA_VISIBLE_DEVICES": name} for name in ("2", "5")]
    assert environments(3, "cpu") == [{"OMP_NUM_THREADS": cores}]
    with LocalProcesses(3, [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]) as executor:
        seen = [executor._give(slot, device, 0) for slot in range(3)]
        answers: dict[int, str] = {}
        while len(answers) < 3:
            answers |= {ticket: result for ticket, result, _ in executor._answers()}
    assert [answers[t] for t in seen] == ["2/", "5/", "2/"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,5"
