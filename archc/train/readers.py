"""Where labelled images are: folders, Hugging Face parquet, CIFAR's own layout."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
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

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})
NOT_READ = frozenset(
    {".avif", ".cr2", ".dcm", ".dng", ".heic", ".heif", ".jp2", ".jxl", ".nef", ".npy", ".psd", ".svg"}
)
"""Images that are not read; that a folder holds some is said."""
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "val", "valid", "validation", "testing", "eval")


@dataclass(frozen=True)
class Found:
    """Encoded images for training, for testing where there are some apart, names of the classes.

    notes: what was found there and is not used.
    """

    train: Listing
    test: Listing | None
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find(name: str, path: Path) -> Found:
    """The images of a `folder` or of `parquet` files. Raises DataError."""
    return _folder(path) if name == "folder" else _parquet(path)


def _folder(path: Path) -> Found:
    """`path/class/image`, or `path/train/class/image` with a `test` or `val` beside it. Names may be capitalised."""
    if path.is_file():
        raise DataError(f"{path} is a file: data of this kind is a folder of images")
    beside = {name.lower(): path / name for name in _subfolders(path)}
    train = next((beside[name] for name in TRAIN_NAMES if name in beside), path)
    found, notes = _images(train)
    if len(found) < 2:
        raise DataError(_too_few(train, tuple(found)))
    classes = tuple(found)
    test = None
    places = [beside[name] for name in TEST_NAMES if name in beside] if train != path else []
    for place in places:
        if len(places) > 1 and place.name.lower() == "test" and not _subfolders(place):
            continue  # ImageNet's, without labels
        test, more = _held_out(path, place, classes)
        notes += [
            *more,
            *(f"{p} is not used: {place.name} is what is tested on" for p in places if p != place),
        ]
        break
    return Found(_listed(train, found, classes), test, readable_names(path, classes), tuple(notes))


def _too_few(train: Path, classes: tuple[str, ...]) -> str:
    if not classes and _subfolders(train):
        return f"there are no images in the folders of {train}"
    if not classes:
        return f"{train} holds no folders of images, one for each class"
    inner = train / classes[0]
    hint = f": did you mean {inner}?" if _subfolders(inner) else ", and there is nothing to tell apart"
    return f"{train} holds images of one class only, {classes[0]}{hint}"


def _held_out(path: Path, place: Path, classes: tuple[str, ...]) -> tuple[Files, list[str]]:
    found, notes = _images(place)
    unknown = [name for name in found or _subfolders(place) if name not in classes]
    if unknown:
        hint = did_you_mean(unknown[0], classes)
        raise DataError(
            f"{place} has classes that are not trained: {', '.join(unknown[:5])}. {' '.join(hint)}".rstrip()
        )
    if found:
        return _listed(place, found, classes), notes
    names = sorted(entry.name for entry in _seen(place) if _is_image(entry.name))
    if not names:
        raise DataError(f"{place} holds no images")
    return Files(place, names, flat_labels(path, place, names, classes)), notes


def _seen(place: str | Path) -> list[os.DirEntry[str]]:
    """What a folder holds but for hidden entries, such as `.git` and the `._a.jpg` of a Mac."""
    return [entry for entry in os.scandir(place) if not entry.name.startswith(".")]


def _subfolders(place: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in _seen(place) if entry.is_dir()))


def _images(place: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The images of every class that has some, by paths below `place`; and what is left out."""
    found: dict[str, list[str]] = {}
    empty: list[str] = []
    others: Counter[str] = Counter()
    for kind in _subfolders(place):
        own = sorted(_below(place / kind, kind, others))
        if own:
            found[kind] = own
        else:
            empty.append(kind)
    notes = []
    if empty and found:
        notes.append(
            f"{place}: no images in {', '.join(empty[:5])}{', …' * (len(empty) > 5)}, so no such class"
        )
    if others:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(others.items()))
        notes.append(f"{place}: left out, as archc does not read them: {kinds}")
    return found, notes


def _listed(place: Path, found: dict[str, list[str]], classes: Sequence[str]) -> Files:
    names = [name for kind in classes for name in found.get(kind, ())]
    return Files(place, names, [label for label, kind in enumerate(classes) for _ in found.get(kind, ())])


def _below(folder: Path, prefix: str, others: Counter[str]) -> Iterator[str]:
    for entry in _seen(folder):
        if entry.is_dir():
            yield from _below(Path(entry.path), f"{prefix}/{entry.name}", others)
        elif _is_image(entry.name):
            yield f"{prefix}/{entry.name}"
        elif (suffix := _suffix(entry.name)) in NOT_READ:
            others[suffix] += 1


def _is_image(name: str) -> bool:
    return _suffix(name) in IMAGES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - of a million of them


def images_at(path: Path) -> list[Path]:
    """An image, or those in a folder and below. Raises DataError where a folder holds none."""
    if not path.is_dir():
        return [path]
    found = [path / name.removeprefix("/") for name in sorted(_below(path, "", Counter()))]
    if not found:
        raise DataError(f"{path} holds no images")
    return found


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
