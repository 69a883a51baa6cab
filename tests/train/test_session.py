"""Runs: what they leave, signals, resuming, divergence, and mistakes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.elaborate import load
from archc.ir import Graph
from archc.train import session
from archc.train.drop_path import RampedDropPath
from archc.train.journal import read_journal
from archc.train.prepare import prepare
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe, load_recipe
from archc.train.session import SessionError
from archc.train.trainer import CHECK_EVERY, Diverged, Interrupted, Mismatch, Trainer
from tests.train.tiny import tiny_data, tiny_graph, tiny_recipe

ONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return tiny_graph(tmp_path)


def run(graph: Graph, place: Path, recipe: Recipe | None = None, **more: Any) -> dict[str, Any]:
    recipe = recipe or tiny_recipe()
    return session.run(graph, recipe, tiny_data(recipe, graph), place, ONE, **more)


def test_a_run_leaves_its_recipe_log_weights_and_result(graph: Graph, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    found = run(graph, tmp_path / "run", watch=lines.append)
    place = tmp_path / "run"
    assert json.loads((place / "result.json").read_text()) == found
    assert load_recipe(place / "recipe.toml") == tiny_recipe()
    assert found["steps"] == 12
    assert found["versions"].keys() == {"python", "archc", "torch", "numpy"}
    assert found["hardware"]["device"] == "cpu"
    assert len(found["spec_sha256"]) == 64
    assert (place / "model.safetensors").exists()
    log = read_journal(place / "log.jsonl")
    assert [x["step"] for x in log if "loss" in x] == [3, 6, 9, 12]
    assert [x["step"] for x in log if "eval_loss" in x] == [4, 8, 12]
    assert log[-1]["eval_accuracy"] == found["eval_accuracy"]
    assert log[-1]["ema_accuracy"] == found["ema_accuracy"]
    assert {"images_per_second", "memory_mb", "tflops"} <= lines[0].keys()


def test_equal_runs_have_equal_logs_and_other_seeds_others(graph: Graph, tmp_path: Path) -> None:
    logs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(graph, tmp_path / name, tiny_recipe(seed=seed))
        logs.append((tmp_path / name / "log.jsonl").read_bytes())
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_a_finished_run_is_not_run_again(graph: Graph, tmp_path: Path) -> None:
    first = run(graph, tmp_path / "run")
    assert run(graph, tmp_path / "run", milestone=lambda name: pytest.fail(name)) == first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_resumed_run_is_the_same(graph: Graph, tmp_path: Path, number: int) -> None:
    run(graph, tmp_path / "whole")
    steps = 0

    def strike(name: str) -> None:
        nonlocal steps
        steps += name == "after step"
        if name == "after step" and steps == 5:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="step 5 of 12"):
        run(graph, tmp_path / "stopped", milestone=strike)
    assert signal.getsignal(number) is before
    assert not (tmp_path / "stopped" / "result.json").exists()
    assert run(graph, tmp_path / "stopped")["resumed_at"] == 5
    for name in ("log.jsonl", "model.safetensors", "ema.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def interrupted(graph: Graph, place: Path, recipe: Recipe, after: int) -> None:
    """A run stopped after some steps."""
    data, polled = tiny_data(recipe, graph), 0

    def stop() -> bool:
        nonlocal polled
        polled += 1
        return polled == after

    trainer = Trainer(graph, recipe, data, place, ONE, stop=stop)
    trainer.start()
    with pytest.raises(Interrupted):
        trainer.train()


@pytest.mark.parametrize(
    "changes",
    [
        {"optim": {"name": "adamw", "lr": 1e-2}},
        {"optim": {"name": "lamb", "lr": 1e-2, "eps": 1e-6}},
        {"optim": {"name": "rmsprop", "lr": 1e-2, "eps": 1e-3}},
        {"optim": {"sam": 0.05}},
        {"data": {"accumulate": 4}},
        {"run": {"precision": "bf16"}},
        {"run": {"precision": "fp16"}},
        {"run": {"layout": "channels_last"}},
        {"run": {"layout": "auto"}},
        {"run": {"checkpoint": True}},
        {"augment": {"rand_layers": 2, "cutmix": 1.0, "rotation": 10, "cutout": 3, "flip": "alternating"}},
    ],
    ids=str,
)
def test_every_setting_resumes_exactly(graph: Graph, tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = tiny_recipe(**changes)
    interrupted(graph, tmp_path / "stopped", recipe, 5)
    run(graph, tmp_path / "stopped", recipe)
    if changes.get("run", {}).get("layout") == "auto":  # what was measured first is kept
        layout = json.loads((tmp_path / "stopped" / "result.json").read_text())["layout"]
        recipe = tiny_recipe(run={"layout": layout})
    run(graph, tmp_path / "whole", recipe)
    for name in ("log.jsonl", "model.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_nan_stops_the_run_and_the_last_checkpoint_is_sound(graph: Graph, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=40, run={"log_every": CHECK_EVERY, "save_every": 5})
    trainer = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / "run", ONE)
    poisoned = 31

    def poison(name: str) -> None:
        if name == "before step" and trainer.step == poisoned:
            with torch.no_grad():
                next(trainer.module.parameters()).view(-1)[0] = float("nan")

    trainer.milestone = poison
    trainer.start()
    with pytest.raises(Diverged, match=r"nan|finite"):
        trainer.train()
    assert poisoned < trainer.step <= poisoned + CHECK_EVERY
    again = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / "run", ONE)
    assert again.start() == []
    assert again.step == 20
    assert all(bool(p.isfinite().all()) for p in again.module.parameters())


def test_a_damaged_newest_checkpoint_is_named_and_the_previous_used(graph: Graph, tmp_path: Path) -> None:
    run(graph, tmp_path / "whole")
    recipe = tiny_recipe()
    interrupted(graph, tmp_path / "run", recipe, 7)
    (newest,) = (tmp_path / "run" / "checkpoints").glob("*7.safetensors")
    newest.write_bytes(newest.read_bytes()[:-1])
    warnings: list[str] = []
    found = run(graph, tmp_path / "run", recipe, warn=warnings.append)
    assert found["resumed_at"] == 6
    assert newest.name in warnings[0]
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == (tmp_path / "whole" / "log.jsonl").read_bytes()


def test_another_recipe_or_network_does_not_go_on(graph: Graph, tmp_path: Path) -> None:
    run(graph, tmp_path / "run")
    with pytest.raises(Mismatch, match=r"optim\.lr"):
        run(graph, tmp_path / "run", tiny_recipe(optim={"lr": 0.2}))
    with pytest.raises(Mismatch, match="another network"):
        run(tiny_graph(tmp_path, width=7), tmp_path / "run")


def test_never_and_must_are_kept(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="no checkpoint"):
        run(graph, tmp_path / "run", resume="must")
    run(graph, tmp_path / "run", resume="never")
    with pytest.raises(SessionError, match="holds a run"):
        run(graph, tmp_path / "run", resume="never")


def test_accumulated_batches_are_the_whole_batch(tmp_path: Path) -> None:
    """Without normalisation over the batch and without dropout, four micro-batches are one batch."""
    (tmp_path / "plain.arch").write_text(
        "arch plain() {\n  input 1 x 8 x 8\n  stem conv(6, 3) -> relu\n  head global_avg_pool -> linear(10)\n}\n"
    )
    graph = load(tmp_path / "plain.arch")
    losses = []
    for parts in (1, 4):
        run(graph, tmp_path / str(parts), tiny_recipe(data={"accumulate": parts}))
        losses.append([x["loss"] for x in read_journal(tmp_path / str(parts) / "log.jsonl") if "loss" in x])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_recomputing_sections_changes_nothing(graph: Graph, tmp_path: Path) -> None:
    """The same log, weights and running statistics to the bit, with dropout and batch normalisation."""
    for recompute in (False, True):
        run(graph, tmp_path / str(recompute), tiny_recipe(run={"checkpoint": recompute}))
    for name in ("log.jsonl", "model.safetensors", "ema.safetensors"):
        assert (tmp_path / "True" / name).read_bytes() == (tmp_path / "False" / name).read_bytes()


CELLS = """\
block cell(x) { return x + (x -> conv(6, 3) -> batch_norm -> drop_path(0.5, schedule = "const")) }
arch cells(aux: bool = false) {
  input 1 x 8 x 8
  stem  conv(6, 3) -> batch_norm -> relu
  stage 2 x cell
  if aux { output train_only early = x -> global_avg_pool -> linear(10) }
  head  relu -> global_avg_pool -> linear(10)
}
"""


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    (tmp_path / "cells.arch").write_text(CELLS)
    return tmp_path / "cells.arch"


def test_drop_path_grows_over_the_run_and_resumes(cells: Path, tmp_path: Path) -> None:
    """Rates go from 0 to what the spec says; a run that is stopped goes on with the rate of its step."""
    graph = load(cells)
    recipe = tiny_recipe(schedule={"drop_path": "linear"})
    shares: list[float] = []
    trainer = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / "watched", ONE)
    assert trainer.ramp is not None
    ramp = trainer.ramp
    trainer.milestone = lambda name: shares.append(float(ramp.share)) if name == "after step" else None
    trainer.start()
    trainer.train()
    assert shares == pytest.approx([step / 12 for step in range(12)])
    run(graph, tmp_path / "whole", recipe)
    interrupted(graph, tmp_path / "stopped", recipe, 5)
    run(graph, tmp_path / "stopped", recipe)
    run(graph, tmp_path / "constant", tiny_recipe())
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("whole", "stopped", "constant")]
    assert logs[0] == logs[1] != logs[2]


def test_a_ramped_drop_path_drops_at_its_rate() -> None:
    share = torch.tensor(0.0)
    for rescale in (True, False):
        drop = RampedDropPath(0.4, rescale, share)
        x = torch.ones(20_000, 1)
        torch.manual_seed(0)
        share.fill_(0.0)
        assert torch.equal(drop(x), x)
        share.fill_(0.5)
        assert float((drop(x) == 0).float().mean()) == pytest.approx(0.2, abs=0.01)
        assert float(drop(x).max()) == pytest.approx(1 / 0.8 if rescale else 1)
        assert torch.equal(drop.eval()(x), x)


def test_auxiliary_heads_train_by_their_weight(cells: Path, tmp_path: Path) -> None:
    """The auxiliary head's weights get `auxiliary` times the gradient of its own loss; with 0 they stay."""
    graph = load(cells, aux=True)
    moved = {}
    for weight in (0.0, 0.3, 0.4):
        recipe = tiny_recipe(auxiliary=weight, optim={"weight_decay": 0, "agc": 0, "nesterov": False})
        trainer = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / str(weight), ONE)
        trainer.start()
        (bias,) = (p for n, p in trainer.module.named_parameters() if n.startswith("linear") and p.ndim == 1)
        before = bias.detach().clone()
        trainer._step()
        moved[weight] = bias.detach() - before
    assert not moved[0.0].any()
    torch.testing.assert_close(moved[0.4] / 0.4, moved[0.3] / 0.3)


