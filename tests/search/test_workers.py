"""Searches on workers that die: processes of this machine, and a Ray cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archc.jobs.cluster import ClusterError, RayCluster
from archc.jobs.executor import InProcess
from archc.jobs.ledger import Ledger
from archc.jobs.processes import LocalProcesses
from archc.search.engine import entries
from archc.search.trial import Trial
from tests.search.small import search


class Wide(InProcess):
    """This process, taken for two workers."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = 2


def expected(directory: Path) -> list[dict[str, Any]]:
    """What two workers find that do not die, as the evaluator `dying` has it."""
    with Ledger(":memory:", "test") as ledger:
        for number in (3, 7):
            (directory / "whole" / f"{number:05}").mkdir(parents=True)
            (directory / "whole" / f"{number:05}" / "begun").touch()
        search(directory, ledger, Wide(), evaluator="dying", window=2, place=directory / "whole")
        return entries(ledger.history())


def test_processes_that_die_are_replaced(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "ledger"), "test") as ledger, LocalProcesses(2) as executor:
        search(
            tmp_path,
            ledger,
            executor,
            evaluator="dying",
            window=2,
            place=tmp_path / "trials",
            workers_note=True,
        )
        found = ledger.history()
    assert entries(found) == expected(tmp_path)
    assert set(found.failures) == {3, 7} and all("SIGKILL" in f[1] for f in found.failures.values())


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two machines, as far as Ray can tell, of one CPU each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_cluster_that_loses_workers_and_a_machine(tmp_path: Path, cluster: Any) -> None:
    def lose_a_machine(trial: Trial) -> None:
        if trial.number == 10:
            cluster.remove_node(next(n for n in cluster.list_all_nodes() if not n.head), allow_graceful=False)

    with Ledger(str(tmp_path / "ledger"), "test") as ledger:
        with RayCluster(2, cluster.address) as executor:
            search(
                tmp_path, ledger, executor, evaluator="dying", window=2, place=tmp_path / "trials", watch=lose_a_machine
            )  # fmt: skip
        found = ledger.history()
    assert entries(found) == expected(tmp_path)
    assert all((tmp_path / "trials" / f"{n:05}" / "begun").exists() for n in (3, 7))
    assert found.failures == {}  # Ray began the lost tasks again by itself


@pytest.mark.slow
def test_a_cluster_is_an_executor(tmp_path: Path) -> None:
    from tests.spaces.test_executor import square

    with RayCluster(2, "local") as executor:
        assert list(executor.map(square, range(8))) == [n * n for n in range(8)]
        outcomes = {o.item: o for o in executor.run(square, range(10, 16))}
        assert str(outcomes[13].error) == "unlucky" and outcomes[12].result == 144
        with pytest.raises(ValueError, match="unlucky"):
            list(executor.map(square, range(10, 20)))


@pytest.mark.slow
def test_no_cluster_is_told() -> None:
    with pytest.raises(ClusterError, match="no Ray cluster at"):
        RayCluster(1, "127.0.0.1:1")


@pytest.mark.slow
def test_a_trial_of_several_processes(tmp_path: Path) -> None:
    """What `--gpus-per-trial 2` does, on two CPU processes."""
    from archc.elaborate.choosers import Stream
    from archc.search.choices import Choices
    from archc.search.training import training
    from archc.search.trial import Job
    from archc.spaces.space import Request, Space
    from archc.train.recipe import load_recipe
    from tests.search.small import write_space

    request = Request(write_space(tmp_path))
    evaluator, request = training(request, load_recipe("search", ["epochs=1"]), device="cpu", processes=2)
    point = Choices(Space(request)).random(Stream(b"one")).point
    found = evaluator(Job(request, point, 0, directory=str(tmp_path / "trial")))
    result = json.loads((tmp_path / "trial" / "run" / "result.json").read_text())
    assert result["hardware"]["processes"] == 2 and result["held_out"] == "validation"
    assert found == {"accuracy": result["eval_accuracy"]}
    assert (
        evaluator(Job(request, point, 0, directory=str(tmp_path / "trial"))) == found
    )  # read, not trained again
