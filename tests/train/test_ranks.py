"""Two processes with gloo train as one with the same batch, sharded or not; a lost one ends the other."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from archc.elaborate import load
from archc.train import session
from archc.train.journal import read_journal
from archc.train.ranks import Ranks
from tests.train.ranks_child import LOST, PLAIN, child
from tests.train.tiny import SPEC, tiny_data, tiny_recipe

ROOT = Path(__file__).parents[2]
ONE = Ranks(0, 1, torch.device("cpu"))
KILLED = -9

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.train.ranks_child", "tests.train.crash_child"])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def two(spec: Path, place: Path, changes: dict[str, Any], kill_at: int = -1) -> list[int | None]:
    """Exit codes of two processes that train together; the second ends itself before step `kill_at`."""
    port = free_port()
    processes = [
        context.Process(
            target=child, args=(rank, 2, port, str(spec), str(place), changes, kill_at if rank else -1)
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def one(spec: Path, place: Path, changes: dict[str, Any]) -> None:
    recipe = tiny_recipe(**changes)
    graph = load(spec)
    session.run(graph, recipe, tiny_data(recipe, graph), place, ONE)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A network without dropout and without normalisation over the batch."""
    (tmp_path / "plain.arch").write_text(PLAIN)
    return tmp_path / "plain.arch"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A network with both."""
    (tmp_path / "tiny.arch").write_text(SPEC)
    return tmp_path / "tiny.arch"


def assert_alike(a: Path, b: Path, rel: float = 2e-5) -> None:
    """Equal logs and weights, but for the order of sums."""
    logs = [read_journal(place / "log.jsonl") for place in (a, b)]
    assert len(logs[0]) == len(logs[1]) >= 7
    for x, y in zip(*logs, strict=True):
        assert y == pytest.approx(x, rel=rel)
    for name in ("model.safetensors", "ema.safetensors"):
        for (k, x), y in zip(load_file(a / name).items(), load_file(b / name).values(), strict=True):
            torch.testing.assert_close(y, x, rtol=rel * 10, atol=1e-6, msg=k)


def assert_equal(a: Path, b: Path) -> None:
    for name in ("log.jsonl", "model.safetensors", "ema.safetensors"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_torchrun_starts_what_has_the_loss_curve_of_one(plain: Path, tmp_path: Path) -> None:
    changes = {"data": {"accumulate": 2}}
    one(plain, tmp_path / "one", changes)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "-m", "tests.train.ranks_child", str(plain), str(tmp_path / "two"), json.dumps(changes),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "one", tmp_path / "two")
    assert json.loads((tmp_path / "two" / "result.json").read_text())["hardware"]["processes"] == 2


SETTINGS: list[Any] = [
    {"optim": {"sam": 0.05}},
    {"optim": {"agc": 0.01, "clip_norm": 0.1}, "data": {"accumulate": 2}},
    {"run": {"shard": True}},
    {
        "run": {"shard": True},
        "data": {"accumulate": 2},
        "optim": {"sam": 0.05, "agc": 0.01, "clip_norm": 0.1},
    },
    pytest.param({"run": {"shard": True}, "optim": {"name": "adamw", "lr": 1e-2}}, marks=pytest.mark.slow),
    {"run": {"shard": True, "checkpoint": True}, "optim": {"name": "lamb", "lr": 1e-2, "eps": 1e-6}},
    pytest.param(
        {"run": {"shard": True}, "optim": {"name": "rmsprop", "lr": 1e-3, "eps": 1e-3}},
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_two_processes_have_the_loss_curve_of_one(
    plain: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    one(plain, tmp_path / "one", changes)
    assert two(plain, tmp_path / "two", changes) == [0, 0]
    assert_alike(tmp_path / "one", tmp_path / "two")
    if "shard" in changes.get("run", {}):
        assert_cut(tmp_path / "two")


def assert_cut(place: Path) -> None:
    """Each process held a part of every weight, about half; only the gain, a scalar, was whole in both."""
    held = [json.loads((place / f"held-{rank}.json").read_text()) for rank in (0, 1)]
    for name, whole in load_file(place / "model.safetensors").items():
        parts = [part[name] for part in held]
        assert sum(parts) == whole.numel() or (whole.ndim == 0 and parts == [1, 1])
        assert whole.ndim == 0 or max(parts) <= 0.6 * whole.numel() or len(whole) == 1


@pytest.mark.parametrize("run", [{}, {"shard": True, "precision": "fp16"}], ids=["whole", "sharded"])
def test_a_killed_process_ends_the_other_and_the_resumed_run_is_the_same(
    tiny: Path, tmp_path: Path, run: dict[str, Any]
) -> None:
    """Batch statistics, dropout, momentum, average, the loss scale: all of both processes."""
    changes = {"run": run}
    assert two(tiny, tmp_path / "whole", changes) == [0, 0]
    assert two(tiny, tmp_path / "killed", changes, kill_at=7) == [LOST, KILLED]
    assert "process 0 has lost another one of the 2" in (tmp_path / "killed-0.txt").read_text()
    assert not (tmp_path / "killed" / "result.json").exists()
    assert two(tiny, tmp_path / "killed", changes) == [0, 0]
    assert json.loads((tmp_path / "killed" / "result.json").read_text())["resumed_at"] == 6
    assert_equal(tmp_path / "whole", tmp_path / "killed")


def test_the_command_ends_with_a_message_when_a_process_is_killed(tiny: Path, tmp_path: Path) -> None:
    """Without a launcher that would end it: the other one notices by itself, at once, and says how to go on."""
    command = [
        sys.executable, "-m", "archc", "train", str(tiny), "--recipe", "quickstart", "--set", "epochs=5000",
        "--device", "cpu", "-o", "r",
    ]  # fmt: skip
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            command, cwd=tmp_path, text=True, stderr=subprocess.PIPE,
            env={**os.environ, **shared, "PYTHONPATH": str(ROOT), "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]  # fmt: skip
    log, deadline = tmp_path / "r" / "log.jsonl", time.monotonic() + 240
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].kill()
    _, err = processes[0].communicate(timeout=60)
    processes[1].communicate()
    assert processes[0].returncode == 1
    assert "process 0 has lost another one of the 2" in err
    assert "the same command goes on from the last checkpoint" in err