def test_gradients_are_scaled_to_their_largest_norm(graph: Graph, tmp_path: Path) -> None:
    """One plain SGD step moves the weights by lr times the norm allowed, and by less where it is not reached."""
    for largest, tight in ((0.01, True), (1e6, False)):
        recipe = tiny_recipe(
            optim={"momentum": 0, "weight_decay": 0, "agc": 0, "clip_norm": largest}, schedule={"warmup": 0}
        )
        trainer = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / str(largest), ONE)
        trainer.start()
        before = [p.detach().clone() for p in trainer.module.parameters()]
        trainer._step()
        moves = [p.detach() - b for p, b in zip(trainer.module.parameters(), before, strict=True)]
        moved = float(torch.nn.utils.get_total_norm(moves))
        assert moved == pytest.approx(largest * recipe.lr, rel=1e-3) if tight else moved < largest * recipe.lr


def test_the_loss_scale_of_fp16_is_saved(graph: Graph, tmp_path: Path) -> None:
    recipe = tiny_recipe(run={"precision": "fp16"})
    first = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / "run", ONE)
    first.start()
    first._step()
    first.scaler.update(1024.0)
    first.step = 1
    first.save()
    second = Trainer(graph, recipe, tiny_data(recipe, graph), tmp_path / "run", ONE)
    assert second.scaler.get_scale() != 1024
    second.start()
    assert second.scaler.get_scale() == 1024


def test_a_network_may_have_more_outputs_than_there_are_classes(tmp_path: Path) -> None:
    graph = tiny_graph(tmp_path, classes=12)
    recipe = tiny_recipe(run={"eval_every": 3})
    assert prepare(str(tmp_path / "tiny.arch"), recipe, {"classes": 12}).graph.outputs == graph.outputs
    found = run(graph, tmp_path / "r", recipe)
    assert found["eval_accuracy"] >= 0 and len(found["classes"]) == 10
    lost = read_journal(tmp_path / "r" / "log.jsonl")
    assert all(line["loss"] < 4 for line in lost if "loss" in line)
