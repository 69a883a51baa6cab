"""A network and a recipe small enough to train in milliseconds, with all that has state: norm, dropout, EMA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archc.elaborate import load
from archc.ir import Graph
from archc.train.datasets import Dataset
from archc.train.loading import load_dataset
from archc.train.recipe import Recipe, parse_recipe

SPEC = """\
arch tiny(classes: int = 10, width: int = 6, rate: float = 0.2) {
  input 1 x 8 x 8
  stem conv(width, 3) -> batch_norm -> relu
  stage conv(width, 3, 2, bias = true) -> gain(init = 0.5) -> relu
  head global_avg_pool -> dropout(rate) -> linear(classes)
}
"""


def tiny_graph(directory: Path, **arguments: Any) -> Graph:
    """The network, from a file in `directory`."""
    path = directory / "tiny.arch"
    path.write_text(SPEC)
    return load(path, **arguments)


def tiny_recipe(**changes: Any) -> Recipe:
    """12 steps of 16 examples, saved every second and logged every third; tables are merged."""
    table: dict[str, Any] = {
        "epochs": 3,
        "ema": 0.9,
        "label_smoothing": 0.1,
        "data": {"name": "synthetic", "examples": 64, "batch": 16},
        "optim": {"lr": 0.1, "weight_decay": 1e-3, "agc": 0.05},
        "schedule": {"warmup": 0.5},
        "augment": {"noise": 0.05, "flip": "random", "crop": 1, "mixup": 0.2},
        "run": {"log_every": 3, "save_every": 0.5, "layout": "contiguous"},
    }
    for key, value in changes.items():
        table[key] = {**table[key], **value} if isinstance(value, dict) and key in table else value
    return parse_recipe(table)


def tiny_data(recipe: Recipe, graph: Graph) -> Dataset:
    return load_dataset(recipe.data, graph.inputs[0].shape, recipe.seed)
