"""Reading labelled images from files: folders, Hugging Face parquet, CIFAR's own layout."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archc.train.datasets import DataError, Dataset, Split, split_off
from archc.train.recipe import Data

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"})
TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Item:
    """An encoded image: what to call it, how to get its bytes, its class."""

    name: str
    read: Callable[[], bytes]
    label: int


def read(data: Data, shape: tuple[int, ...]) -> Dataset:
    """The data at `data.path`, images resized so that all of them fit in one array. Raises DataError."""
    path = Path(data.path)
    if not data.path or not path.exists():
        raise DataError(f"data.path {data.path!r} does not exist")
    if data.name in ("cifar10", "cifar100") and not _parquet_files(path):
        return _cifar(path, data.name)
    parts: Mapping[str, Iterable[Item]]
    if data.name == "folder":
        parts, classes = _folder(path)
    else:
        parts, classes = _parquet(path)
    bad: list[str] = []
    splits = {kind: _decoded(items, shape, bad, data.max_bad) for kind, items in parts.items()}
    if "test" not in splits:
        train, test = split_off(splits["train"], data.held_out)
        return Dataset(train, test, classes, f"a share of {data.held_out:g}", tuple(bad))
    return Dataset(splits["train"], splits["test"], classes, "test", tuple(bad))


def decode(data: bytes, shape: tuple[int, ...]) -> Tensor:
    """(channels, height, width) uint8 of an encoded image: resized to cover, cut about its centre.

    Raises OSError or ValueError for what is no image.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as image:
        plain = image.convert("L" if shape[0] == 1 else "RGB")
    if (plain.height, plain.width) != shape[1:]:
        plain = ImageOps.fit(plain, (shape[2], shape[1]), Image.Resampling.BILINEAR)
    array = np.array(plain, dtype=np.uint8)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def _decoded(items: Iterable[Item], shape: tuple[int, ...], bad: list[str], max_bad: float) -> Split:
    images: list[Tensor] = []
    labels: list[int] = []
    unreadable: list[str] = []
    for item in items:
        try:
            images.append(decode(item.read(), shape))
            labels.append(item.label)
        except (OSError, ValueError, SyntaxError) as error:  # PIL raises SyntaxError for broken PNG
            unreadable.append(f"{item.name} ({type(error).__name__})")
    total = len(images) + len(unreadable)
    if len(unreadable) > max_bad * total:
        listed = "\n  ".join(unreadable[:20])
        raise DataError(
            f"{len(unreadable):,} of {total:,} images cannot be read, more than data.max_bad allows:\n  {listed}"
        )
    if not images:
        raise DataError("there are no images")
    bad += unreadable
    return Split(torch.stack(images), torch.tensor(labels))


def _folder(path: Path) -> tuple[dict[str, list[Item]], tuple[str, ...]]:
    """`path/class/image`, or `path/train/class/image` with a `test` or `val` beside it."""
    train = path / "train" if (path / "train").is_dir() else path
    classes = tuple(sorted(p.name for p in train.iterdir() if p.is_dir()))
    if not classes:
        raise DataError(f"{train} holds no folders of images, one for each class")
    parts = {"train": list(_files(train, classes))}
    for name in TEST_NAMES:
        if train != path and (path / name).is_dir():
            parts["test"] = list(_files(path / name, classes))
            break
    return parts, classes


def _files(folder: Path, classes: tuple[str, ...]) -> Iterator[Item]:
    for label, name in enumerate(classes):
        for file in sorted((folder / name).rglob("*")):
            if file.suffix.lower() in IMAGES:
                yield Item(str(file), file.read_bytes, label)


def _parquet_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []


def _parquet(path: Path) -> tuple[dict[str, Iterator[Item]], tuple[str, ...]]:
    """The hub's layout: `train-*.parquet` and `test-*` or `validation-*`, an image struct and a label."""
    from pyarrow import parquet

    files = _parquet_files(path)
    if not files:
        raise DataError(f"{path} holds no parquet files")
    test = [f for f in files if f.name.split("-")[0].split(".")[0] in TEST_NAMES]
    train = [f for f in files if f not in test]
    if not train:
        raise DataError(f"{path} holds test files only")
    schema = parquet.read_schema(train[0])
    image, label = _columns(schema, train[0])
    parts = {"train": _rows(train, image, label)}
    if test:
        parts["test"] = _rows(test, image, label)
    return parts, _class_names(schema, label, train)


def _columns(schema: Any, file: Path) -> tuple[str, str]:
    image = [f.name for f in schema if f.name in ("image", "img")]
    label = [f.name for f in schema if f.name in ("label", "labels", "fine_label")]
    if not image or not label:
        raise DataError(f"{file} has columns {', '.join(schema.names)}: no image and label among them")
    return image[0], label[0]


def _class_names(schema: Any, label: str, files: list[Path]) -> tuple[str, ...]:
    from pyarrow import compute, parquet

    described = (schema.metadata or {}).get(b"huggingface")
    if described:
        names = json.loads(described)["info"]["features"].get(label, {}).get("names")
        if names:
            return tuple(map(str, names))
    most = max(compute.max(parquet.read_table(f, columns=[label])[label]).as_py() for f in files)
    return tuple(map(str, range(most + 1)))


def _rows(files: list[Path], image: str, label: str) -> Iterator[Item]:
    from pyarrow import parquet

    for file in files:
        number = 0
        for batch in parquet.ParquetFile(file).iter_batches(1024, columns=[image, label]):
            for row in batch.to_pylist():
                content = row[image]["bytes"] if isinstance(row[image], dict) else row[image]
                yield Item(f"{file.name} row {number}", lambda found=content: found or b"", row[label])  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                number += 1


def _cifar(path: Path, name: str) -> Dataset:
    """The binary version: records of one label byte (two for CIFAR-100, the second counts) and 3,072 pixels."""
    fine = name == "cifar100"
    train = sorted(path.glob("train.bin" if fine else "data_batch_*.bin"))
    test = sorted(path.glob("test.bin" if fine else "test_batch.bin"))
    if not train or not test:
        raise DataError(
            f"{path} holds no {name} in the binary version (train.bin, data_batch_1.bin, …) nor parquet; "
            "the Python version is pickled, and not read"
        )
    names = path / ("fine_label_names.txt" if fine else "batches.meta.txt")
    classes = (
        tuple(names.read_text().split()) if names.exists() else tuple(map(str, range(100 if fine else 10)))
    )
    return Dataset(_binary(train, 1 + fine), _binary(test, 1 + fine), classes)


def _binary(files: list[Path], label_bytes: int) -> Split:
    parts = []
    for file in files:
        raw = np.fromfile(file, dtype=np.uint8)
        if raw.size == 0 or raw.size % (label_bytes + 3072):
            raise DataError(f"{file} is {raw.size:,} bytes, not a number of whole records")
        parts.append(raw.reshape(-1, label_bytes + 3072))
    whole = torch.from_numpy(np.concatenate(parts))
    images = whole[:, label_bytes:].reshape(-1, 3, 32, 32).contiguous()
    return Split(images, whole[:, label_bytes - 1].long())
