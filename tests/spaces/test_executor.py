"""Executors: order, failures, workers that die, and giving up early."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from archc.jobs.cluster import RayCluster
from archc.jobs.devices import environments
from archc.jobs.executor import Executor, InProcess, Unfit, WorkerLost
from archc.jobs.processes import LocalProcesses, local


def square(number: int) -> int:
    if number == 13:
        raise ValueError("unlucky")
    return number * number


def rested(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


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


def test_what_was_given_up_is_not_what_is_asked_next() -> None:
    with LocalProcesses(1) as executor:
        slow = executor.run(rested, [0.2, 0.1, 0.1])
        assert next(slow).item == 0.2
        slow.close()  # the worker goes on with the second
        assert [o.result for o in executor.run(square, [5, 6])] == [25, 36]
        slow = executor.run(rested, [0.0, 0.2])
        next(slow)
        ticket = executor.submit(square, 7)
        assert [(t, o.result) for t, o in executor.finished()] == [(ticket, 49)]


def test_a_worker_that_dies_idle_is_replaced_and_its_pipe_closed() -> None:
    with LocalProcesses(1) as executor:
        (first,) = executor.map(where, [0])
        lost = executor._slots[0]
        assert lost is not None
        os.kill(first, signal.SIGKILL)
        lost.process.join()
        assert next(executor.map(where, [0])) != first
        assert lost.pipe.closed


class OneByOne:
    """As much of Ray as an executor asks for: calls are done when they are waited for."""

    def __init__(self) -> None:
        self.cancelled: list[Any] = []
        self.exceptions = SimpleNamespace(**{
            name: type(name, (Exception,), {})
            for name in ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "RayTaskError", "RayError")
        })  # fmt: skip

    def remote(self, function: Any, item: Any) -> Any:
        return (function, item)

    def wait(self, references: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        return reference[0](reference[1])

    def cancel(self, reference: Any, force: bool) -> None:
        self.cancelled.append(reference[1])


@pytest.mark.parametrize("method", ["map", "run"])
def test_a_cluster_cancels_what_is_given_up(method: str) -> None:
    ray, cluster = OneByOne(), RayCluster.__new__(RayCluster)
    cluster.workers, cluster._ray, cluster._task, cluster._open = 3, ray, ray, {}
    begun = getattr(cluster, method)(square, range(6))
    next(begun)
    begun.close()
    assert ray.cancelled == [1, 2]
    assert cluster._open == {} and cluster.finished() == []


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
