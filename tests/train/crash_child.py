"""What runs in a forked process: a short training that ends abruptly at a given milestone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # torch.optim imports it on first use: here once, for all children

from archc.train import session, snapshot, storage
from archc.train.ranks import ranks
from tests.train.tiny import tiny_data, tiny_graph, tiny_recipe

CRASHED = 137


RECIPE = tiny_recipe()
with tempfile.TemporaryDirectory() as made:
    GRAPH = tiny_graph(Path(made))
DATA = tiny_data(RECIPE, GRAPH)


def direct_write(path: Path, data: bytes, milestone: storage.Milestone = storage.passed) -> str:
    """storage.write without a temporary file."""
    with path.open("wb") as file:
        for start in range(0, len(data), storage.CHUNK):
            file.write(data[start : start + storage.CHUNK])
            file.flush()
            milestone("written")
    return storage.digest(data)


def nothing(run: Any) -> dict[str, torch.Tensor]:
    return {}


SABOTEURS: dict[str, tuple[Any, str, Any]] = {
    "direct write": (storage, "write", direct_write),
    "unsaved generators": (snapshot, "generators", nothing),
    "unsaved momentum": (snapshot, "momentum", nothing),
    "unsaved average": (snapshot, "averages", nothing),
}


def train(place: str, crash_at: int, saboteur: str = "") -> None:
    """Trains in `place`; dies at milestone `crash_at`, or writes how many there were."""
    torch.set_num_threads(1)
    storage.CHUNK = 1024  # several writes a file
    if saboteur:
        owner, name, replacement = SABOTEURS[saboteur]
        setattr(owner, name, replacement)
    passed = 0

    def milestone(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == crash_at:
            os._exit(CRASHED)

    directory = Path(place)
    directory.mkdir(exist_ok=True)
    with ranks("cpu") as group:
        session.run(GRAPH, RECIPE, DATA, directory, group, milestone=milestone)
    (directory / "milestones").write_text(str(passed))
