"""What a run shows while it goes on: speed as a share of the device's peak, progress, TensorBoard."""

from __future__ import annotations

import builtins
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from archc.analyses.roofline import device, device_reported_as
from archc.cli.main import main
from archc.cli.progress import Pace, Progress, describe_line, duration
from archc.train import clock
from archc.train.board import Board
from archc.train.clock import Clock, peak_of
from archc.train.ranks import Ranks
from archc.train.trainer import Trainer
from tests.train.tiny import SPEC, tiny_data, tiny_graph, tiny_recipe

GPU = Ranks(0, 2, torch.device("cuda"))


@pytest.mark.parametrize(
    ("run", "peak"),
    [
        ({"precision": "bf16"}, 989e12),
        ({"precision": "fp16"}, 989e12),
        ({"precision": "fp32"}, 494e12),
        ({"precision": "fp32", "tf32": False}, 67e12),
    ],
    ids=str,
)
def test_the_peak_is_that_of_the_precision(
    monkeypatch: pytest.MonkeyPatch, run: dict[str, Any], peak: float
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    assert peak_of(GPU.device, tiny_recipe(run=run)) == peak


def test_the_share_of_the_peak_counts_all_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 steps of 16 images in a second, 6 FLOP a MAC, on two devices."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2**20)
    monkeypatch.setattr(clock.time, "perf_counter", iter([5.0, 6.0]).__next__)
    graph = tiny_graph(tmp_path)
    watch = Clock(graph, tiny_recipe(run={"precision": "bf16"}), GPU)
    watch.start(0)
    found = watch.read(100)
    assert found["images_per_second"] == 1600
    assert found["mfu"] == pytest.approx(1600 * 6 * graph.cost.macs / (2 * 989e12))
    assert found["memory_mb"] == 1


def test_an_unknown_device_has_no_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA GeForce RTX 2060")
    assert peak_of(GPU.device, tiny_recipe()) is None
    assert peak_of(torch.device("cpu"), tiny_recipe()) is None
    assert "mfu" not in Clock(tiny_graph(tmp_path), tiny_recipe(), Ranks(0, 1, torch.device("cpu"))).read(1)


def test_devices_are_known_by_the_names_of_their_drivers() -> None:
    found = device_reported_as("NVIDIA A100-SXM4-80GB")
    assert found is not None
    assert found.name == device("a100").name
    assert device_reported_as("NVIDIA A100-SXM4-40GB") is None


def test_a_pace_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("archc.cli.progress.time.monotonic", lambda: now)
    pace = Pace(since=now)
    now = 120.0
    assert pace.describe(0) == "getting ready, 20 s so far"
    pace = pace.at(50, "training")
    now = 170.0
    assert pace.describe(450) == "the first of 400 steps, 50 s so far"
    pace = pace.at(51, "training").at(52, "training")
    assert pace.describe(452) == "step 52 of 452 · 25 s a step · some 2.8 h left"
    pace = pace.at(60, "looking at the held-out examples")
    now = 350.0
    assert pace.describe(450) == "step 60 of 450 · looking at the held-out examples, 3 min so far"
    assert [duration(s) for s in (3.2, 89, 91, 5399, 5401)] == ["3 s", "89 s", "2 min", "90 min", "1.5 h"]


def test_a_silent_run_is_reported_each_time_later(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("archc.cli.progress.FIRST", 0.02)
    monkeypatch.setattr("archc.cli.progress.LONGEST", 0.04)
    with Progress(shown=True) as progress:
        progress.steps = 7
        progress.beat(0, "training")
        deadline = time.monotonic() + 10
        said = ""  # on a busy machine the thread may speak before the step begins
        while "the first" not in said and time.monotonic() < deadline:
            said += capsys.readouterr().err
            time.sleep(0.01)
    assert "the first of 7 steps, 0 s so far" in said
    with Progress(shown=False) as progress:  # another rank
        progress.beat(0, "training")
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_run_tells_of_every_step_and_evaluation(tmp_path: Path) -> None:
    heard: list[tuple[int, str]] = []
    graph, recipe = tiny_graph(tmp_path), tiny_recipe()
    trainer = Trainer(
        graph, recipe, tiny_data(recipe, graph), tmp_path / "run", Ranks(0, 1, torch.device("cpu")),
        beat=lambda step, doing: heard.append((step, doing)),
    )  # fmt: skip
    trainer.start()
    trainer.train()
    steps = [step for step, doing in heard if doing == "training"]
    assert steps == list(range(trainer.steps))
    assert heard[-1] == (trainer.steps, "looking at the held-out examples")


def test_a_line_of_the_log_in_words() -> None:
    line = {
        "epoch": 1.25, "loss": 0.5, "accuracy": 0.75, "lr": 0.1, "images_per_second": 12345.6, "tflops": 0.05,
        "memory_mb": 2048.0, "mfu": 0.411,
    }  # fmt: skip
    assert describe_line(line) == (
        "epoch 1.2 · loss 0.500 · accuracy 75.0% · lr 0.1 · 12,346 images/s · 50 GFLOP/s · MFU 41.1% · 2,048 MB"
    )
    assert "500 TFLOP/s" in describe_line({"epoch": 1, "tflops": 500.0})


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(directory))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_scalars_are_written_and_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    for steps, loss in (((3, 6, 9), 1.0), ((6, 9, 12), 2.0)):
        with Board(tmp_path) as board:
            for step in steps:
                board.write({"step": step, "epoch": step / 4, "loss": loss, "images_per_second": 7.0})
            board.write({"step": steps[-1], "epoch": 3, "eval_accuracy": 0.5})
    found = scalars(tmp_path)
    assert found["training/loss"] == [(3, 1.0), (6, 2.0), (9, 2.0), (12, 2.0)]
    assert found["held out/eval_accuracy"] == [(12, 0.5)]
    assert {"speed/images_per_second", "training/epoch"} <= found.keys()


def test_train_writes_them_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)
    command = ["train", "tiny.arch", "--recipe", "quickstart", "--set", "epochs=1", "--device", "cpu", "-o"]
    assert main([*command, "plain"]) == 0
    assert not Path("plain/tensorboard").exists()
    assert main([*command, "shown", "--tensorboard"]) == 0
    assert [step for step, _ in scalars(Path("shown/tensorboard"))["training/loss"]] == [10, 20, 22]


def test_without_tensorboard_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert main(["train", "lenet5", "--recipe", "quickstart", "--tensorboard", "--device", "cpu"]) == 1
    assert "pip install 'archc[tensorboard]'" in capsys.readouterr().err
