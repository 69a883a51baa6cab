"""Encoded images by number, read when they are asked for, in any process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

KEPT_BYTES = 1 << 28
"""Of encoded images a process keeps at a time."""


class Listing(Protocol):
    """labels: (N,) int64. runs: lengths of the stretches that are read at once, () where each is read alone.

    window: how many runs a process keeps at a time.
    """

    labels: Tensor
    runs: tuple[int, ...]
    window: int

    def name(self, index: int) -> str:
        """What to call an image in messages."""

    def read(self, index: int) -> bytes:
        """The encoded image. Raises OSError."""


class Files:
    """Image files below a folder; the names are one array of bytes, so that processes share it."""

    runs: tuple[int, ...] = ()
    window = 0

    def __init__(self, root: Path, names: Sequence[str], labels: Sequence[int]) -> None:
        self._root = root
        self._names = np.array([os.fsencode(name) for name in names])
        self.labels = torch.tensor(labels, dtype=torch.int64)

    def name(self, index: int) -> str:
        return str(self._root / os.fsdecode(self._names[index]))

    def read(self, index: int) -> bytes:
        return Path(self.name(index)).read_bytes()


class Rows:
    """Rows of parquet files, whose row groups are read whole; the last few are kept."""

    def __init__(self, files: Sequence[Path], image: str, label: str) -> None:
        """Reads the labels, and how the files are cut. Raises OSError or ValueError."""
        from pyarrow import parquet

        self._files, self._image = tuple(files), image
        self._groups: list[tuple[int, int]] = []  # file and row group of every run
        self._firsts: list[int] = []
        labels, largest = [np.empty(0, dtype=np.int64)], 1
        runs: list[int] = []
        for number, path in enumerate(files):
            with parquet.ParquetFile(path, memory_map=True) as opened:
                self._firsts.append(sum(runs))
                found = opened.read(columns=[label], use_threads=False).column(0)
                labels.append(found.fill_null(-1).to_numpy().astype(np.int64))
                for group in range(opened.num_row_groups):
                    about = opened.metadata.row_group(group)
                    self._groups.append((number, group))
                    runs.append(about.num_rows)
                    largest = max(largest, about.total_byte_size)
        self.labels = torch.from_numpy(np.concatenate(labels))
        self.runs = tuple(runs)
        self.window = max(1, KEPT_BYTES // largest)
        self._ends = np.cumsum(self.runs)
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def name(self, index: int) -> str:
        file = self._groups[self._run(index)][0]
        return f"{self._files[file].name} row {index - self._firsts[file]}"

    def read(self, index: int) -> bytes:
        run = self._run(index)
        if run not in self._kept:
            while len(self._kept) >= self.window:
                self._kept.popitem(last=False)
            self._kept[run] = self._column(run)
        self._kept.move_to_end(run)
        found = self._kept[run][index - int(self._ends[run]) + self.runs[run]].as_py()
        return (found.get("bytes") if isinstance(found, dict) else found) or b""

    def _run(self, index: int) -> int:
        return int(np.searchsorted(self._ends, index, side="right"))

    def _column(self, run: int) -> Any:
        from pyarrow import parquet

        file, group = self._groups[run]
        with parquet.ParquetFile(self._files[file], memory_map=True) as opened:
            return opened.read_row_group(group, columns=[self._image], use_threads=False).column(0)


class Part:
    """Some images of a listing, in ascending order of their numbers there."""

    def __init__(self, whole: Listing, chosen: Tensor) -> None:
        self._whole, self._chosen = whole, chosen
        self.labels, self.window = whole.labels[chosen], whole.window
        ends = torch.tensor(whole.runs, dtype=torch.int64).cumsum(0)
        counts = torch.bincount(torch.searchsorted(ends, chosen, right=True)) if whole.runs else None
        self.runs: tuple[int, ...] = tuple(c for c in counts.tolist() if c) if counts is not None else ()

    def name(self, index: int) -> str:
        return self._whole.name(int(self._chosen[index]))

    def read(self, index: int) -> bytes:
        return self._whole.read(int(self._chosen[index]))
