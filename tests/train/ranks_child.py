"""What each of several processes runs for the tests: a tiny training, in a directory given."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # torch.optim imports it on first use: here once, for all children
import torch.distributed.fsdp

from archc.elaborate import load
from archc.train import session
from archc.train.network import make_module
from archc.train.ranks import LostRank, ranks
from archc.train.shards import local
from tests.train.tiny import tiny_data, tiny_recipe

LOST = 17

PLAIN = """\
arch plain() {
  input 1 x 8 x 8
  stem conv(5, 3, bias = true) -> relu
  stage conv(6, 3, 2) -> gain(init = 0.5) -> relu
  stage conv(1, 1, bias = true) -> relu -> conv(6, 1)
  head global_avg_pool -> linear(10)
}
"""


def main(spec: Path, place: Path, changes: dict[str, Any], kill_at: int = -1) -> None:
    """kill_at: the step before which this process ends itself, without a word."""
    torch.set_num_threads(1)
    recipe = tiny_recipe(**changes)
    graph = load(spec)
    passed = 0

    def milestone(name: str) -> None:
        nonlocal passed
        passed += name == "before step"
        if passed == kill_at + 1 and kill_at >= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with ranks("cpu") as group:
        if recipe.run.shard:
            place.mkdir(exist_ok=True)
            module = make_module(graph, recipe, group)
            held = {name: local(p).numel() for name, p in module.named_parameters()}
            (place / f"held-{group.rank}.json").write_text(json.dumps(held))
        session.run(graph, recipe, tiny_data(recipe, graph), place, group, milestone=milestone)


def child(
    rank: int, world: int, port: int, spec: str, place: str, changes: dict[str, Any], kill_at: int
) -> None:
    """One of `world` processes as a cluster's launcher starts them; exits with LOST where another is gone."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    try:
        main(Path(spec), Path(place), changes, kill_at)
    except LostRank as error:
        Path(f"{place}-{rank}.txt").write_text(str(error))
        os._exit(LOST)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
