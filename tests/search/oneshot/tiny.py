"""A space small enough to search in a second."""

from __future__ import annotations

from pathlib import Path

import torch

from archc.search.oneshot.network import OneShot
from archc.spaces.space import Request, Space
from archc.spaces.supernet import supernet
from archc.train.datasets import Dataset
from archc.train.loading import load_dataset
from archc.train.recipe import Recipe, parse_recipe

TEXT = """
block layer(x, width: int = 4, kernel: int = 3) { return x -> conv(width, kernel) -> batch_norm -> relu }
block nothing(x) { return x -> zero }

arch tiny(
  first: op = pick([layer(kernel = 1), layer, nothing]),
  second: list = pick([(pick([layer, nothing, tanh]), i) for i in 0..3], k = 2), classes: int = 10
) {
  input 1 x 8 x 8
  stem layer(4, 3)
  stage first
  h = [x, x -> layer, x -> relu]
  x = sum([f(h[i]) for (f, i) in second])
  head flatten -> linear(classes)
}
"""


def tiny_space(folder: Path) -> Space:
    """Written into a folder, which must be the current one."""
    (folder / "tiny.arch").write_text(TEXT)
    return Space(Request("tiny.arch"))


def tiny_net(folder: Path, seed: int = 0) -> OneShot:
    torch.manual_seed(seed)
    return OneShot(supernet(tiny_space(folder)))


def tiny_recipe(**changes: object) -> Recipe:
    table = {
        "data": {"name": "digits", "batch": 64},
        "optim": {"lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-3, "clip_norm": 5.0},
    }
    return parse_recipe(table | changes)


def digits() -> Dataset:
    return load_dataset(tiny_recipe().data, (1, 8, 8))
