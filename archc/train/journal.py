"""The log of a run: one JSON object a line, without clock times, so that a resumed run's is identical."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Appends to a file; `length` is what to cut it back to when a run resumes from a checkpoint."""

    def __init__(self, path: Path, length: int = 0) -> None:
        """Keeps the first `length` bytes. Raises ValueError where the file is shorter."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        there = self._file.tell()
        if there < length:
            self._file.close()
            raise ValueError(f"{path} has {there:,} bytes, but {length:,} when the checkpoint was saved")
        self._file.truncate(length)
        self._file.seek(length)

    def write(self, **values: Any) -> None:
        """One line."""
        self._file.write(json.dumps(values, allow_nan=False).encode() + b"\n")
        self._file.flush()

    def sync(self) -> int:
        """Makes the lines last and returns the file's length."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last one cut short by a crash is left out."""
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]
