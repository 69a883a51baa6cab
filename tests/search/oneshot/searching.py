"""A small one-shot search in a process of its own, which says of each batch before it is learned from, to be killed at one.

python -m tests.search.oneshot.searching STRATEGY DIRECTORY
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import torch

from archc.search.choices import Choices
from archc.search.oneshot import course as course_module
from archc.search.oneshot import darts, enas, single_path
from archc.search.oneshot.budget import Budget
from archc.search.oneshot.course import Course
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.outcome import OneShotResult
from tests.search.oneshot.tiny import digits, tiny_net, tiny_recipe, tiny_space

EPOCHS = 8.5
CPU = torch.device("cpu")
SETTINGS: dict[str, Any] = {
    "darts": darts.Darts(lr=0.03),
    "darts 2": darts.Darts(lr=0.03, order=2),
    "enas": enas.Enas(steps=4, candidates=3, examples=300),
    "single-path": single_path.SinglePath(trials=100, population=8, sample=3, examples=100),
}


def searched(
    folder: Path, name: str, directory: Path, feed: Feed | None = None, epochs: float = 1.3
) -> tuple[OneShotResult, list[torch.Tensor]]:
    """What a search ends in, and the weights then. folder: the current one, where its space is written."""
    net = tiny_net(folder)
    feed = feed or plain_feed()
    course = Course(Budget(epochs=epochs), CPU, directory=directory)
    settings = SETTINGS[name]
    if name.startswith("darts"):
        result = darts.search(net, feed, tiny_recipe(), settings, course)
    else:
        module = enas if name == "enas" else single_path
        result = module.search(net, feed, tiny_recipe(), settings, course, Choices(tiny_space(folder)))
    return result, [v.clone() for v in net.state_dict().values()]


def plain_feed() -> Feed:
    return Feed(digits(), tiny_recipe(), CPU)


def plain_history(result: OneShotResult) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in result.history]


def main(name: str, directory: Path) -> None:
    course_module.SAVE_EVERY = 0.0  # after every step
    feed = plain_feed()
    batch = feed.weights

    def told(step: int) -> Any:
        print("batch", step, flush=True)
        return batch(step)

    feed.weights = told  # type: ignore[method-assign]  # says each
    result, weights = searched(Path.cwd(), name, directory, feed, EPOCHS)
    digest = hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest()
    said = {"point": result.point, "steps": result.steps, "history": plain_history(result), "weights": digest}
    print("ended", json.dumps(said, sort_keys=True), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]))
