"""What ImageNet's layouts have beside class folders: names of synsets, and labels of a flat `val`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from archc.train.faults import DataError

NAMES = ("LOC_synset_mapping.txt", "synset_words.txt")
"""Kaggle's and Caffe's: a synset and its words on every line."""
LABELS = ("LOC_val_solution.csv", "val.txt")
"""Kaggle's `name,synset box…` and Caffe's `name number`."""


def readable_names(root: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """The first word of every synset, where one of NAMES is in the folder or above it; other classes as they are."""
    words: dict[str, str] = {}
    for file in _beside(root, NAMES):
        for line in file.read_text(encoding="utf-8").splitlines():
            synset, _, text = line.strip().partition(" ")
            words[synset] = text.split(",")[0].strip() or synset
        break
    found = [words.get(name, name) for name in classes]
    # crane, maillot: two synsets have the same first word
    return tuple(f"{w} ({c})" if found.count(w) > 1 else w for w, c in zip(found, classes, strict=True))


def flat_labels(root: Path, place: Path, names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Labels of the images of a folder without class folders, from one of LABELS. Raises DataError."""
    files = _beside(root, LABELS)
    if not files:
        raise DataError(
            f"{place} holds images, not folders of classes: put {' or '.join(LABELS)} beside it, which say the "
            "class of each, or move each image into a folder named as its class is in training"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    found: dict[str, int] = {}
    for line in files[0].read_text(encoding="utf-8").splitlines():
        image, said, *_ = [*re.split(r"[,\s]+", line.strip()), "", ""]
        label = numbers.get(said, int(said) if said.isdecimal() else -1)
        if 0 <= label < len(classes):
            found[Path(image).stem] = label
    missing = [name for name in names if Path(name).stem not in found]
    if missing:
        raise DataError(f"{files[0]} says no class of {len(missing):,} images of {place}: {missing[0]}, …")
    return [found[Path(name).stem] for name in names]


def _beside(root: Path, names: Sequence[str]) -> list[Path]:
    """The files of these names in a folder, or in one of the three above it, as Kaggle's archive has them."""
    places = [root, *root.absolute().parents[:3]]
    return [place / name for place in places for name in names if (place / name).is_file()]
