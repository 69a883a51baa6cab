"""Where labelled images are: folders, Hugging Face parquet, CIFAR's own layout."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archc.diagnostics import did_you_mean
from archc.train.datasets import Split
from archc.train.faults import DataError
from archc.train.imagenet import flat_labels, readable_names
from archc.train.listing import Files, Listing, Rows

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"})
TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Found:
    """Encoded images for training, for testing where there are some apart, and names of the classes."""

    train: Listing
    test: Listing | None
    classes: tuple[str, ...]


def find(name: str, path: Path) -> Found:
    """The images of a `folder` or of `parquet` files. Raises DataError."""
    return _folder(path) if name == "folder" else _parquet(path)


def _folder(path: Path) -> Found:
    """`path/class/image`, or `path/train/class/image` with a `test` or `val` beside it."""
    train = path / "train" if (path / "train").is_dir() else path
    classes = _subfolders(train)
    if not classes:
        raise DataError(f"{train} holds no folders of images, one for each class")
    test = None
    for name in TEST_NAMES:
        if train != path and (path / name).is_dir():
            test = _held_out(path, path / name, classes)
            break
    names, labels = _files(train, classes)
    return Found(Files(train, names, labels), test, readable_names(path, classes))


def _held_out(path: Path, place: Path, classes: tuple[str, ...]) -> Files:
    own = _subfolders(place)
    unknown = [name for name in own if name not in classes]
    if unknown:
        hint = did_you_mean(unknown[0], classes)
        raise DataError(
            f"{place} has classes that are not trained: {', '.join(unknown[:5])}. {' '.join(hint)}".rstrip()
        )
    if own:
        names, labels = _files(place, classes)
    else:
        names = sorted(entry.name for entry in os.scandir(place) if _is_image(entry.name))
        if not names:
            raise DataError(f"{place} holds no images")
        labels = flat_labels(path, place, names, classes)
    return Files(place, names, labels)


def _subfolders(place: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in os.scandir(place) if entry.is_dir()))


def _files(place: Path, classes: Sequence[str]) -> tuple[list[str], list[int]]:
    names: list[str] = []
    labels: list[int] = []
    for label, kind in enumerate(classes):
        own = sorted(_below(place / kind, kind)) if (place / kind).is_dir() else []
        names += own
        labels += [label] * len(own)
    return names, labels


def _below(folder: Path, prefix: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _below(Path(entry.path), f"{prefix}/{entry.name}")
        elif _is_image(entry.name):
            yield f"{prefix}/{entry.name}"


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGES  # noqa: PTH122 - a million of them


def parquet_files(path: Path) -> list[Path]:
    """The parquet files at a path, or below it."""
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path] if path.suffix == ".parquet" else []


def _parquet(path: Path) -> Found:
    """The hub's layouts: `train-*.parquet` or `train/*.parquet`; an image and a label in each row."""
    files = parquet_files(path)
    if not files:
        raise DataError(f"{path} holds no parquet files")
    _check_whole(files)
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(_split_name(file), []).append(file)
    train = splits.get("train")
    if train is None:
        others = [f for name, found in splits.items() if name not in TEST_NAMES for f in found]
        if not others:
            raise DataError(f"{path} holds test files only")
        train = others
    folders = sorted({str(f.parent) for f in train})
    if len(folders) > 1:
        raise DataError(f"{path} holds several data sets; give one of {', '.join(folders)}")
    from pyarrow import ArrowInvalid, parquet

    try:
        schema = parquet.read_schema(train[0])
        image, label = _columns(schema, train[0])
        found = Rows(train, image, label)
        test = None
        for name in TEST_NAMES:
            if name in splits:
                test = Rows(splits[name], image, label)
                if bool((test.labels >= 0).all()):  # the test labels of ImageNet are kept back, as -1
                    break
                test = None
    except (ArrowInvalid, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    return Found(found, test, _class_names(schema, label, found))


def _split_name(file: Path) -> str:
    name = re.split(r"[-.]", file.name)[0]
    return name if name in ("train", *TEST_NAMES) or not file.parent.name else _folder_split(file, name)


def _folder_split(file: Path, name: str) -> str:
    return file.parent.name if file.parent.name in ("train", *TEST_NAMES) else name


def _check_whole(files: list[Path]) -> None:
    """Shards say how many they are; some may not have been downloaded."""
    shards: dict[tuple[Path, str, int], int] = {}
    for file in files:
        if said := re.match(r"(.+)-\d+-of-(\d+)", file.name):
            key = (file.parent, said[1], int(said[2]))
            shards[key] = shards.get(key, 0) + 1
    for (folder, name, count), there in shards.items():
        if there < count:
            raise DataError(f"{folder} holds {there} of the {count} files of {name}")


def _columns(schema: Any, file: Path) -> tuple[str, str]:
    image = [f.name for f in schema if f.name in ("image", "img", "jpg", "png")]
    label = [f.name for f in schema if f.name in ("label", "labels", "fine_label", "cls")]
    if not image or not label:
        raise DataError(f"{file} has columns {', '.join(schema.names)}: no image and label among them")
    return image[0], label[0]


def _class_names(schema: Any, label: str, found: Rows) -> tuple[str, ...]:
    described = (schema.metadata or {}).get(b"huggingface")
    if described:
        names = json.loads(described)["info"]["features"].get(label, {}).get("names")
        if names:
            return tuple(map(str, names))
    return tuple(map(str, range(int(found.labels.max()) + 1)))


def binary_cifar(path: Path, name: str) -> tuple[Split, Split, tuple[str, ...]]:
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
    return _binary(train, 1 + fine), _binary(test, 1 + fine), classes


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
