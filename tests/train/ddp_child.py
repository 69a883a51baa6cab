"""What `torchrun` runs for the tests: a tiny training without dropout, in a directory given."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from archc.elaborate import load
from archc.train import session
from archc.train.ranks import ranks
from tests.train.tiny import tiny_data, tiny_recipe

PLAIN = """\
arch plain() {
  input 1 x 8 x 8
  stem conv(6, 3, bias = true) -> relu
  head global_avg_pool -> linear(10)
}
"""


def main(place: Path) -> None:
    torch.set_num_threads(1)
    recipe = tiny_recipe(data={"accumulate": 2})
    graph = load(place.parent / "plain.arch")
    with ranks("cpu") as group:
        session.run(graph, recipe, tiny_data(recipe, graph), place, group)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
