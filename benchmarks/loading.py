"""Feeding a network: images decoded a second, and what augmentation costs a batch.

    python -m benchmarks.loading [--images 256] [--workers 0,1,2] [--device cpu]

Photographs are made up (500×375 JPEG of about 100 KB, as ImageNet's are), cut at random and brought to 224×224 in
workers; beside torchvision's ImageFolder with RandomResizedCrop in torch's DataLoader. A round takes every way in
turn; the median of the rounds is told, and without workers also CPU time, which others' work disturbs less.
Augmentation is of 512 images of 32×32, or of as many as are asked for; on a CPU in CPU time of one thread.
"""

from __future__ import annotations

import argparse
import importlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet

from archc.train.augment import Augmenter, Place
from archc.train.batches import Batches
from archc.train.datasets import Stream
from archc.train.feeds import Streamed
from archc.train.loading import load_dataset
from archc.train.recipe import Augment, Data
from tests.peers import import_torchvision

SIZE, BATCH, CLASSES = 224, 64, 4
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "none": {}, "crop 4, flip": {"crop": 4, "flip": "alternating"},
    "crop 4, flip, cutout 12": {"crop": 4, "flip": "alternating", "cutout": 12},
    "resized part": {"resized_crop": 0.08}, "erase": {"erase": 0.25}, "jitter": {"jitter": 0.4}, "lighting": {"lighting": 0.1},
    "rotation": {"rotation": 15}, "noise": {"noise": 0.05}, "RandAugment 2": {"rand_layers": 2},
    "mixup and cutmix": {"mixup": 0.8, "cutmix": 1.0},
}  # fmt: skip


def photograph(number: int) -> bytes:
    """A JPEG with detail at every scale."""
    draw = np.random.default_rng(number)
    whole = np.zeros((375, 500, 3))
    for scale in (4, 16, 64, 250):
        grid = draw.normal(0, 22, (scale * 3 // 4, scale, 3))
        part = Image.fromarray((grid * 3 + 128).clip(0, 255).astype(np.uint8)).resize(
            (500, 375), Image.Resampling.BICUBIC
        )
        whole += np.asarray(part, dtype=np.float64) - 128
    out = io.BytesIO()
    Image.fromarray((whole / 2 + 128).clip(0, 255).astype(np.uint8)).save(out, "jpeg", quality=90)
    return out.getvalue()


def make(place: Path, count: int) -> None:
    """The photographs as folders of classes, and as parquet with row groups of 100."""
    encoded = [photograph(n) for n in range(count)]
    for number, data in enumerate(encoded):
        file = place / "folder" / str(number % CLASSES) / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (place / "parquet").mkdir()
    table = pa.table({"image": [{"bytes": d} for d in encoded], "label": [n % CLASSES for n in range(count)]})
    parquet.write_table(table, place / "parquet" / "train.parquet", row_group_size=100)
    print(f"{count} photographs of {sum(map(len, encoded)) / count / 1e3:.0f} KB\n")


def ours(place: Path, workers: int) -> Iterator[int]:
    """Examples fetched, batch by batch."""
    about = Data(
        name="folder" if place.name == "folder" else "parquet",
        path=str(place),
        stream=True,
        workers=workers,
        batch=BATCH,
    )
    found = load_dataset(about, (3, SIZE, SIZE), random=0.08)
    assert isinstance(found.train, Stream)
    batches = Batches(len(found.train), BATCH, 0, 0, 1, *found.train.runs)
    feed = Streamed(found.train, batches, about, torch.device("cpu"))
    step = 0
    try:
        while True:
            yield len(feed.fetch(batches.indices(step), step, 0)[1])
            step += 1
    finally:
        feed.close()


def theirs(place: Path, workers: int) -> Iterator[int]:
    """torchvision's, as its training reference has it, to uint8."""
    tv = import_torchvision()
    kind = importlib.import_module("torchvision.transforms.v2")
    steps = kind.Compose(
        [kind.RandomResizedCrop(SIZE, antialias=True), kind.RandomHorizontalFlip(), kind.PILToTensor()]
    )
    data = tv.datasets.ImageFolder(str(place), steps)
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=workers, drop_last=True)
    while True:
        for _, labels in loader:
            yield len(labels)


def rate(source: Iterator[int], seconds: float) -> tuple[float, float]:
    """Images a second, once the first batches are there, and this process's CPU ms for each."""
    for _ in range(2):
        next(source)
    begun, cpu, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds:
        done += next(source)
    return done / (time.perf_counter() - begun), (time.process_time() - cpu) * 1e3 / done


def loaders(place: Path, workers: list[int], rounds: int, seconds: float) -> None:
    ways: dict[str, Callable[[int], Iterator[int]]] = {
        "archc, folder": lambda n: ours(place / "folder", n), "archc, parquet": lambda n: ours(place / "parquet", n),
        "torchvision, folder": lambda n: theirs(place / "folder", n),
    }  # fmt: skip
    found: dict[tuple[str, int], list[tuple[float, float]]] = {
        (name, n): [] for name in ways for n in workers
    }
    for _ in range(rounds):
        for name, count in found:
            source = ways[name](count)
            found[name, count].append(rate(source, seconds))
            source.close()  # type: ignore[attr-defined]  # a generator
    print("| images a second | " + " | ".join(f"{n} workers" for n in workers) + " | CPU ms an image |")
    print("|---|" + "---:|" * (len(workers) + 1))
    for name in ways:
        rates = [f"{statistics.median(r for r, _ in found[name, n]):,.0f}" for n in workers]
        cpu = f"{statistics.median(c for _, c in found[name, 0]):.2f}" if 0 in workers else "–"
        print(f"| {name} | {' | '.join(rates)} | {cpu} |")


def augmentation(device: torch.device, batch: int, size: int, repeat: int) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, size, size), generator=draw, dtype=torch.uint8).to(device)
    labels = torch.randint(0, 10, (batch,), generator=draw).to(device)
    indices = torch.arange(batch, device=device)
    print(f"\n| ms a batch of {batch} images of {size}×{size}, {device.type} | median |\n|---|---:|")
    for name, changes in AUGMENTATIONS.items():
        made = Augmenter(Augment.model_validate(changes), (0.5,) * 3, (0.25,) * 3, 10, 0, device)
        times = []
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        for step in range(repeat + 3):
            wait(device)
            begun = clock()
            made.seed(step, 0)
            made(images, labels, indices, Place(0, batch))
            wait(device)
            times.append(clock() - begun)
        print(f"| {name} | {statistics.median(times[3:]) * 1e3:.2f} |")


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=256, help="photographs; 0: augmentation only")
    parser.add_argument("--workers", default="0,1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.images:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place), asked.images)
            loaders(Path(place), [int(n) for n in asked.workers.split(",")], asked.rounds, asked.seconds)
    augmentation(torch.device(asked.device), asked.batch, asked.size, asked.repeat)


if __name__ == "__main__":
    main()
