"""Data decoded once for many runs: arrays on disk that every process maps, so that each starts at once and all share
one copy in memory."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from archc.train import storage
from archc.train.datasets import Dataset, Split
from archc.train.loading import load_dataset
from archc.train.recipe import Data

ARRAYS = ("train.images", "train.labels", "test.images", "test.labels")


def reader(cache: Path) -> Callable[[Data, tuple[int, ...], int, float], Dataset]:
    """`load_dataset` by way of arrays in a directory, which the first of several processes makes.

    What is streamed is read as it is.
    """

    def read(data: Data, shape: tuple[int, ...], seed: int = 0, random: float = 0.0) -> Dataset:
        place = cache / _key(data, shape, seed)
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (place / "about.json").exists():
                found = load_dataset(data, shape, seed, random)
                if not (isinstance(found.train, Split) and isinstance(found.test, Split)):
                    return found
                _pack(found, found.train, found.test, place)
        return _open(place)

    return read


@lru_cache(maxsize=2)
def _open(place: Path) -> Dataset:
    about = json.loads((place / "about.json").read_text())
    # copy-on-write: torch wants arrays it may write to, and nothing writes
    arrays = [torch.from_numpy(np.load(place / f"{name}.npy", mmap_mode="c")) for name in ARRAYS]
    mean, std = (tuple(values) for values in about["moments"])
    return Dataset(
        Split(*arrays[:2]), Split(*arrays[2:]), tuple(about["classes"]), about["held_out"], tuple(about["bad"]),
        (mean, std), tuple(arrays[0].shape[1:]), tuple(arrays[2].shape[1:]),
    )  # fmt: skip


def _pack(data: Dataset, train: Split, test: Split, place: Path) -> None:
    tensors = (train.images, train.labels, test.images, test.labels)
    for name, tensor in zip(ARRAYS, tensors, strict=True):
        np.save(place / f"{name}.npy", tensor.cpu().numpy(), allow_pickle=False)
    about = {
        "classes": data.classes, "held_out": data.held_out, "bad": data.bad, "moments": data.statistics(),
    }  # fmt: skip
    storage.write(place / "about.json", json.dumps(about).encode())  # the last: with it the pack is whole


def _key(data: Data, shape: tuple[int, ...], seed: int) -> str:
    """A name for what the arrays depend on: the recipe's words, and the files as they are now."""
    files: list[Path] = []
    if data.path:
        path = Path(data.path)
        files = [f for f in (sorted(path.rglob("*")) if path.is_dir() else [path]) if f.is_file()]
    stats = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    words = data.model_dump(mode="json", exclude={"batch", "eval_batch", "accumulate", "workers"})
    text = json.dumps([words, shape, seed, stats], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
